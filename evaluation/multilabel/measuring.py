"""Owns measuring a model with several labels a sample: indicator matrices against probabilities, with 95% intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosight.errors import InvalidInput, NotEnoughData
from evaluation.bootstrap import Groups, group_weights
from evaluation.calibration import calibration
from evaluation.classification import part_digest
from evaluation.counting import BINS, bin_of, without_chance
from evaluation.curves import thin_curve
from evaluation.estimates import Estimate
from evaluation.given import array_of, group_names
from evaluation.multilabel.counting import LabelCells
from evaluation.multilabel.report import OVERALL, MultilabelReport
from evaluation.ranking import Ranking
from evaluation.report import ClassFigures
from evaluation.resampling import Spread, class_supports
from evaluation.unseen import admit_absent_classes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["evaluate_multilabel"]


def evaluate_multilabel(
    truth: NDArray[Any] | Sequence[Sequence[int]],
    probabilities: NDArray[Any],
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    thresholds: float | Sequence[float] | NDArray[Any] = 0.5,
    bootstrap_samples: int = 1000,
    seed: int = 7,
    test_digest: str | None = None,
    model_digest: str | None = None,
    caveats: Sequence[str] = (),
) -> MultilabelReport:
    """Measure probabilities of labels that do not exclude each other.

    Args:
        labels: the name of each column. groups: the group of each sample; they are resampled as wholes.
        thresholds: a label is said where its probability is at least this; one number, or one a label.
        bootstrap_samples, test_digest, model_digest, caveats: as of ``evaluate_classification``.
    Input: truth, 0 or 1, (n, c). probabilities, float (n, c), 0 to 1; rows need not sum to anything.
    Returns: the report.
    Raises: InvalidInput: shapes, values or names do not fit. NotEnoughData: there are no samples.
    Units: all figures are shares of 1.
    Source: Sorower (2010), "A Literature Survey on Algorithms for Multi-label Learning"; zero denominators as
        ``evaluation.multilabel.counting`` says, else as scikit-learn.
    """
    groups = group_names(groups)
    there, table, at = _checked(truth, probabilities, labels, groups, thresholds)
    held = Groups(groups, seed=seed)
    measured = _Measured(there, table, table >= at, held, bootstrap_samples, seed)
    names = [" ".join(label for label, has in zip(labels, row, strict=True) if has) for row in there]
    return MultilabelReport(
        n=len(there),
        group_count=len(held),
        labels=tuple(labels),
        thresholds=tuple(float(each) for each in at),
        **measured.overall(),
        per_class={label: measured.of_label(column) for column, label in enumerate(labels)},
        class_calibration={
            label: tuple(each for each in calibration(table[:, c], there[:, c]) if each.count)
            for c, label in enumerate(labels)
        },
        curves=tuple(thin_curve(label, each) for label, each in zip(labels, measured.curves, strict=True)),
        bootstrap_samples=bootstrap_samples,
        seed=seed,
        test_digest=test_digest or part_digest(names, groups),
        model_digest=model_digest,
        caveats=tuple(caveats),
    )


class _Measured:
    """Every figure of the whole test part and of each resample of its groups."""

    def __init__(
        self,
        truth: NDArray[np.bool_],
        table: NDArray[np.float64],
        said: NDArray[np.bool_],
        groups: Groups,
        resamples: int,
        seed: int,
    ) -> None:
        self._truth, self._said, self._groups = truth, said, groups
        cells, ranking = LabelCells(truth, said, table, groups), Ranking(truth, table, groups)
        gaps = [groups.sums(BINS, bin_of(table[:, c]), table[:, c] - truth[:, c]) for c in range(truth.shape[1])]
        self.curves = ranking.counted

        def calibrated(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
            found = np.array([np.abs(weights @ each).sum(axis=1) for each in gaps]).sum(axis=0)
            n = weights @ groups.sums(1, np.zeros(len(truth), dtype=np.int64))[:, 0]
            return {"classwise_ece": found / n / truth.shape[1]}

        whole = np.ones((1, groups.pools))
        self._spread = Spread(
            cells.figures(whole) | ranking.figures() | calibrated(whole),
            (
                cells.figures(weights) | ranking.resampled(weights) | calibrated(weights)
                for weights in group_weights(groups.pools, resamples, seed=seed)
            ),
            {"classwise_ece": sum(map(without_chance, gaps)) / truth.size},
            most={"brier": 1.0},
        )
        self._supports = class_supports(groups, truth, said)

    def overall(self) -> dict[str, Estimate]:
        sizes, every = self._truth.sum(axis=0), self._groups.support()
        found = self._spread.overall(OVERALL, self._supports, every, sizes)
        return admit_absent_classes(found, self._spread, sizes > 0, self._supports, every)

    def of_label(self, column: int) -> ClassFigures:
        return ClassFigures(
            **{figure: self._spread.of(figure, each[column], column) for figure, each in self._supports.items()},
            support=int(self._truth[:, column].sum()),
            predicted=int(self._said[:, column].sum()),
            group_count=self._supports["recall"][column].groups,
        )


def _checked(
    truth: Any, probabilities: Any, labels: Sequence[str], groups: Sequence[str], thresholds: Any
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    there, table = array_of(truth, "the truth"), array_of(probabilities, "the probabilities").astype(np.float64)
    if there.shape[:1] == (0,):
        raise NotEnoughData("there are no test samples to measure on", hint="Ingest more recordings.")
    fits = there.shape == table.shape == (len(groups), len(labels)) and len(set(labels)) == len(labels) > 0
    if not fits or not np.isin(there, (0, 1)).all():
        raise InvalidInput(
            f"truth of shape {there.shape} does not fit probabilities of shape {table.shape}, {len(set(labels))} "
            f"labels and {len(groups)} groups, or holds other than 0 and 1",
            hint="One row a sample, one column a label; 1 where the label is there.",
        )
    if not ((table >= 0) & (table <= 1)).all():
        raise InvalidInput("a probability is not between 0 and 1", hint="Apply a sigmoid to logits first.")
    at = array_of(thresholds, "the thresholds, one number or one a label").astype(np.float64).reshape(-1)
    if at.size not in (1, len(labels)) or not ((at >= 0) & (at <= 1)).all():
        raise InvalidInput(f"thresholds must be one number from 0 to 1, or {len(labels)} of them")
    at = np.broadcast_to(at, (len(labels),))
    return there.astype(bool), table, at
