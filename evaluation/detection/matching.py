"""Owns which detection is taken for which true box: greedily by falling score, as COCO does.

The most certain detection of a class takes the box of that class that it overlaps most, if by at least the threshold;
that box is gone for the others. Boxes that do not count (ignored, crowd, or of another size than is asked for) are
taken only where no other fits, and a detection that takes one does not count either. Neither does one that fits
nothing and is itself of another size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluation.detection.boxes import Scene, overlap, rows_by

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AREAS", "IOU", "MOST_FOUND", "Matches", "match"]

IOU = np.linspace(0.5, 0.95, 10)
"""Thresholds of overlap."""
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Sizes of a box in square pixels, both ends included."""
MOST_FOUND = 100
"""Most detections of one class in one picture that are looked at, the most certain ones."""


class Matches:
    """The detections that were looked at, most certain first, and what became of them.

    Attributes:
        image, label, score: of each detection. place: 0 for the most certain of its class in its picture, 1, …
        right: bool (areas, thresholds, d), took a box that counts.
        wrong: bool (areas, thresholds, d), took none and counts.
        true_image, true_label: of each true box. counts: bool (areas, g), it is asked for.
    """

    def __init__(self, scene: Scene, kept: NDArray[np.int64], place: NDArray[np.int64]) -> None:
        self.image, self.label, self.score = scene.found_image[kept], scene.found_label[kept], scene.score[kept]
        self.place = place
        self.true_image, self.true_label = scene.true_image, scene.true_label
        self.counts = ~scene.ignore & _within(scene.true_area)
        shape = (len(AREAS), len(IOU), len(kept))
        self.right = np.zeros(shape, dtype=bool)
        self.wrong = np.broadcast_to(_within(scene.found_area[kept])[:, None], shape).copy()


def match(scene: Scene) -> Matches:
    """Match every picture and class.

    Source: Lin et al. (2014), "Microsoft COCO", and ``pycocotools.cocoeval``.
    """
    found = rows_by(scene.found_image * len(scene.labels) + scene.found_label)
    place = np.zeros(len(scene.score), dtype=np.int64)
    for rows in found.values():
        place[rows] = np.arange(len(rows))
    kept = np.flatnonzero(place < MOST_FOUND)
    position = np.full(len(place), -1)
    position[kept] = np.arange(len(kept))
    matches = Matches(scene, kept, place[kept])
    true = rows_by(scene.true_image * len(scene.labels) + scene.true_label)
    for pair, rows in found.items():
        if pair in true:
            _match_pair(scene, matches, rows[:MOST_FOUND], position[rows[:MOST_FOUND]], true[pair])
    return matches


def _match_pair(
    scene: Scene, matches: Matches, rows: NDArray[np.int64], at: NDArray[np.int64], true: NDArray[np.int64]
) -> None:
    crowd, regular = scene.crowd[true], matches.counts[:, None, true]  # (areas, 1, g)
    overlaps = overlap(scene.found_box[rows], scene.true_box[true], crowd)
    free = np.ones((len(AREAS), len(IOU), len(true)), dtype=bool)
    some = np.flatnonzero(overlaps.max(axis=1) >= IOU[0])
    # Of equal overlaps the later box wins, and any box that counts wins over any that does not.
    rank = np.argsort(np.argsort(overlaps, axis=1, kind="stable"), axis=1)
    for row in some:
        fits = (overlaps[row] >= IOU[:, None]) & (free | crowd)
        worth = np.where(fits, rank[row] + len(true) * regular, -1)
        best = worth.argmax(axis=2)[..., None]
        took = np.take_along_axis(worth, best, axis=2) >= 0
        counting = np.take_along_axis(np.broadcast_to(regular, worth.shape), best, axis=2)
        matches.right[:, :, at[row]] = (took & counting)[..., 0]
        matches.wrong[:, :, at[row]] &= ~took[..., 0]
        np.put_along_axis(free, best, np.take_along_axis(free, best, axis=2) & ~took, axis=2)


def _within(area: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.array([(area >= low) & (area <= high) for low, high in AREAS.values()])
