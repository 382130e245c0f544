"""Owns measuring a classifier: figures from probabilities, each with a 95% interval over resampled groups.

Groups (recordings, bursts, sites) are resampled, never single samples: samples of one group are alike, and
pretending that they are independent would make every interval too narrow.

Intervals are percentile bootstrap intervals. With fewer than two groups there are none (None), and for a class in
fewer than two groups neither. They cannot be wider than what was seen: a class without a single error has the
interval [1, 1]. Resampling makes the calibration error look larger, so its interval may lie above its value.

``counting.py`` says what holds where a denominator is zero; what is undefined there is None here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosight.errors import InvalidInput, NotEnoughData
from evaluation.bootstrap import group_weights, interval
from evaluation.counting import BINS, Answers, Cells, Totals, figures
from evaluation.report import OVERALL, CalibrationBin, ClassFigures, ClassificationReport, Estimate, GroupFigures

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ClassificationReport", "Estimate", "evaluate_classification", "part_digest"]


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
    Returns: the report.
    Raises: InvalidInput: shapes, values or names do not fit. NotEnoughData: there are no samples.
    Units: log loss in nats; expected calibration error and all rates as shares of 1.
    Source: Guo et al. (2017), "On Calibration of Modern Neural Networks" (15 equal-width bins of the top
        probability); Efron & Tibshirani (1993), "An Introduction to the Bootstrap", chapter 13.
    """
    answers = _checked(truth, probabilities, labels, groups)
    cells = Cells(answers, groups)
    measured = _Measured(cells, bootstrap_samples, seed)
    return ClassificationReport(
        n=len(answers.truth),
        group_count=len(cells.groups),
        labels=tuple(labels),
        known_labels=tuple(labels if known_labels is None else known_labels),
        **measured.overall(),
        per_class={label: measured.of_class(column) for column, label in enumerate(labels)},
        confusion=_confusion(answers),
        calibration=_calibration(measured.whole),
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


def _checked(
    truth: Sequence[int] | NDArray[Any], probabilities: NDArray[Any], labels: Sequence[str], groups: Sequence[str]
) -> Answers:
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
    return Answers(true.astype(np.int64), table)


class _Measured:
    """Every figure of the whole test part and of each resample of its groups."""

    def __init__(self, cells: Cells, bootstrap_samples: int, seed: int) -> None:
        self.whole = cells.totals()
        weights = group_weights(len(cells.groups), bootstrap_samples, seed=seed)
        resampled = [figures(cells.totals(chunk)) for chunk in weights]
        self._value = figures(self.whole)
        self._spread = {name: np.concatenate([each[name] for each in resampled]) for name in self._value}
        self._group_count = len(cells.groups)
        self._groups_of_class = (cells.by_group().support > 0).sum(axis=0)

    def overall(self) -> dict[str, Estimate]:
        return {name: _estimate(self._value[name][0], self._spread[name], self._group_count) for name in OVERALL}

    def of_class(self, column: int) -> ClassFigures:
        group_count = int(self._groups_of_class[column])

        def estimate(name: str) -> Estimate:
            return _estimate(self._value[name][0, column], self._spread[name][:, column], group_count)

        return ClassFigures(
            precision=estimate("precision"),
            recall=estimate("recall"),
            f1=estimate("f1"),
            support=int(self.whole.support[0, column]),
            predicted=int(self.whole.predicted[0, column]),
            group_count=group_count,
        )


def _estimate(value: float, spread: NDArray[np.float64], group_count: int) -> Estimate:
    if np.isnan(value):
        return Estimate(value=None, low=None, high=None)
    low, high = interval(spread) if group_count >= 2 else (None, None)
    return Estimate(value=float(value), low=low, high=high)


def _confusion(answers: Answers) -> tuple[tuple[int, ...], ...]:
    size = answers.classes
    table = np.bincount(answers.truth * size + answers.predicted, minlength=size * size).reshape(size, size)
    return tuple(tuple(int(count) for count in row) for row in table)


def _calibration(whole: Totals) -> tuple[CalibrationBin, ...]:
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


def _per_group(cells: Cells) -> dict[str, GroupFigures]:
    n, right = cells.table[:, 0], cells.table[:, 1]
    return {
        group: GroupFigures(n=int(count), accuracy=float(good / count))
        for group, count, good in zip(cells.groups, n, right, strict=True)
    }
