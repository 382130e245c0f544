"""Owns the 95% interval of a difference between two models, from the same resampled groups for both.

The difference is nearly normal, so the interval is symmetric: Student's quantile times the spread of the difference
over resamples. Only groups in which the two models differ tell anything about a difference of counts: they, not all
groups, give the degrees of freedom. With at most two of them, or where no resample differs, resampling says too little;
the interval there is that of Clopper and Pearson for the shares of groups in which either is ahead, each group one
trial, and so wide on purpose. Of a figure that is no share of samples (F1, precision, means over classes) it is that of
the share of groups in which they differ, times what such a group changed, and no narrower than Student's with one
degree of freedom: a group of a rare class changes more than one group's share. The same bytes are equal everywhere:
there the interval is 0.

Calibration errors look larger than they are, for the better calibrated of two models by more. So each end of the
interval of their difference allows for twice the bias of one model, as resampling shows it. For equal models it is
wider than it would have to be.

Source: Efron & Tibshirani (1993), "An Introduction to the Bootstrap", chapter 12; Clopper & Pearson (1934).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.estimates import COVERAGE, FEW_GROUPS, UNDEFINED, Estimate, Support

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Ahead", "calibration_bias", "combined_estimate", "difference_estimate", "equal_always", "of_same_bytes"]

_TOO_FEW = 2
_NO_SPREAD = 1e-9
"""Below this standard deviation, resamples do not differ."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """In how many groups the first model is ahead of the second, in how many behind."""

    first: int
    second: int

    @classmethod
    def of(cls, differences: NDArray[np.int64]) -> Ahead:
        """Input: differences, int (groups,): second minus first."""
        return cls(int((differences < 0).sum()), int((differences > 0).sum()))


def difference_estimate(
    value: float,
    resampled: NDArray[np.float64],
    support: Support,
    *,
    ahead: Ahead | None = None,
    unlike: int | None = None,
    bounded: bool = True,
    biases: tuple[float, float] = (0.0, 0.0),
) -> Estimate:
    """A difference with its interval.

    Args:
        value: second minus first; NaN where undefined.
        support: groups that the figure rests on.
        ahead: of a difference of shares of samples.
        unlike: groups in which the two differ at all, of a figure between 0 and 1 that depends on answers; None: all.
        bounded: whether it lies between -1 and 1.
        biases: of calibration errors, by how much each model's looks larger than it is.
    Input: resampled, float64 (r,), the difference in each resample.
    """
    if math.isnan(value):
        return UNDEFINED
    defined = resampled[~np.isnan(resampled)]
    if support.free < 1 or defined.size < 2:
        return Estimate(value=value)
    if ahead is not None:
        unlike = ahead.first + ahead.second
        if unlike <= _TOO_FEW or defined.std() < _NO_SPREAD:
            return _exact(value, ahead, support.groups)
    elif unlike is not None and (unlike <= _TOO_FEW or defined.std() < _NO_SPREAD):
        return _of_few_unlike(value, defined, unlike, support)
    free = support.free if unlike is None else min(support.free, unlike - 1)
    if free < 1:
        return Estimate(value=value)
    reach = _student(free) * float(defined.std()) * math.sqrt(support.widening)
    if not reach:
        return Estimate(value=value)
    first, second = (2 * max(0.0, bias) for bias in biases)
    end = 1.0 if bounded else math.inf
    basis = "few groups" if free + 1 < FEW_GROUPS else "resampled groups"
    return Estimate(
        value=value,
        low=max(-end, value - second - reach),
        high=min(end, value + first + reach),
        basis=basis,
    )


def equal_always(differences: NDArray[np.float64]) -> bool:
    """Whether a figure of two models is the same in every resample. Input: float64 (r,), NaN where undefined."""
    defined = differences[~np.isnan(differences)]
    return bool(defined.size) and float(np.abs(defined).max()) < _NO_SPREAD


def of_same_bytes(value: float) -> Estimate:
    """The difference of a model to itself: 0, and on any other samples as well."""
    return UNDEFINED if math.isnan(value) else Estimate(value=0.0, low=0.0, high=0.0, basis="same bytes")


def calibration_bias(value: float, resampled: NDArray[np.float64], floor: float) -> float:
    """By how much a calibration error looks too large: as resampling shows it, or half of what chance adds.

    Args:
        floor: what is left of it without chance.
    """
    return max(float(np.nanmean(resampled)) - value, (value - floor) / 2)


def combined_estimate(
    first: Estimate, second: Estimate, first_resampled: NDArray[np.float64], second_resampled: NDArray[np.float64]
) -> Estimate:
    """A difference of two figures with intervals of their own, each of which is right for its figure.

    Areas under curves lie near 1, where they are far from normal, and so is their difference. Each end is as far from
    the difference as the two ends that make it up are from their figures, less what the models have in common.
    Where areas are above .97 and there are few groups (40), it still covers some 90% instead of 95%.

    Input: the resamples, float64 (r,), of both; they tell how alike the models do.
    Source: Zou & Donner (2008), "Construction of confidence limits about effect measures: A general approach".
    """
    if first.value is None or second.value is None:
        return UNDEFINED
    value = second.value - first.value
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Estimate(value=value)
    both = ~np.isnan(first_resampled + second_resampled)
    one, other = first_resampled[both] - first_resampled[both].mean(), second_resampled[both]
    spread = float(np.sqrt((one**2).sum() * ((other - other.mean()) ** 2).sum()))
    alike = float((one * other).sum()) / spread if spread else 0.0

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a + b * b - 2 * alike * a * b))

    low = value - reach(second.value - second.low, first.high - first.value)
    high = value + reach(second.high - second.value, first.value - first.low)
    basis = second.basis if first.basis == "resampled groups" else first.basis
    return Estimate(value=value, low=max(-1.0, low), high=min(1.0, high), basis=basis)


def _exact(value: float, ahead: Ahead, groups: int) -> Estimate:
    low = _least(ahead.second, groups) - _most(ahead.first, groups)
    high = _most(ahead.second, groups) - _least(ahead.first, groups)
    return Estimate(value=value, low=min(low, value), high=max(high, value), basis="exact on groups")


def _of_few_unlike(value: float, resampled: NDArray[np.float64], unlike: int, support: Support) -> Estimate:
    """Of a figure to which a group adds no fixed share: nobody knows for which model each of the unlike groups speaks.

    If the figure differs, one of them at least is on the side that is ahead, and all others may be on the other side.
    No end is nearer than Student's with one degree of freedom.
    """
    groups = support.groups
    unlike = min(unlike, groups)
    behind = unlike - 1 if value and unlike else unlike
    size = max(1.0, groups * abs(value) / unlike) if unlike else 1.0
    ahead, other = size * _most(unlike, groups), size * _most(behind, groups)
    low, high = (-other, ahead) if value >= 0 else (-ahead, other)
    reach = _student(1.0) * float(resampled.std()) * math.sqrt(support.widening)
    return Estimate(
        value=value,
        low=max(-1.0, min(low, value - reach)),
        high=min(1.0, max(high, value + reach)),
        basis="exact on groups" if resampled.std() < _NO_SPREAD else "few groups",
    )


def _most(times: int, groups: int) -> float:
    from scipy.stats import beta

    return 1.0 if times >= groups else float(beta.ppf((1 + COVERAGE) / 2, times + 1, groups - times))


def _least(times: int, groups: int) -> float:
    return 1 - _most(groups - times, groups)


def _student(free: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(free, (1 + COVERAGE) / 2))
