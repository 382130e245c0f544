"""Owns the tests for one look at a planned end: Welch's t, chi-square, McNemar's exact test, the BCa bootstrap.

Each is right if it is asked once, at a number of units fixed beforehand. Asked again and again it rejects far more
often than α says, which is what the rest of this package is for.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import ndtri

from ab_testing.stats.mixing import Floats
from ab_testing.stats.moments import Moments
from ecosight.errors import InvalidInput, NotEnoughData
from ecosight.seeds import generator

__all__ = ["FixedTest", "bca_bootstrap", "chi_square", "mcnemar_exact", "pooled_z", "welch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedTest:
    """Estimate of candidate − control, its interval at 1 − α, and the two-sided p-value (None: the method has none)."""

    effect: float
    low: float
    high: float
    p_value: float | None


def welch(control: Moments, candidate: Moments, *, alpha: float = 0.05) -> FixedTest:
    """Difference of means, variances unequal.

    Raises: NotEnoughData: an arm has fewer than two values, or no value differs from another.
    Source: Welch (1947), degrees of freedom after Satterthwaite; as ``scipy.stats.ttest_ind_from_stats``.
    """
    if min(control.n, candidate.n) < 2:
        raise NotEnoughData("a t-test needs two values of each arm")
    theirs, ours = control.variance / control.n, candidate.variance / candidate.n
    error = math.sqrt(theirs + ours)
    if error == 0:
        raise NotEnoughData("a t-test needs values that differ")
    freedom = (theirs + ours) ** 2 / (theirs**2 / (control.n - 1) + ours**2 / (candidate.n - 1))
    effect = candidate.mean - control.mean
    half = float(stats.t.isf(alpha / 2, freedom)) * error
    p_value = 2 * float(stats.t.sf(abs(effect) / error, freedom))
    return FixedTest(effect=effect, low=effect - half, high=effect + half, p_value=p_value)


def chi_square(control: tuple[int, int], candidate: tuple[int, int], *, alpha: float = 0.05) -> FixedTest:
    """Difference of two shares. ``control`` and ``candidate``: (hits, n).

    Pearson's chi-square without continuity correction; the interval is Newcombe's hybrid score.
    Raises: NotEnoughData: an arm is empty. InvalidInput: more hits than units.
    Source: Newcombe (1998), "Interval estimation for the difference between independent proportions", method 10.
    """
    for hits, n in (control, candidate):
        if n < 1:
            raise NotEnoughData("a comparison of shares needs units of each arm")
        if not 0 <= hits <= n:
            raise InvalidInput(f"{hits} of {n} is no share")
    z = float(pooled_z(control[0], control[1], candidate[0], candidate[1]))
    (p0, low0, high0), (p1, low1, high1) = _wilson(*control, alpha), _wilson(*candidate, alpha)
    effect = p1 - p0
    return FixedTest(
        effect=effect,
        low=effect - math.hypot(p1 - low1, high0 - p0),
        high=effect + math.hypot(high1 - p1, p0 - low0),
        p_value=math.erfc(abs(z) / math.sqrt(2)),
    )


def pooled_z(
    control_hits: ArrayLike, control_n: ArrayLike, candidate_hits: ArrayLike, candidate_n: ArrayLike
) -> Floats:
    """z of the difference of two shares with pooled variance; its square is Pearson's chi-square. 0 if none varies.

    Input: any shapes that broadcast, n above 0. Returns: float64, positive where the candidate's share is larger.
    """
    k, n = np.asarray(control_hits, dtype=np.float64), np.asarray(control_n, dtype=np.float64)
    j, m = np.asarray(candidate_hits, dtype=np.float64), np.asarray(candidate_n, dtype=np.float64)
    pooled = (k + j) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    z: Floats = np.divide(j / m - k / n, error, out=np.zeros(np.shape(error)), where=error > 0)
    return z


def mcnemar_exact(candidate_right: int, control_right: int, pairs: int, *, alpha: float = 0.05) -> FixedTest:
    """Difference of accuracies over the same samples.

    Args:
        candidate_right, control_right: pairs in which only that one was right.
        pairs: all pairs.
    The interval is that of the share of discordant pairs (Clopper & Pearson), brought to the scale of accuracies.
    Raises: NotEnoughData: there are no pairs. InvalidInput: more discordant pairs than pairs.
    Source: McNemar (1947), exact binomial form; as ``scipy.stats.binomtest``.
    """
    discordant = candidate_right + control_right
    if pairs < 1:
        raise NotEnoughData("McNemar's test needs pairs")
    if min(candidate_right, control_right) < 0 or discordant > pairs:
        raise InvalidInput(f"{candidate_right} and {control_right} of {pairs} pairs are no discordant pairs")
    if discordant == 0:
        return FixedTest(effect=0.0, low=0.0, high=0.0, p_value=1.0)
    found = stats.binomtest(candidate_right, discordant)
    interval = found.proportion_ci(confidence_level=1 - alpha)
    scale = discordant / pairs
    return FixedTest(
        effect=(candidate_right - control_right) / pairs,
        low=(2 * float(interval.low) - 1) * scale,
        high=(2 * float(interval.high) - 1) * scale,
        p_value=float(found.pvalue),
    )


def bca_bootstrap(
    control: ArrayLike,
    candidate: ArrayLike,
    *,
    seed: int,
    statistic: str = "mean",
    alpha: float = 0.05,
    resamples: int = 2000,
) -> FixedTest:
    """Difference of means or medians by resampling. Needs all values, and takes longer than the others.

    Args:
        statistic: ``mean`` or ``median``.
        seed: the same seed gives the same interval.
    Raises: NotEnoughData: an arm has fewer than two values, or no value differs from another. InvalidInput: another
        statistic, or values that are no list of finite numbers.
    Source: Efron (1987), "Better bootstrap confidence intervals"; as ``scipy.stats.bootstrap``.
    """
    measures: dict[str, Callable[..., Floats]] = {"mean": np.mean, "median": np.median}
    if statistic not in measures:
        raise InvalidInput(f"no statistic {statistic!r}", hint=f"Known are {', '.join(measures)}.")
    theirs, ours = np.asarray(control, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    if not (theirs.ndim == ours.ndim == 1 and np.isfinite(theirs).all() and np.isfinite(ours).all()):
        raise InvalidInput("a bootstrap takes a list of finite values of each arm")
    if min(theirs.size, ours.size) < 2 or (np.ptp(theirs) == 0 and np.ptp(ours) == 0):
        raise NotEnoughData("a bootstrap needs two values of each arm, and values that differ")
    measure = measures[statistic]

    def apart(a: Floats, b: Floats, axis: int = -1) -> Floats:
        difference: Floats = measure(b, axis=axis) - measure(a, axis=axis)
        return difference

    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # its interval is NaN, which is looked at below
        found = stats.bootstrap(
            (theirs, ours),
            apart,
            n_resamples=resamples,
            batch=max(1, 2_000_000 // (theirs.size + ours.size)),
            confidence_level=1 - alpha,
            method="BCa",
            rng=generator(seed, "bootstrap", "arms"),
        ).confidence_interval
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        raise NotEnoughData(f"hardly a value differs: resampling gives no interval of the {statistic}")
    return FixedTest(effect=float(apart(theirs, ours)), low=float(found.low), high=float(found.high), p_value=None)


def _wilson(hits: int, n: int, alpha: float) -> tuple[float, float, float]:
    """Share, and the lower and upper end of Wilson's score interval (1927)."""
    z2 = float(ndtri(1 - alpha / 2)) ** 2
    share, centre = hits / n, (hits + z2 / 2) / (n + z2)
    half = math.sqrt(z2 * (share * (1 - share) * n + z2 / 4)) / (n + z2)
    return share, max(0.0, centre - half), min(1.0, centre + half)
