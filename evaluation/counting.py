"""Owns what is counted of a classifier's answers: sums by group, so that a resample is one matrix product.

Where a denominator is zero:

- recall of a class without test samples is undefined (NaN), and so is F1 of a class that is neither there nor
  predicted; an undefined value is left out of every mean;
- precision of a class that is there but never predicted is 0, and of one that is neither is undefined;
- macro F1 and macro precision are means over the classes that are there or predicted; balanced accuracy is
  the mean recall of the classes that are there. That is what scikit-learn does by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BINS", "Answers", "Cells", "Totals", "figures"]

BINS = 15
"""Equal-width confidence bins of the expected calibration error."""
PROBABILITY_FLOOR = float(np.finfo(np.float32).eps)
"""Probabilities are float32 where they are made, so log loss counts none of them as less than this."""


class Answers:
    """Truth, prediction, confidence and correctness of every sample."""

    def __init__(self, truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
        self.truth = truth
        self.classes = probabilities.shape[1]
        self.predicted = probabilities.argmax(axis=1)
        self.confidence = probabilities.max(axis=1)
        self.correct = self.predicted == truth
        likely = probabilities[np.arange(len(truth)), truth]
        self.loss = -np.log(np.clip(likely, PROBABILITY_FLOOR, 1.0))


class Cells:
    """What each group adds to the totals: one row a group, so that resampling is one matrix product."""

    def __init__(self, answers: Answers, groups: Sequence[str]) -> None:
        names, index = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
        self.groups: list[str] = [str(name) for name in names]
        self.classes = answers.classes

        def count(columns: int, column: NDArray[Any], weight: NDArray[Any] | None = None) -> NDArray[np.float64]:
            flat = np.bincount(index * columns + column, weights=weight, minlength=len(names) * columns)
            return flat.reshape(len(names), columns).astype(np.float64)

        one = np.zeros_like(answers.truth)
        # Bin k holds confidences in (k/15, (k+1)/15], as in the source.
        bins = np.clip(np.ceil(answers.confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        self.table = np.hstack(
            [
                count(1, one),
                count(1, one, answers.correct),
                count(1, one, answers.loss),
                count(self.classes, answers.truth, answers.correct),
                count(self.classes, answers.truth),
                count(self.classes, answers.predicted),
                count(BINS, bins),
                count(BINS, bins, answers.correct),
                count(BINS, bins, answers.confidence),
            ]
        )

    def totals(self, weights: NDArray[np.float64] | None = None) -> Totals:
        """Totals of the sample itself, or of resamples. Input: weights (r, groups), how often each was drawn."""
        return Totals(self.table.sum(axis=0, keepdims=True) if weights is None else weights @ self.table, self.classes)

    def by_group(self) -> Totals:
        """Totals of every group by itself, in the order of ``groups``."""
        return Totals(self.table, self.classes)


class Totals:
    """Sums over the samples of r resamples; the first axis is the resample."""

    def __init__(self, table: NDArray[np.float64], classes: int) -> None:
        edges = np.cumsum([1, 1, 1, classes, classes, classes, BINS, BINS])
        split = np.split(table, edges, axis=1)
        self.n, self.right, self.loss = (column[:, 0] for column in split[:3])
        self.hits, self.support, self.predicted = split[3:6]
        self.bin_n, self.bin_right, self.bin_confidence = split[6:9]


def figures(totals: Totals) -> dict[str, NDArray[np.float64]]:
    """Every figure of every resample: (r,) or, by class, (r, c). NaN where undefined."""
    hits, support, predicted = totals.hits, totals.support, totals.predicted
    there = support + predicted > 0
    recall = _ratio(hits, support)
    precision = np.where(there, _ratio(hits, predicted, empty=0.0), np.nan)
    f1 = _ratio(2 * hits, support + predicted)
    gap = np.abs(totals.bin_right - totals.bin_confidence).sum(axis=1)
    return {
        "accuracy": totals.right / totals.n,
        "balanced_accuracy": _mean(recall),
        "macro_precision": _mean(precision),
        "macro_f1": _mean(f1),
        "log_loss": totals.loss / totals.n,
        "ece": gap / totals.n,
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64], *, empty: float = np.nan) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.full_like(below, empty), where=below > 0)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    defined = ~np.isnan(values)
    mean: NDArray[np.float64] = np.where(defined, values, 0.0).sum(axis=1) / defined.sum(axis=1)
    return mean
