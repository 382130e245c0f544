"""Owns average precision and recall of matched detections, by class, overlap and size.

Precision at a recall is the best precision at that recall or more; average precision is its mean at 101 recalls from 0
to 1. A class without boxes that count has none (NaN) and is left out of means.

Source: Lin et al. (2014), "Microsoft COCO", and ``pycocotools.cocoeval``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluation.detection.matching import AREAS, IOU, MOST_FOUND, Matches

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RECALLS", "average_precision", "average_recall", "boxes_by_class", "interpolated_precision"]

RECALLS = np.linspace(0.0, 1.0, 101)


def boxes_by_class(matches: Matches, classes: int) -> NDArray[np.int64]:
    """True boxes that count, int64 (areas, classes)."""
    return np.array([np.bincount(matches.true_label[row], minlength=classes) for row in matches.counts])


def average_precision(matches: Matches, classes: int, most: int = MOST_FOUND) -> NDArray[np.float64]:
    """Average precision, float64 (areas, thresholds, classes), of the ``most`` surest finds a picture and class."""
    boxes = boxes_by_class(matches, classes)
    found = np.full((len(AREAS), len(IOU), classes), np.nan)
    for label in range(classes):
        rows = (matches.label == label) & (matches.place < most)
        hits = matches.right[:, :, rows].cumsum(axis=2)
        alarms = matches.wrong[:, :, rows].cumsum(axis=2)
        for area in np.flatnonzero(boxes[:, label]):
            for threshold in range(len(IOU)):
                precision = interpolated_precision(hits[area, threshold], alarms[area, threshold], boxes[area, label])
                found[area, threshold, label] = precision.mean()
    return found


def interpolated_precision(
    hits: NDArray[np.int64], alarms: NDArray[np.int64], positives: int | np.int64
) -> NDArray[np.float64]:
    """Precision at each of ``RECALLS``, 0 where the recall is not reached. Input: running counts, int (d,)."""
    precision = np.zeros(len(RECALLS))
    if len(hits):
        best = np.maximum.accumulate((hits / np.maximum(hits + alarms, 1))[::-1])[::-1]
        at = np.searchsorted(hits / positives, RECALLS, side="left")
        precision[at < len(hits)] = best[at[at < len(hits)]]
    return precision


def average_recall(matches: Matches, classes: int, most: int = MOST_FOUND) -> NDArray[np.float64]:
    """Share of the boxes that are found at all, float64 (areas, thresholds, classes)."""
    boxes = boxes_by_class(matches, classes)[:, None]
    rows = matches.place < most
    labels = matches.label[rows]
    hits = np.array(
        [[np.bincount(labels[row], minlength=classes) for row in area] for area in matches.right[:, :, rows]]
    )
    return np.where(boxes > 0, hits / np.maximum(boxes, 1), np.nan)
