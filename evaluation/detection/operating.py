"""Owns precision, recall and F1 of a detector at one score, as a user would run it, at overlap 0.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluation.counting import mean_of_defined, rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.detection.matching import Matches
    from evaluation.detection.resampling import BoxCounts

__all__ = ["Operating"]


class Operating:
    """Detections with at least ``threshold``, by pool and class.

    Attributes:
        said: detections that count, float64 (pools, classes).
    """

    def __init__(self, matches: Matches, counts: BoxCounts, threshold: float) -> None:
        sure = matches.score >= threshold
        self._hits = counts.sums(matches.image, matches.label, matches.right[0, 0] & sure)
        self.said = self._hits + counts.sums(matches.image, matches.label, matches.wrong[0, 0] & sure)
        self._boxes = counts.boxes[0]

    def figures(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Of resamples: over all boxes (r,), means over classes (r,), and by class (r, c), NaN where undefined.

        Precision of a class that is there but never found is 0; recall and F1 as of a classifier.
        """
        hits, said, boxes = weights @ self._hits, weights @ self.said, weights @ self._boxes
        by_class = rates(hits, said, boxes)
        whole = rates(*(each.sum(axis=1) for each in (hits, said, boxes)))
        return {
            **whole,
            **{f"macro_{name}": mean_of_defined(values) for name, values in by_class.items()},
            **{f"class_{name}": values for name, values in by_class.items()},
        }
