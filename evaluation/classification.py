"""Owns measuring a classifier: figures from probabilities, each with a 95% interval over resampled groups.

Groups (recordings, bursts, sites) are resampled, never single samples: samples of one group are alike, and
pretending that they are independent would make every interval too narrow.

``estimates.py`` says how an interval is made of the resamples, and ``unseen.py`` where it reaches further. With fewer
than two groups there is none (None), and for a class in fewer than two groups neither. ``counting.py`` says what holds
where a denominator is zero; what is undefined there is None here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosight.errors import InvalidInput, NotEnoughData
from evaluation.bootstrap import Groups, group_weights
from evaluation.calibration import calibration, class_calibration
from evaluation.counting import Answers, Cells, figures
from evaluation.curves import thin_curve
from evaluation.estimates import Estimate
from evaluation.given import array_of, group_names
from evaluation.ranking import Ranking
from evaluation.report import OVERALL, ClassFigures, ClassificationReport, GroupFigures
from evaluation.resampling import Spread, class_supports
from evaluation.unseen import admit_absent_classes, admit_mistakes

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
    caveats: Sequence[str] = (),
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
        caveats: what is wrong on purpose with the test part, a sentence each.
    Input: truth, int (n,), column numbers. probabilities, float (n, c), rows sum to 1.
    Returns: the report.
    Raises: InvalidInput: shapes, values or names do not fit. NotEnoughData: there are no samples.
    Units: log loss in nats; Brier score 0 to 2; expected calibration error and all rates as shares of 1.
    Source: Guo et al. (2017), "On Calibration of Modern Neural Networks" (15 equal-width bins of the top
        probability); Nixon et al. (2019), "Measuring Calibration in Deep Learning" (the same of every class);
        Brier (1950), "Verification of forecasts expressed in terms of probability".
    """
    groups = group_names(groups)
    answers = _checked(truth, probabilities, labels, groups)
    held = Groups(groups, seed=seed)
    measured = _Measured(answers, held, bootstrap_samples, seed)
    return ClassificationReport(
        n=len(answers.truth),
        group_count=len(held),
        labels=tuple(labels),
        known_labels=tuple(labels if known_labels is None else known_labels),
        **measured.overall(),
        per_class={label: measured.of_class(column) for column, label in enumerate(labels)},
        confusion=_confusion(answers),
        calibration=calibration(answers.confidence, answers.correct),
        class_calibration=class_calibration(answers, labels),
        curves=tuple(thin_curve(label, each) for label, each in zip(labels, measured.curves, strict=True)),
        per_group=_per_group(answers, held),
        bootstrap_samples=bootstrap_samples,
        seed=seed,
        test_digest=test_digest or part_digest([labels[index] for index in answers.truth], groups),
        model_digest=model_digest,
        caveats=tuple(caveats),
    )


def part_digest(*columns: Sequence[str]) -> str:
    """Names a set of samples by what is known about each, in whatever order they come: SHA-256, hex."""
    rows = sorted("\x1f".join(row) for row in zip(*columns, strict=True))
    return hashlib.sha256("\x1e".join(rows).encode()).hexdigest()


def _checked(
    truth: Sequence[int] | NDArray[Any], probabilities: NDArray[Any], labels: Sequence[str], groups: Sequence[str]
) -> Answers:
    true, table = array_of(truth, "the truth"), array_of(probabilities, "the probabilities").astype(np.float64)
    if true.size == 0:
        raise NotEnoughData("there are no test samples to measure on", hint="Ingest more recordings.")
    if true.ndim != 1:
        raise InvalidInput(f"the truth has shape {true.shape}", hint="One column number a sample: truth.ravel().")
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

    def __init__(self, answers: Answers, groups: Groups, bootstrap_samples: int, seed: int) -> None:
        self._answers, self._groups = answers, groups
        cells = Cells(answers, groups)
        truth = np.eye(answers.classes, dtype=bool)[answers.truth]
        ranking = Ranking(truth, answers.table, groups)
        self.curves = ranking.counted
        self._spread = Spread(
            figures(cells.totals()) | ranking.figures(),
            (
                figures(cells.totals(weights)) | ranking.resampled(weights)
                for weights in group_weights(groups.pools, bootstrap_samples, seed=seed)
            ),
            cells.calibration_floors(),
        )
        said = np.eye(answers.classes, dtype=bool)[answers.predicted]
        self._supports = class_supports(groups, truth, said)

    def overall(self) -> dict[str, Estimate]:
        sizes = np.bincount(self._answers.truth, minlength=self._answers.classes)
        every = self._groups.support()
        found = self._spread.overall(OVERALL, self._supports, every, sizes)
        found = admit_absent_classes(found, self._spread, sizes > 0, self._supports, every)
        return admit_mistakes(found, self._answers, self._groups)

    def of_class(self, column: int) -> ClassFigures:
        return ClassFigures(
            **{figure: self._spread.of(figure, each[column], column) for figure, each in self._supports.items()},
            support=int((self._answers.truth == column).sum()),
            predicted=int((self._answers.predicted == column).sum()),
            group_count=self._supports["recall"][column].groups,
        )


def _confusion(answers: Answers) -> tuple[tuple[int, ...], ...]:
    size = answers.classes
    table = np.bincount(answers.truth * size + answers.predicted, minlength=size * size).reshape(size, size)
    return tuple(tuple(int(count) for count in row) for row in table)


def _per_group(answers: Answers, groups: Groups) -> dict[str, GroupFigures]:
    n, right = np.bincount(groups.index), np.bincount(groups.index, weights=answers.correct)
    return {
        group: GroupFigures(n=int(count), accuracy=float(good / count))
        for group, count, good in zip(groups.names, n, right, strict=True)
    }
