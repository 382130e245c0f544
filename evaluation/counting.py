"""Owns what is counted of a classifier's answers: sums by group, so that a resample is one matrix product.

Where a denominator is zero:

- recall of a class without test samples is undefined (NaN), and so is F1 of a class that is neither there nor
  predicted; an undefined value is left out of every mean;
- precision of a class that is there but never predicted is 0, and of one that is neither is undefined;
- macro F1 and macro precision are means over the classes that are there or predicted; balanced accuracy (macro
  recall) is the mean recall of the classes that are there. That is what scikit-learn does by default;
- weighted means weigh a class by its samples. Over all classes, micro precision, recall and F1 are the accuracy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.bootstrap import Groups

__all__ = [
    "BINS",
    "TOP",
    "Answers",
    "Cells",
    "Totals",
    "bin_of",
    "figures",
    "mean_of_defined",
    "rates",
    "ratio",
    "without_chance",
]

BINS = 15
"""Equal-width confidence bins of the expected calibration error."""
TOP = (3, 5)
"""The k of the top-k accuracies."""
PROBABILITY_FLOOR = float(np.finfo(np.float32).eps)
"""Probabilities are float32 where they are made, so log loss counts none of them as less than this."""


def bin_of(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bin k holds confidences in (k/15, (k+1)/15], as in Guo et al. (2017)."""
    return np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)


class Answers:
    """Truth, prediction, confidence and correctness of every sample."""

    def __init__(self, truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
        self.truth = truth
        self.table = probabilities
        self.classes = probabilities.shape[1]
        self.predicted = probabilities.argmax(axis=1)
        self.confidence = probabilities.max(axis=1)
        self.correct = self.predicted == truth
        likely = probabilities[np.arange(len(truth)), truth]
        self.loss = -np.log(np.clip(likely, PROBABILITY_FLOOR, 1.0))
        self.brier = (probabilities**2).sum(axis=1) - 2 * likely + 1
        # Of equals, the first counts as more probable, as it does for the answer itself.
        columns = np.arange(self.classes)
        above = (probabilities > likely[:, None]) | ((probabilities == likely[:, None]) & (columns < truth[:, None]))
        self.rank = above.sum(axis=1)


class Cells:
    """What each pool of groups adds to the totals: one row a pool, so that resampling is one matrix product."""

    def __init__(self, answers: Answers, groups: Groups) -> None:
        self.classes = answers.classes
        one, bins, sums = np.zeros_like(answers.truth), bin_of(answers.confidence), groups.sums
        self.table = np.hstack(
            [
                sums(1, one),
                sums(1, one, answers.correct),
                sums(1, one, answers.loss),
                sums(1, one, answers.brier),
                *(sums(1, one, answers.rank < k) for k in TOP),
                sums(self.classes, answers.truth, answers.correct),
                sums(self.classes, answers.truth),
                sums(self.classes, answers.predicted),
                sums(BINS, bins),
                sums(BINS, bins, answers.correct),
                sums(BINS, bins, answers.confidence),
                *(self._gaps(answers, groups, column) for column in range(self.classes)),
            ]
        )

    def totals(self, weights: NDArray[np.float64] | None = None) -> Totals:
        """Totals of the sample itself, or of resamples. Input: weights (r, pools), how often each was drawn."""
        return Totals(self.table.sum(axis=0, keepdims=True) if weights is None else weights @ self.table, self.classes)

    def calibration_floors(self) -> dict[str, float]:
        """``ece`` and ``classwise_ece`` without what chance adds to them, see ``without_chance``."""
        totals = Totals(self.table, self.classes)
        n = float(totals.n.sum())
        gaps = totals.gaps.reshape(len(self.table), -1)
        return {
            "ece": without_chance(totals.bin_right - totals.bin_confidence) / n,
            "classwise_ece": without_chance(gaps) / n / self.classes,
        }

    @staticmethod
    def _gaps(answers: Answers, groups: Groups, column: int) -> NDArray[np.float64]:
        sure = answers.table[:, column]
        return groups.sums(BINS, bin_of(sure), sure - (answers.truth == column))


class Totals:
    """Sums over the samples of r resamples; the first axis is the resample."""

    def __init__(self, table: NDArray[np.float64], classes: int) -> None:
        widths = [1] * (4 + len(TOP)) + [classes] * 3 + [BINS] * 3
        split = np.split(table, np.cumsum(widths), axis=1)
        self.n, self.right, self.loss, self.brier, *self.top = (column[:, 0] for column in split[: 4 + len(TOP)])
        self.hits, self.support, self.predicted = split[4 + len(TOP) : 7 + len(TOP)]
        self.bin_n, self.bin_right, self.bin_confidence = split[7 + len(TOP) : 10 + len(TOP)]
        self.gaps = split[-1].reshape(len(table), classes, BINS)


def figures(totals: Totals) -> dict[str, NDArray[np.float64]]:
    """Every figure of every resample: (r,) or, by class, (r, c). NaN where undefined."""
    hits, support, predicted = totals.hits, totals.support, totals.predicted
    by_class = rates(hits, predicted, support)
    precision, recall, f1 = (by_class[name] for name in ("precision", "recall", "f1"))
    gap = np.abs(totals.bin_right - totals.bin_confidence).sum(axis=1)
    classes = hits.shape[1]
    top = {
        f"top_{k}_accuracy": right / totals.n if k < classes else np.full_like(right, np.nan)
        for k, right in zip(TOP, totals.top, strict=True)
    }
    return {
        "accuracy": totals.right / totals.n,
        "balanced_accuracy": mean_of_defined(recall),
        "macro_precision": mean_of_defined(precision),
        "macro_f1": mean_of_defined(f1),
        "weighted_precision": mean_of_defined(precision, support),
        "weighted_f1": mean_of_defined(f1, support),
        **top,
        "log_loss": totals.loss / totals.n,
        "brier": totals.brier / totals.n,
        "ece": gap / totals.n,
        "classwise_ece": np.abs(totals.gaps).sum(axis=(1, 2)) / totals.n / classes,
        **by_class,
    }


def without_chance(gaps: NDArray[np.float64]) -> float:
    """Sum over bins of how far each is from calibrated, less what the chance of its samples adds to its square.

    That holds however few samples a bin has, while a resample of one sample shows nothing of its chance.

    Input: gaps, float64 (pools, bins): what each pool adds to the gap of each bin.
    Source: the square of a sum of independent parts exceeds that of its expectation by the sum of their variances.
    """
    return float(np.sqrt(np.maximum(0.0, gaps.sum(axis=0) ** 2 - (gaps**2).sum(axis=0))).sum())


def rates(
    hits: NDArray[np.float64], said: NDArray[np.float64], there: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Precision, recall and F1 from counts of any shape; NaN where undefined."""
    return {
        "precision": np.where(said + there > 0, ratio(hits, said, empty=0.0), np.nan),
        "recall": ratio(hits, there),
        "f1": ratio(2 * hits, said + there),
    }


def ratio(above: NDArray[np.float64], below: NDArray[np.float64], *, empty: float = np.nan) -> NDArray[np.float64]:
    """above / below, and ``empty`` where below is 0."""
    shares: NDArray[np.float64] = np.divide(above, below, out=np.full(np.shape(below), empty), where=below > 0)
    return shares


def mean_of_defined(values: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Mean over the last axis of what is not NaN; NaN where nothing is, or no weight is left."""
    defined = ~np.isnan(values)
    weight = defined.astype(np.float64) if weights is None else np.where(defined, weights, 0.0)
    return ratio((np.where(defined, values, 0.0) * weight).sum(axis=-1), weight.sum(axis=-1))
