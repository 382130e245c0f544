"""Owns measuring a classifier: figures from probabilities, each with a 95% interval over resampled groups.

Groups (recordings, bursts, sites) are resampled, never single samples: samples of one group are alike, and
pretending that they are independent would make every interval too narrow.

Where a denominator is zero:

- recall of a class without test samples is undefined (None), and so is F1 of a class that is neither there nor
  predicted; an undefined value is left out of every mean;
- precision of a class that is there but never predicted is 0, and of one that is neither is undefined;
- macro F1 and macro precision are means over the classes that are there or predicted; balanced accuracy is
  the mean recall of the classes that are there. That is what scikit-learn does by default.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosight.errors import InvalidInput, NotEnoughData
from evaluation.bootstrap import group_weights, interval
from evaluation.report import CalibrationBin, ClassFigures, ClassificationReport, Estimate, GroupFigures

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ClassificationReport", "Estimate", "evaluate_classification", "part_digest"]

BINS = 15
"""Equal-width confidence bins of the expected calibration error."""
PROBABILITY_FLOOR = float(np.finfo(np.float32).eps)
"""Probabilities are float32 where they are made, so log loss counts none of them as less than this."""


def evaluate_classification(
    truth: Sequence[int] | NDArray[Any],
    probabilities: NDArray[Any],
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    bootstrap_samples: int = 1000,
    seed: int = 7,
    known_labels: Sequence[str] | None = None,
    test_digest: str | None = None,
    model_digest: str | None = None,
) -> ClassificationReport:
    """Measure predicted probabilities against the truth.

    The predicted class is the most probable one; of equals, the first.

    Args:
        labels: the name of each column.
        groups: the group of each sample; they are resampled as wholes.
        bootstrap_samples: resamples behind each interval, at least 1.
        known_labels: those the model can answer; None means all.
        test_digest: names the test part, so that two reports can be compared; None derives it from the
            samples' labels and groups.
        model_digest: names the bytes that were measured.
    Input: truth, int (n,), column numbers. probabilities, float (n, c), rows sum to 1.
    Returns: the report. Intervals are percentile bootstrap intervals; with fewer than two groups there are none
        (None), and for a class in fewer than two groups neither. They cannot be wider than what was seen: a
        class without a single error has the interval [1, 1]. Resampling makes the calibration error look
        larger, so its interval may lie above its value.
    Raises: InvalidInput: shapes, values or names do not fit. NotEnoughData: there are no samples.
    Units: log loss in nats; expected calibration error and all rates as shares of 1.
    Source: Guo et al. (2017), "On Calibration of Modern Neural Networks" (15 equal-width bins of the top
        probability); Efron & Tibshirani (1993), "An Introduction to the Bootstrap", chapter 13.
    """
    answers = _checked(truth, probabilities, labels, groups)
    cells = _Cells(answers, groups)
    weights = group_weights(len(cells.groups), bootstrap_samples, seed=seed)
    whole, resampled = cells.totals(), [cells.totals(chunk) for chunk in weights]
    point = _figures(whole)
    spread = {name: np.concatenate([_figures(each)[name] for each in resampled]) for name in point}
    enough = len(cells.groups) >= 2

    def estimate(name: str) -> Estimate:
        return _estimate(float(point[name][0]), spread[name] if enough else None)

    return ClassificationReport(
        n=len(answers.truth),
        group_count=len(cells.groups),
        labels=tuple(labels),
        known_labels=tuple(labels if known_labels is None else known_labels),
        accuracy=estimate("accuracy"),
        balanced_accuracy=estimate("balanced_accuracy"),
        macro_precision=estimate("macro_precision"),
        macro_f1=estimate("macro_f1"),
        log_loss=estimate("log_loss"),
        ece=estimate("ece"),
        per_class=_per_class(labels, cells, whole, point, spread),
        confusion=_confusion(answers),
        calibration=_calibration(whole),
        per_group=_per_group(cells),
        bootstrap_samples=bootstrap_samples,
        seed=seed,
        test_digest=test_digest or part_digest([labels[index] for index in answers.truth], groups),
        model_digest=model_digest,
    )


def part_digest(*columns: Sequence[str]) -> str:
    """Names a set of samples by what is known about each, in whatever order they come: SHA-256, hex."""
    rows = sorted("\x1f".join(row) for row in zip(*columns, strict=True))
    return hashlib.sha256("\x1e".join(rows).encode()).hexdigest()


class _Answers:
    """Truth, prediction, confidence and correctness of every sample."""

    def __init__(self, truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
        self.truth = truth
        self.classes = probabilities.shape[1]
        self.predicted = probabilities.argmax(axis=1)
        self.confidence = probabilities.max(axis=1)
        self.correct = self.predicted == truth
        likely = probabilities[np.arange(len(truth)), truth]
        self.loss = -np.log(np.clip(likely, PROBABILITY_FLOOR, 1.0))


def _checked(
    truth: Sequence[int] | NDArray[Any], probabilities: NDArray[Any], labels: Sequence[str], groups: Sequence[str]
) -> _Answers:
    true, table = np.asarray(truth), np.asarray(probabilities, dtype=np.float64)
    if true.size == 0:
        raise NotEnoughData("there are no test samples to measure on", hint="Ingest more recordings.")
    if len(set(labels)) != len(labels) or table.shape != (len(true), len(labels)) or len(groups) != len(true):
        raise InvalidInput(
            f"{len(true)} samples in {len(set(labels))} classes do not fit probabilities of shape {table.shape} "
            f"and {len(groups)} groups"
        )
    if true.dtype.kind not in "iu" or true.min() < 0 or true.max() >= len(labels):
        raise InvalidInput(f"the truth must be column numbers from 0 to {len(labels) - 1}")
    bad = ~(np.isfinite(table).all(axis=1) & (table >= -1e-6).all(axis=1) & (np.abs(table.sum(axis=1) - 1) < 1e-3))
    if bad.any():
        raise InvalidInput(f"the probabilities of sample {int(bad.argmax())} do not sum to 1, or are none")
    return _Answers(true.astype(np.int64), table)


class _Totals:
    """Sums over the samples of r resamples; the first axis is the resample."""

    def __init__(self, table: NDArray[np.float64], classes: int) -> None:
        edges = np.cumsum([1, 1, 1, classes, classes, classes, BINS, BINS])
        split = np.split(table, edges, axis=1)
        self.n, self.right, self.loss = (column[:, 0] for column in split[:3])
        self.hits, self.support, self.predicted = split[3:6]
        self.bin_n, self.bin_right, self.bin_confidence = split[6:9]


class _Cells:
    """What each group adds to the totals: one row a group, so that resampling is one matrix product."""

    def __init__(self, answers: _Answers, groups: Sequence[str]) -> None:
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

    def totals(self, weights: NDArray[np.float64] | None = None) -> _Totals:
        """Totals of the sample itself, or of resamples. Input: weights (r, groups), how often each was drawn."""
        return _Totals(self.table.sum(axis=0, keepdims=True) if weights is None else weights @ self.table, self.classes)


def _figures(totals: _Totals) -> dict[str, NDArray[np.float64]]:
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


def _estimate(value: float, spread: NDArray[np.float64] | None) -> Estimate:
    if np.isnan(value):
        return Estimate(value=None, low=None, high=None)
    low, high = (None, None) if spread is None else interval(spread)
    return Estimate(value=value, low=low, high=high)


def _per_class(
    labels: Sequence[str],
    cells: _Cells,
    whole: _Totals,
    point: Mapping[str, NDArray[np.float64]],
    spread: Mapping[str, NDArray[np.float64]],
) -> dict[str, ClassFigures]:
    by_group = _Totals(cells.table, cells.classes)
    found = {}
    for column, label in enumerate(labels):
        group_count = int((by_group.support[:, column] > 0).sum())

        def estimate(name: str, column: int = column, enough: bool = group_count >= 2) -> Estimate:
            return _estimate(float(point[name][0, column]), spread[name][:, column] if enough else None)

        found[label] = ClassFigures(
            precision=estimate("precision"),
            recall=estimate("recall"),
            f1=estimate("f1"),
            support=int(whole.support[0, column]),
            predicted=int(whole.predicted[0, column]),
            group_count=group_count,
        )
    return found


def _confusion(answers: _Answers) -> tuple[tuple[int, ...], ...]:
    size = answers.classes
    table = np.bincount(answers.truth * size + answers.predicted, minlength=size * size).reshape(size, size)
    return tuple(tuple(int(count) for count in row) for row in table)


def _calibration(whole: _Totals) -> tuple[CalibrationBin, ...]:
    found = []
    for index in range(BINS):
        count = int(whole.bin_n[0, index])
        found.append(
            CalibrationBin(
                low=index / BINS,
                high=(index + 1) / BINS,
                count=count,
                confidence=float(whole.bin_confidence[0, index]) / count if count else None,
                accuracy=float(whole.bin_right[0, index]) / count if count else None,
            )
        )
    return tuple(found)


def _per_group(cells: _Cells) -> dict[str, GroupFigures]:
    n, right = cells.table[:, 0], cells.table[:, 1]
    return {
        group: GroupFigures(n=int(count), accuracy=float(good / count))
        for group, count, good in zip(cells.groups, n, right, strict=True)
    }
