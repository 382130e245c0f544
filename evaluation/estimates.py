"""Owns the 95% interval of a figure: from its resamples, honest where resampling says too little.

A figure's standard error is the spread of its values over resampled groups (recordings, bursts, sites). The interval
is symmetric on the scale on which the figure is nearly normal, with Student's quantile for the number of groups, where
groups of unequal size count as the fewer of equal size that say as much (``Support.of_sizes``):

- shares of 1 (accuracy, F1, AUC, …): log odds, so an interval never leaves [0, 1], and reaches no further than five
  times as far as it would on the plain scale: close to 1 odds know no measure;
- means over classes of AUC: the same, but the few samples that lie far from their own kind make them skewed. The lower
  end is moved out by some of the skewness;
- precision weighted by class: the same, around the value less the bias that resampling shows. A class weighs most where
  a draw holds much of it, and there its precision is highest, so it looks better than it is;
- mean average precision: as shares, but it looks better than it is where samples or boxes of a class are few (a
  detector's, because at each recall the best precision beyond it counts). The lower end starts from the value less
  twice the bias that resampling shows;
- losses (log loss, Brier score): logarithm, the upper end moved out by the skewness of the resamples;
- calibration errors: they look larger than they are, the more so the fewer the samples. The interval reaches from
  the value less twice the bias that resampling shows, or from what is left of it without chance where that is less
  (resampling shows too little where bins hold few samples; of an error by class still less, so four times), to the
  value less half of it, widened by the error;
  with few groups it begins at 0. With 40 samples in all it still covers some 92% instead of 95%.

Percentile and BCa intervals of the same resamples cover less: with 30 groups and a true accuracy of 0.94, percentile
90%, BCa 92%, this one 97% (``tests/evaluation/test_coverage.py`` measures all three).

Where no resample differs from the others, as when every answer is right, resampling would say [1, 1]. There the
interval is that of Clopper and Pearson with each group counted as one trial.

Source: Efron & Tibshirani (1993), "An Introduction to the Bootstrap", chapters 12 and 13; Hall (1992), "On the removal
    of skewness by transformation"; Korn & Graubard (1998), "Confidence intervals for proportions with small expected
    number of positive counts estimated from survey data"; Clopper & Pearson (1934).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["BASES", "COVERAGE", "FEW_GROUPS", "UNDEFINED", "Estimate", "Kind", "Support", "estimate"]

COVERAGE = 0.95
FEW_GROUPS = 10
"""With fewer independent groups than this, an interval is marked as rough."""
BASES = {
    "resampled groups": "",
    "few groups": "few groups: the interval is rough",
    "exact on groups": "no resample differs, or hardly one: exact interval, each group one trial",
    "same bytes": "",
}
"""What an interval rests on, and what is said about it."""
_NO_SPREAD = 1e-9
_LEAST_SHOWN = 1 / 3
"""One group that outweighs all others leaves next to nothing to judge its spread by."""

_SKEW_LEFT = 0.15
"""What log odds leave of the skewness: in simulated test parts of 30 to 300 recordings, intervals of the macro AUC that
take this much of it hold the truth in 93 to 96% of them, with none of it in 91 to 94.5, with all in 95 to 98."""

_LONGEST = 5.0
"""With 30 recordings and a good model, shorter intervals miss the truth in simulation; longer ones only look absurd."""

Kind = Literal["share", "ranking", "lifted", "interpolated", "loss", "calibration", "classwise"]


_BIASES = {"interpolated": 2, "calibration": 2, "classwise": 4}
"""How many times the bias that resampling shows is taken off the lower end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure and its 95% interval.

    Attributes:
        value: None where it is undefined.
        low, high: None where there are too few groups for an interval, or none that can be given.
        basis: what the interval rests on, one of ``BASES``; None without an interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    basis: str | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "undefined"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        mark = {"few groups": "~", "exact on groups": "*"}.get(self.basis or "", "")
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]{mark}"


UNDEFINED = Estimate(value=None)


