"""Owns the interval to show beside a verdict: an asymptotic confidence sequence for means and their differences.

Half of its width is σ·sqrt(2(tρ²+1)/(t²ρ²) · ln(sqrt(tρ²+1)/α)): Robbins' normal mixture with the estimated σ. All
looks together are covered with probability 1 − α in the limit of many values, so nothing is shown before there are
some. ρ decides at which t the interval is narrowest.

Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), "Time-uniform central limit theory and asymptotic
confidence sequences", arXiv 2103.06476 (eq. 9 of version 7, and its ρ for a given t); for a difference of means t is
the number of units of both arms and σ² = t·(s²/n of one arm + s²/n of the other), as in GrowthBook.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ab_testing.stats.mixing import Floats, log_threshold
from ab_testing.stats.moments import Moments

__all__ = ["difference_half_width", "difference_interval", "mean_interval"]

MIN_UNITS = 100
"""Of each arm. Below, the normal approximation is no good for rare outcomes."""
SHARPEST_AT = 5000
"""Units of both arms together at which the interval is narrowest for its α."""


def difference_half_width(
    control_n: ArrayLike,
    control_variance: ArrayLike,
    candidate_n: ArrayLike,
    candidate_variance: ArrayLike,
    *,
    alpha: float = 0.05,
    sharpest_at: float = SHARPEST_AT,
) -> Floats:
    """Half the width of the interval of a difference of means. Input: any shapes that broadcast, counts above 0.

    The smaller arm's variance is taken to be no less than that of both together: of a rare outcome that it has hardly
    seen yet it would seem to be sure.
    """
    n, m = np.asarray(control_n, dtype=np.float64), np.asarray(candidate_n, dtype=np.float64)
    theirs, ours = np.asarray(control_variance, dtype=np.float64), np.asarray(candidate_variance, dtype=np.float64)
    pooled = (n * theirs + m * ours) / (n + m)
    per_unit = (
        np.where(n < m, np.maximum(theirs, pooled), theirs) / n + np.where(m < n, np.maximum(ours, pooled), ours) / m
    )
    width: Floats = np.sqrt(per_unit * (n + m)) * _boundary(n + m, alpha, sharpest_at)
    return width


def mean_interval(
    values: Moments, *, alpha: float = 0.05, sharpest_at: float = SHARPEST_AT, unseen: float = 0.0
) -> tuple[float, float] | None:
    """The interval of one mean; None below ``MIN_UNITS`` values.

    Args:
        unseen: added to the sum of squares: of the rarest values there are, once each. Without it, the interval of a
            rare outcome that did not happen yet would have no width.
    """
    if values.n < MIN_UNITS:
        return None
    half = math.sqrt(values.variance + unseen / (values.n - 1)) * float(
        _boundary(np.float64(values.n), alpha, sharpest_at)
    )
    return values.mean - half, values.mean + half


def difference_interval(
    control: Moments, candidate: Moments, *, alpha: float = 0.05, sharpest_at: float = SHARPEST_AT
) -> tuple[float, float] | None:
    """The interval of candidate's mean − control's mean; None below ``MIN_UNITS`` units of either."""
    if min(control.n, candidate.n) < MIN_UNITS:
        return None
    half = float(
        difference_half_width(
            control.n, control.variance, candidate.n, candidate.variance, alpha=alpha, sharpest_at=sharpest_at
        )
    )
    apart = candidate.mean - control.mean
    return apart - half, apart + half


def _boundary(t: ArrayLike, alpha: float, sharpest_at: float) -> Floats:
    twice = 2 * log_threshold(alpha)
    rho2 = (twice + math.log1p(twice)) / sharpest_at
    scaled = np.asarray(t, dtype=np.float64) * rho2 + 1
    bound: Floats = np.sqrt(2 * scaled / (np.asarray(t) ** 2 * rho2) * np.log(np.sqrt(scaled) / alpha))
    return bound
