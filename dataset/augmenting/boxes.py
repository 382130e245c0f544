"""Owns the boxes that are known of whole pictures, as marks that a medium of augmentation takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataset.augmenting.medium import Medium
    from dataset.entries import Entry
    from ecosight.state.samples import SampleStore
    from ecosight.values import Sample

__all__ = ["KnownBoxes", "known_boxes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBoxes:
    """The boxes of some samples.

    Attributes:
        marks: sample id -> ``[{"box": [x0, y0, x1, y1], "label": …}]`` in pixels of the upright picture; only of
            samples with boxes.
        unfit: ids of samples whose boxes were drawn on a picture of another size, so nobody knows where they are.
    """

    marks: Mapping[str, Any]
    unfit: tuple[str, ...] = ()


def known_boxes(entries: Iterable[Entry], samples: SampleStore, medium: Medium) -> KnownBoxes:
    """What the source of each sample said of boxes on it; see ``dataset.readers.Found.boxes``.

    A box has the label that its sample has now: all boxes of a sample are of one class, and labels are corrected.

    Args:
        samples: of this project. One that came in from elsewhere, by ``pull``, has no row there, and so no boxes.
    Returns: nothing, and without reading rows, for a medium that takes no marks.
    """
    if not getattr(medium, "takes_marks", False):
        return KnownBoxes(marks={})
    labels = {entry.sample_id: entry.label for entry in entries}
    marks, unfit = {}, []
    for sample in samples.many(list(labels)):
        if not (boxes := sample.details.get("boxes")):
            continue
        placed = [_pixels(box, sample) for box in boxes]
        if None in placed:
            unfit.append(sample.id)
        else:
            marks[sample.id] = [{"box": box, "label": labels[sample.id]} for box in placed]
    return KnownBoxes(marks=marks, unfit=tuple(unfit))


def _pixels(box: Mapping[str, Any], sample: Sample) -> list[float] | None:
    """The edges in pixels; None for a box on a picture of another size."""
    size = (sample.details.get("width"), sample.details.get("height"))
    if None in size or (box.get("size") is not None and tuple(box["size"]) != size):
        return None
    scale = size if box["unit"] == "share" else (1, 1)
    return [round(box[edge] * scale[k % 2], 3) for k, edge in enumerate(("x0", "y0", "x1", "y1"))]