@dataclass(frozen=True, slots=True)
class Support:
    """How many groups a figure rests on.

    Attributes:
        groups: groups that can change it.
        free: degrees of freedom that are left for its spread; below 1 there is no interval.
        widening: by how many times the variance of resamples is to be multiplied: among n equal groups it is n − 1
            n-ths of what it should be.
    """

    groups: int
    free: float
    widening: float

    @classmethod
    def of(cls, groups: int) -> Support:
        """Of a figure over samples of ``groups`` groups of equal size."""
        return cls.of_sizes(np.ones(groups))

    @classmethod
    def of_sizes(cls, sizes: NDArray[np.float64]) -> Support:
        """Of a figure over samples of groups of these sizes, each above 0.

        The variance that a group adds grows with its size where its samples have nothing in common, and with the
        square of it where they are all alike; taken is the middle between both. Resamples show the less of it the more
        the group itself pulls the figure to its side, and with the fewer degrees of freedom the fewer groups make up
        most of it.

        Source: Bell & McCaffrey (2002), "Bias reduction in standard errors for linear regression with multi-stage
            samples"; Satterthwaite (1946), "An approximate distribution of estimates of variance components".
        """
        groups = len(sizes)
        if groups < 2:
            return cls(groups, 0.0, 1 / _LEAST_SHOWN)
        size = sizes / sizes.mean()
        variance = size**1.5
        own = 2 * float((variance * size).sum() / variance.sum()) - float((size**2).sum()) / groups
        shown = 1 - own / groups
        free = float(variance.sum() ** 2 / (variance**2).sum()) - 1
        return cls(groups, max(1.0, free), 1 / max(shown, _LEAST_SHOWN))

    @classmethod
    def of_classes(
        cls,
        each: Sequence[Support],
        every: Support,
        variances: NDArray[np.float64] | None = None,
        *,
        by_size: bool = False,
    ) -> Support:
        """Of a mean over classes, each of which is known by its own groups only.

        Where every group holds one class, one degree is lost for each class; where groups hold all classes, one.
        The variance of a class with few groups is understated most, and it makes up most of the mean's.

        Args:
            each: of the classes. every: of all samples.
            variances: of each class's figure over the resamples; None: not known, the classes are taken to be alike.
            by_size: whether a class counts the less the fewer of its groups were drawn. Where all count alike, that a
                resample draws now more, now fewer of them spreads the mean already.
        """
        groups = min(sum(support.groups for support in each), every.groups)
        free = min(sum(support.free for support in each), every.free)
        if variances is not None and np.nansum(variances) > 0:
            shown = np.nan_to_num(variances)
            spread = [1.0 if by_size else _of_drawing(support.groups, every.groups) for support in each]
            lacking = [support.widening / already for support, already in zip(each, spread, strict=True)]
            return cls(groups, free, float(shown @ lacking / shown.sum()))
        alike = min(sum(support.free + 1 for support in each if support.groups), every.free + 1)
        return cls(groups, free, alike / max(free, 1.0))


def estimate(
    value: float,
    resampled: NDArray[np.float64],
    support: Support,
    kind: Kind = "share",
    *,
    floor: float | None = None,
    most: float = math.inf,
) -> Estimate:
    """A figure with its interval.

    Args:
        value: of the whole test part; NaN where undefined.
        floor: of a calibration error, what is left of it without chance.
        most: what a loss can be at most.
    Input: resampled, float64 (r,), the figure in each resample; where it is undefined there (NaN) it is left out.
    """
    if math.isnan(value):
        return UNDEFINED
    defined = resampled[~np.isnan(resampled)]
    if support.free < 1 or defined.size < 2:
        return Estimate(value=float(value))
    error = float(defined.std()) * math.sqrt(support.widening)
    if error < _NO_SPREAD:
        return _exact(value, support.groups, kind)
    quantile, bias = _student(support.free), max(0.0, float(defined.mean()) - value)
    if kind not in ("loss", "calibration", "classwise") and 0 < value < 1:
        middle = max(value - bias, value / 2) if kind == "lifted" else value
        odds, step = _logit(middle), error / (middle - middle**2)
        further = _moved_out(quantile, -_SKEW_LEFT * _skewness(defined)) if kind == "ranking" else quantile
        low = max(_expit(odds - further * step), middle - _LONGEST * further * error)
        high = min(_expit(odds + quantile * step), middle + _LONGEST * quantile * error)
        low, high = max(0.0, low - _BIASES.get(kind, 0) * bias), max(value, high)
    elif kind == "loss" and value > 0:
        further, step = _moved_out(quantile, _skewness(defined)), error / value
        low, high = value * math.exp(-quantile * step), value * math.exp(min(further * step, 700.0))
        high = max(value, min(high, most))
    else:
        least = value - _BIASES.get(kind, 2) * bias
        least = least if floor is None else min(least, floor)
        most = max(value, value - bias / 2 + quantile * error)
        low, high = max(0.0, least - quantile * error), min(1.0, most)
    basis = "few groups" if support.free + 1 < FEW_GROUPS else "resampled groups"
    low = 0.0 if kind in ("calibration", "classwise") and basis == "few groups" else low
    return Estimate(value=float(value), low=float(low), high=float(high), basis=basis)


@cache
def _of_drawing(groups: int, every: int) -> float:
    """How many times as large the variance of a mean over ``groups`` of all is because their number varies as well."""
    if not 0 < groups < every:
        return 1.0
    from scipy.stats import binom

    drawn = np.arange(1, min(every, 10 + 3 * groups) + 1)
    chance = binom.pmf(drawn, every, groups / every)
    return float(groups * (chance / drawn).sum() / chance.sum())


def _exact(value: float, groups: int, kind: Kind) -> Estimate:
    if kind == "loss" or not 0 <= value <= 1:
        return Estimate(value=float(value))
    from scipy.stats import beta

    right, tail = value * groups, (1 - COVERAGE) / 2
    low = 0.0 if right < _NO_SPREAD else float(beta.ppf(tail, right, groups - right + 1))
    high = 1.0 if right > groups - _NO_SPREAD else float(beta.ppf(1 - tail, right + 1, groups - right))
    return Estimate(value=float(value), low=low, high=high, basis="exact on groups")


def _moved_out(quantile: float, skewness: float) -> float:
    """The quantile on the side of the longer tail."""
    return quantile + max(0.0, skewness) * (2 * quantile**2 + 1) / 6


def _skewness(values: NDArray[np.float64]) -> float:
    return float((((values - values.mean()) / values.std()) ** 3).mean())


def _student(free: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(free, (1 + COVERAGE) / 2))


def _logit(share: float) -> float:
    return math.log(share) - math.log1p(-share)


def _expit(odds: float) -> float:
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0
