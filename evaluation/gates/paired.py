"""Owns the interval of the difference between two classifiers on one test part: the same resamples of groups for both.

Both models meet the same easy and hard recordings, so their difference varies less than either figure. The interval is
the one that a comparison shows (``evaluation.comparing.differences``). Equal bytes are equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecosight.config.gates import LOSSES
from evaluation.bootstrap import Groups, group_weights
from evaluation.comparing.differences import Ahead, difference_estimate
from evaluation.counting import Answers, Cells, figures
from evaluation.estimates import Support
from evaluation.metrics import METRICS
from evaluation.ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.predictions import Predictions

__all__ = ["PairedInterval", "paired_interval"]

_RANKED = frozenset({"auc", "average_precision", "macro_auc", "weighted_auc", "map", "weighted_average_precision"})
_NO_SPREAD = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedInterval:
    """Candidate less champion, with the 95% interval; ``groups`` that it rests on."""

    difference: float
    low: float
    high: float
    groups: int


def paired_interval(
    candidate: Predictions, champion: Predictions, metric: str, *, resamples: int, seed: int
) -> PairedInterval | None:
    """How much a metric of the candidate lies above the champion's, on the same samples.

    Args:
        metric: as of ``MetricCalculator`` for classifiers, or ``recall/fox`` of one class.
    Returns: None where it is undefined for either, or there are too few groups.
    """
    groups = Groups(candidate.groups, seed=seed)
    one, other = _Figure(candidate, groups, metric), _Figure(champion, groups, metric)
    if not (one.known and other.known):
        return None
    difference = float(one.value()[0] - other.value()[0])
    held = max(one.groups, other.groups)
    if math.isnan(difference):
        return None
    if candidate.model_digest and candidate.model_digest == champion.model_digest:
        return PairedInterval(difference=0.0, low=0.0, high=0.0, groups=held)
    chunks = [
        one.value(weights) - other.value(weights) for weights in group_weights(groups.pools, resamples, seed=seed)
    ]
    spread = np.concatenate(chunks)
    found = difference_estimate(
        difference,
        spread,
        Support.of(held),
        ahead=_ahead(candidate, champion, groups, metric, spread),
        bounded=metric.partition("/")[0] not in LOSSES,
    )
    if found.low is None or found.high is None:
        return None
    return PairedInterval(difference=difference, low=found.low, high=found.high, groups=held)


def _ahead(
    candidate: Predictions, champion: Predictions, groups: Groups, metric: str, spread: NDArray[np.float64]
) -> Ahead | None:
    """In how many groups either has more right answers, where the metric is a share of them or nothing differs."""
    name, _, label = metric.partition("/")
    if name in LOSSES:
        return None
    if name == "accuracy" or (name == "recall" and label in candidate.labels):
        more = candidate.correct.astype(np.int64) - champion.correct
        if label:
            more = more * (candidate.truth == candidate.labels.index(label))
        return Ahead.of(np.bincount(groups.index, weights=more, minlength=len(groups)).astype(np.int64))
    return Ahead(0, 0) if float(np.nanstd(spread)) < _NO_SPREAD else None


class _Figure:
    """One metric of one model: of the test part, and of resamples."""

    def __init__(self, answered: Predictions, groups: Groups, metric: str) -> None:
        name, _, label = metric.partition("/")
        self._name = name if label else METRICS["classification"].get(name, "")
        self._column = answered.labels.index(label) if label in answered.labels else None
        self.known = bool(self._name) and (not label or self._column is not None)
        there = answered.truth == self._column if self._column is not None else np.ones(len(answered), bool)
        if self._column is not None and name in ("precision", "f1"):
            there = there | (answered.predicted == self._column)
        self.groups = groups.count(there)
        self._ranking: Ranking | None = None
        if self.known and self._name in _RANKED:
            truth = np.eye(len(answered.labels), dtype=bool)[answered.truth]
            self._ranking = Ranking(truth, answered.probabilities, groups)
        elif self.known:
            self._cells = Cells(Answers(answered.truth, answered.probabilities), groups)

    def value(self, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        if self._ranking is not None:
            found = self._ranking.figures() if weights is None else self._ranking.resampled(weights)
        else:
            found = figures(self._cells.totals(weights))
        value = found[self._name]
        return value if self._column is None else value[:, self._column]
