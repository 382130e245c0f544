"""Owns memory growth: does the candidate's process grow faster than the control's?

Figures of a process resemble the figures just before, so one a minute (the median) is kept of each; the slope is
Theil's median of pairwise slopes, and what decides is the lower end of its interval. Growth common to both arms, such
as caches that fill, cancels in the difference; the first ten minutes, in which each warms up at its own pace, do not
count.

Source: Theil (1950), Sen (1968), as in SciPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

from ecosight.errors import InvalidInput

__all__ = ["GrowthEstimate", "MemorySeries", "memory_growth"]

MemorySeries = Sequence[tuple[float, float]]
"""(minutes since the arm was loaded, MB of resident memory), by time."""
WARM_UP_MIN = 10.0
MIN_MINUTES = 10
"""Minutes after the warm-up before anything is said: below, the lower end of the interval is one of a few slopes."""
MAX_MINUTES = 60
"""Only the last hour is looked at: a leak goes on, a step of long ago does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthEstimate:
    """Slope of candidate − control with its interval, in MB a minute, from so many whole minutes. None: too few."""

    minutes: int
    slope: float | None = None
    low: float | None = None
    high: float | None = None


def memory_growth(
    candidate: MemorySeries, control: MemorySeries, *, confidence: float = 0.95, warm_up_min: float = WARM_UP_MIN
) -> GrowthEstimate:
    """How fast the candidate's memory grows beyond the control's, over the minutes in which both were measured.

    Args:
        candidate, control: on one clock; they need not be measured at the same moments.
        confidence: of the interval, both sides together.
    Raises: InvalidInput: a figure is not finite.
    """
    ours, theirs = _each_minute(candidate), _each_minute(control)
    both = sorted(minute for minute in ours.keys() & theirs.keys() if minute >= warm_up_min)[-MAX_MINUTES:]
    if len(both) < MIN_MINUTES:
        return GrowthEstimate(minutes=len(both))
    apart = [ours[minute] - theirs[minute] for minute in both]
    slope, _, low, high = theilslopes(apart, both, alpha=confidence)
    return GrowthEstimate(minutes=len(both), slope=float(slope), low=float(low), high=float(high))


def _each_minute(series: MemorySeries) -> dict[int, float]:
    """The median of the figures of each minute."""
    if len(series) == 0:
        return {}
    table = np.asarray(series, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != 2 or not np.isfinite(table).all():
        raise InvalidInput("memory is told as pairs of minutes and MB, all of them finite")
    whole = np.floor(table[:, 0]).astype(np.int64)
    order = np.argsort(whole, kind="stable")
    minutes, starts = np.unique(whole[order], return_index=True)
    parts = np.split(table[order, 1], starts[1:])
    return {int(minute): float(np.median(part)) for minute, part in zip(minutes, parts, strict=True)}
