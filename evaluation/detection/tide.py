"""Owns why a detector is wrong: every false detection and every missed box by its kind, and what each kind costs.

A detection that took no box (overlap at least 0.5, its own class) is, in this order, wrong in

- place: it overlaps a box of its class by 0.1 to 0.5;
- class: it overlaps a box of another class by 0.5 or more;
- number (duplicate): it overlaps a box of its class by 0.5 or more that a surer one took;
- background: it overlaps no box by more than 0.1;
- both place and class: what is left.

A box is missed if nothing took it and no fault of place or class lies on it.

The cost of a kind is by how much mAP at overlap 0.5 would rise if that kind alone were mended: place and class become
right (the surest on a box; the others vanish), duplicates, background and both vanish, missed boxes are not asked for.

Source: Bolya et al. (2020), "TIDE: A General Toolbox for Identifying Object Detection Errors", and its ``tidecv``
    (order of the kinds, and the 100 surest detections of a picture). As everywhere here, and other than there, a class
    without boxes is left out of mAP, and detections on ignored boxes are no errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.counting import mean_of_defined
from evaluation.detection.boxes import Scene, overlap, rows_by
from evaluation.detection.precision import interpolated_precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KINDS", "ErrorKind", "error_kinds"]

KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
_RIGHT, _IGNORED = -1, -2
NEAR, FAR = 0.5, 0.1
_MOST_FOUND = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorKind:
    """One kind. ``count``: detections, or missed boxes. ``cost``: share of 1 of mAP at overlap 0.5."""

    count: int
    cost: float


@dataclass(slots=True)
class _Sorted:
    """Every detection's kind (index in KINDS, right or ignored) and the free box it would have had; unmatched boxes."""

    kind: NDArray[np.int64]
    meant: NDArray[np.int64]
    taken: NDArray[np.bool_]


def error_kinds(scene: Scene) -> dict[str, ErrorKind]:
    """Kind -> how often, and what it costs; in the order of ``KINDS``."""
    found = _Sorted(
        np.full(len(scene.score), _IGNORED), np.full(len(scene.score), -1), np.zeros(len(scene.true_box), dtype=bool)
    )
    boxes = rows_by(scene.true_image)
    for image, rows in rows_by(scene.found_image).items():
        _sort_picture(scene, found, rows[:_MOST_FOUND], boxes.get(image, np.zeros(0, np.int64)))
    missed = ~scene.ignore & ~found.taken
    missed[found.meant[found.meant >= 0]] = False
    counts = [int((found.kind == kind).sum()) for kind in range(len(KINDS) - 1)] + [int(missed.sum())]
    whole = _mean_precision(scene, found.kind == _RIGHT, found.kind != _IGNORED, scene.found_label, ~scene.ignore)
    return {
        name: ErrorKind(count=count, cost=max(0.0, _mended(scene, found, kind, missed) - whole))
        for kind, (name, count) in enumerate(zip(KINDS, counts, strict=True))
    }


def _sort_picture(scene: Scene, found: _Sorted, rows: NDArray[np.int64], boxes: NDArray[np.int64]) -> None:
    true, regions = boxes[~scene.ignore[boxes]], boxes[scene.ignore[boxes]]
    label = scene.found_label[rows]
    near = overlap(scene.found_box[rows], scene.true_box[true], np.zeros(len(true), dtype=bool))
    own = near * (label[:, None] == scene.true_label[true])
    right = _take(own, found.taken, true)
    covers = overlap(scene.found_box[rows], scene.true_box[regions], np.ones(len(regions), dtype=bool))
    ignored = ~right & ((covers > NEAR) & (label[:, None] == scene.true_label[regions])).any(axis=1)
    found.kind[rows] = np.where(right, _RIGHT, np.where(ignored, _IGNORED, KINDS.index("background")))
    for row, at in enumerate(rows):
        if right[row] or ignored[row] or not len(true):
            continue
        kind, box = _kind_of(near[row], own[row], found.taken[true])
        found.kind[at] = KINDS.index(kind)
        if box is not None and not found.taken[true[box]]:
            found.meant[at] = true[box]


def _take(own: NDArray[np.float64], taken: NDArray[np.bool_], true: NDArray[np.int64]) -> NDArray[np.bool_]:
    left, right = own.copy(), np.zeros(len(own), dtype=bool)
    for row in range(len(own) if len(true) else 0):
        box = int(left[row].argmax())
        if left[row, box] >= NEAR:
            right[row] = taken[true[box]] = True
            left[:, box] = 0
    return right


def _kind_of(near: NDArray[np.float64], own: NDArray[np.float64], taken: NDArray[np.bool_]) -> tuple[str, int | None]:
    if FAR <= own.max() <= NEAR:
        return "localisation", int(own.argmax())
    others = np.where(own > 0, 0.0, near)
    if others.max() >= NEAR:
        return "classification", int(others.argmax())
    if (own * taken).max() >= NEAR:
        return "duplicate", None
    return ("background" if near.max() <= FAR else "both"), None


def _mended(scene: Scene, found: _Sorted, kind: int, missed: NDArray[np.bool_]) -> float:
    """mAP at overlap 0.5 with one kind mended."""
    right, counts, label = found.kind == _RIGHT, found.kind != _IGNORED, scene.found_label.copy()
    asked = ~scene.ignore
    if KINDS[kind] == "missed":
        return _mean_precision(scene, right, counts, label, asked & ~missed)
    faults = np.flatnonzero(found.kind == kind)
    counts[faults] = False
    if KINDS[kind] in ("localisation", "classification"):
        # Detections come surest first, so the first on a box is the one that gets it, whatever its fault.
        boxes, first = np.unique(found.meant, return_index=True)
        for box, at in zip(boxes, first, strict=True):
            if box >= 0 and found.kind[at] == kind:
                right[at] = counts[at] = True
                label[at] = scene.true_label[box]
    return _mean_precision(scene, right, counts, label, asked)


def _mean_precision(
    scene: Scene,
    right: NDArray[np.bool_],
    counts: NDArray[np.bool_],
    label: NDArray[np.int64],
    asked: NDArray[np.bool_],
) -> float:
    classes = range(len(scene.labels))
    known = np.bincount(scene.true_label[~scene.ignore], minlength=len(classes)) > 0
    boxes = np.bincount(scene.true_label[asked], minlength=len(classes))
    found = np.full(len(classes), np.nan)
    for each in np.flatnonzero(known):
        rows = counts & (label == each)
        if boxes[each]:
            found[each] = interpolated_precision(right[rows].cumsum(), (~right[rows]).cumsum(), boxes[each]).mean()
        elif rows.any():
            found[each] = 0.0
    mean = float(mean_of_defined(found))
    return 0.0 if np.isnan(mean) else mean
