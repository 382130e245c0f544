"""Owns the interval of the difference between two classifiers on one test part: the same resamples of groups for both.

Both models meet the same easy and hard recordings, so their difference varies less than either figure. The interval is
the one that a comparison shows (``evaluation.comparing.contrasting``); of other figures it is made by the same rules
(``evaluation.comparing.differences``). Equal bytes are equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecosight.config.gates import LOSSES
from evaluation.bootstrap import Groups, group_weights
from evaluation.comparing.aligning import align
from evaluation.comparing.comparison import HEADLINES
from evaluation.comparing.contrasting import Contrasts
from evaluation.comparing.differences import (
    Ahead,
    calibration_bias,
    combined_estimate,
    difference_estimate,
    equal_always,
)
from evaluation.counting import Answers, Cells, figures
from evaluation.estimates import Estimate, estimate
from evaluation.metrics import METRICS
from evaluation.ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.predictions import Predictions

__all__ = ["PairedInterval", "paired_interval"]

_RANKED = frozenset({"auc", "average_precision", "macro_auc", "weighted_auc", "map", "weighted_average_precision"})
_WITHIN = {"accuracy": 1, "recall": 1, "top_3_accuracy": 3, "top_5_accuracy": 5}
"""Shares of samples: the truth is among so many most probable answers."""
_COUNTED = frozenset({"precision", "f1", "weighted_precision", "weighted_f1"})
"""Figures of the answers alone that a comparison does not show: groups that are answered alike tell nothing."""


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
    Returns: None where it is undefined for either, there are too few groups, or a loss is the same in every resample:
        that bytes which differ give equal losses here tells not how far they may differ elsewhere.
    """
    groups = Groups(candidate.groups, seed=seed)
    one, other = _Figure(candidate, groups, metric), _Figure(champion, groups, metric)
    if not (one.known and other.known):
        return None
    difference = float(one.value()[0] - other.value()[0])
    held = max(one.support.groups, other.support.groups)
    if math.isnan(difference):
        return None
    if candidate.model_digest and candidate.model_digest == champion.model_digest:
        return PairedInterval(difference=0.0, low=0.0, high=0.0, groups=held)
    drawn = [
        (one.value(weights), other.value(weights)) for weights in group_weights(groups.pools, resamples, seed=seed)
    ]
    spreads = np.concatenate([each[0] for each in drawn]), np.concatenate([each[1] for each in drawn])
    found = _estimate(candidate, champion, metric, (one, other), spreads, groups, resamples=resamples, seed=seed)
    if found.low is None or found.high is None:
        return None
    return PairedInterval(difference=difference, low=found.low, high=found.high, groups=held)


def _estimate(
    candidate: Predictions,
    champion: Predictions,
    metric: str,
    measured: tuple[_Figure, _Figure],
    spreads: tuple[NDArray[np.float64], ...],
    groups: Groups,
    *,
    resamples: int,
    seed: int,
) -> Estimate:
    """The difference as a comparison makes it, and by the same rules what a comparison does not show."""
    one, other = measured
    spread = spreads[0] - spreads[1]
    support = max(one.support, other.support, key=lambda each: each.groups)
    value = float(one.value()[0] - other.value()[0])
    ahead = _ahead(candidate, champion, groups, one.name, one.label)
    if ahead is None and not one.label and one.name in HEADLINES:
        part = align([champion, candidate])
        return Contrasts(part, {}, bootstrap_samples=resamples, seed=seed).difference(0, 1, one.name)
    if ahead is None and one.name in _RANKED and not equal_always(spread):
        return combined_estimate(
            estimate(float(other.value()[0]), spreads[1], support),
            estimate(float(one.value()[0]), spreads[0], support),
            spreads[1],
            spreads[0],
        )
    return difference_estimate(
        value,
        spread,
        support,
        ahead=ahead,
        unlike=_unlike(candidate, champion, groups, one),
        bounded=one.name not in LOSSES,
        biases=(other.bias(spreads[1]), one.bias(spreads[0])),
    )


def _ahead(candidate: Predictions, champion: Predictions, groups: Groups, name: str, label: str) -> Ahead | None:
    """In how many groups either has more right answers, where the metric is a share of them."""
    if name not in _WITHIN:
        return None
    right = [Answers(each.truth, each.probabilities).rank < _WITHIN[name] for each in (candidate, champion)]
    more = right[0].astype(np.int64) - right[1]
    if label:
        more = more * (candidate.truth == candidate.labels.index(label))
    return Ahead.of(np.bincount(groups.index, weights=more, minlength=len(groups)).astype(np.int64))


def _unlike(candidate: Predictions, champion: Predictions, groups: Groups, figure: _Figure) -> int | None:
    """Groups in which the two answer otherwise; with a label, in which one says it and the other does not.

    None: the figure depends on more than answers. 0 for one by ranks: it comes here where all are ranked alike.
    """
    if figure.name in _RANKED:
        return 0
    if figure.name not in _COUNTED:
        return None
    label = figure.label
    said = [np.array(each.labels, dtype=object)[each.predicted] for each in (candidate, champion)]
    return groups.count((said[0] == label) != (said[1] == label) if label else said[0] != said[1])


class _Figure:
    """One metric of one model: of the test part, and of resamples."""

    def __init__(self, answered: Predictions, groups: Groups, metric: str) -> None:
        name, _, label = metric.partition("/")
        self.name = name if label else METRICS["classification"].get(name, "")
        self.label = label
        self._column = answered.labels.index(label) if label in answered.labels else None
        self.known = bool(self.name) and (not label or self._column is not None)
        there = answered.truth == self._column if self._column is not None else np.ones(len(answered), bool)
        if self._column is not None and name in ("precision", "f1"):
            there = there | (answered.predicted == self._column)
        self.support = groups.support(there)
        self._ranking: Ranking | None = None
        if self.known and self.name in _RANKED:
            truth = np.eye(len(answered.labels), dtype=bool)[answered.truth]
            self._ranking = Ranking(truth, answered.probabilities, groups)
        elif self.known:
            self._cells = Cells(Answers(answered.truth, answered.probabilities), groups)

    def value(self, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        if self._ranking is not None:
            found = self._ranking.figures() if weights is None else self._ranking.resampled(weights)
        else:
            found = figures(self._cells.totals(weights))
        value = found[self.name]
        return value if self._column is None else value[:, self._column]

    def bias(self, resampled: NDArray[np.float64]) -> float:
        """What to allow for as bias: of the classes' calibration error, else 0. Input: resampled, float64 (r,).

        The biases of its many bins are much the same for both models, so it is half of that: in simulations the
        interval then holds the truth in 98 to 100% of test parts. Without, it does so in 88 to 97%.
        """
        if self.name != "classwise_ece":
            return 0.0
        return calibration_bias(float(self.value()[0]), resampled, self._cells.calibration_floors()[self.name]) / 2
