"""Owns average precision and recall of resamples of the groups (pictures or sites) of a test part.

Only the spread of the resamples is used (``evaluation.estimates``), so neighbouring scores may be counted together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.counting import ratio
from evaluation.detection.matching import AREAS, IOU, Matches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.bootstrap import Groups

__all__ = ["BoxCounts", "PrecisionResamples"]

LEVELS = 256
"""Distinct scores of a class that are told apart."""


class BoxCounts:
    """True boxes and finds by pool, so that recall of a resample is one matrix product.

    Input: groups, of the pictures (one entry a picture).
    """

    def __init__(self, matches: Matches, groups: Groups, classes: int) -> None:
        self._matches, self._pool, self._pools, self._classes = matches, groups.pool, groups.pools, classes
        self.boxes = np.array([self.sums(matches.true_image, matches.true_label, row) for row in matches.counts])

    def sums(self, image: NDArray[np.int64], label: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """How many of the mask are of each pool and class, float64 (pools, classes)."""
        flat = self._pool[image[mask]] * self._classes + label[mask]
        table = np.bincount(flat, minlength=self._pools * self._classes)
        return table.reshape(self._pools, self._classes).astype(np.float64)

    def recall(self, weights: NDArray[np.float64], most: int) -> NDArray[np.float64]:
        """Mean recall over the thresholds, (r, areas, classes). Input: weights, float64 (r, pools)."""
        matches, near = self._matches, self._matches.place < most
        found = []
        for area, boxes in enumerate(self.boxes):
            hits = sum(self.sums(matches.image, matches.label, row & near) for row in matches.right[area])
            found.append(ratio(weights @ (hits / len(IOU)), weights @ boxes))
        return np.stack(found, axis=1)


class PrecisionResamples:
    """Average precision of resamples."""

    def __init__(self, matches: Matches, counts: BoxCounts, groups: Groups, classes: int) -> None:
        self._boxes, self._classes, self._pools = counts.boxes, classes, groups.pools
        self._levels = [self._of_class(matches, groups, label) for label in range(classes)]

    def resampled(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(r, areas, thresholds, classes); NaN where a class has no box. Input: weights, float64 (r, pools)."""
        turned = np.ascontiguousarray(weights.T)
        found = np.full((len(weights), len(AREAS), len(IOU), self._classes), np.nan)
        for area in range(len(AREAS)):
            positives = weights @ self._boxes[area]
            for label in np.flatnonzero(self._boxes[area].any(axis=0)):
                for threshold, (right, wrong) in enumerate(self._levels[label][area]):
                    found[:, area, threshold, label] = _averages(right @ turned, wrong @ turned, positives[:, label])
        return found

    def _of_class(self, matches: Matches, groups: Groups, label: int) -> list[list[tuple[Any, Any]]]:
        from scipy.sparse import csr_array

        rows = np.flatnonzero(matches.label == label)
        pool, size = groups.pool[matches.image[rows]], min(len(rows), LEVELS)
        level = np.arange(len(rows)) * size // max(1, len(rows))

        def matrix(mask: NDArray[np.bool_]) -> Any:
            return csr_array((np.ones(int(mask.sum())), (level[mask], pool[mask])), shape=(size, self._pools))

        return [
            [(matrix(matches.right[area, k, rows]), matrix(matches.wrong[area, k, rows])) for k in range(len(IOU))]
            for area in range(len(AREAS))
        ]


def _averages(
    right: NDArray[np.float64], wrong: NDArray[np.float64], positives: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean precision at the 101 recalls. Input: right and wrong, (levels, r), by falling score. positives, (r,)."""
    if not len(right):
        return np.where(positives > 0, 0.0, np.nan)
    hits = right.cumsum(axis=0)
    precision = ratio(hits, hits + wrong.cumsum(axis=0), empty=0.0)
    best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    # A level is the first to reach as many of the recalls 0.01 … 1 as lie between its recall and the one before.
    steps = np.floor(100 * hits / np.maximum(positives, 1) + 1e-9)
    total = best[0] + (np.diff(steps, axis=0, prepend=0.0) * best).sum(axis=0)
    return np.where(positives > 0, total / 101, np.nan)
