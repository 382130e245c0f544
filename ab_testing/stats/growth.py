"""Owns memory growth: does the candidate's process surely grow faster than the control's, and go on doing so?

What counts is the newer two thirds of the time since both processes were loaded, in some 23 bins: the median of
each arm in each bin, candidate minus control. It is a leak where four things hold at once:

1. both processes are old enough, and the bins are filled;
2. in every bin but one at most, the difference rose by more than the limit since the bin before;
3. the lower end of Theil's median of pairwise slopes lies above the limit;
4. it does not level off: over the newer half it grew at least two thirds as fast as over the older one.

Theil's interval takes the bins for independent. Memory is not: it goes up in steps (an allocator, a cache) and wanders.
Looked at again and again, that interval alone calls every fourth healthy pair of such processes a leak, or more. The
second rule bears with any step, however high, since a step is one rise among many; where the difference goes up as
often as down, all of m − 1 rises or all but one are above the limit at one look with a probability of m / 2^(m−1) at
most. The fourth rule is for a warm-up that levels off. All of it is of one shape at any age, because the bins grow with
the time: looking every second for an hour is like looking at a handful of ages.

How often it errs over all looks is not proven but simulated (tests/ab_testing/stats/test_growth.py): healthy pairs
with warm-ups that take up to three tenths of ``after_min``, steps up and down of 10 to 60 MB every few minutes, caches
of up to 150 MB that are filled at any time, noise of up to 10 MB that remembers minutes, and processes that start
anew, looked at for an hour: 1 of 1,000 at most with the usual 10 minutes, 5 of 1,000 at most with 1 minute.
``PEEKING`` was chosen for that.

What it cannot do: tell a leak from a warm-up that grows steadily for longer than ``after_min``, and see a leak that
comes in leaps before every bin holds one.

Source: Theil (1950), Sen (1968), as in SciPy; the second rule is the sign test (Arbuthnot, 1710) on the differences,
which presumes neither a size nor a shape of the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import theilslopes

from ecosight.errors import InvalidInput

__all__ = ["AFTER_MIN", "LIMIT_MB_PER_MIN", "GrowthEstimate", "MemorySeries", "bins_for", "memory_growth"]

MemorySeries = Sequence[tuple[float, float]]
"""(minutes since both arms were loaded, MB of resident memory), by time."""
AFTER_MIN = 10.0
LIMIT_MB_PER_MIN = 2.0
WARM_UP_PART = 1 / 3
"""Of the time since both were loaded: what came in it does not count."""
STILL_GROWS = 2 / 3
FEWEST_BINS = 12
PEEKING = 100.0
"""So many times the error rate of one look is reckoned for all looks of an hour."""
CONFIDENCE = 0.999
"""Of Theil's interval, both sides together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthEstimate:
    """Growth of candidate − control, in MB a minute.

    Attributes:
        minutes: since both were loaded, at the newest figure that both have.
        bins: into how many the counted time was divided; ``rises``: between how many of them it rose beyond the limit.
        slope, low, high: Theil's, with his interval; None: there are too few figures, or it is too early.
        keeps_on: growth over the newer half as a multiple of that over the older one; None: it did not grow.
        leaks: whether all four rules hold.
    """

    minutes: float
    bins: int
    rises: int = 0
    slope: float | None = None
    low: float | None = None
    high: float | None = None
    keeps_on: float | None = None
    leaks: bool = False


def memory_growth(
    candidate: MemorySeries,
    control: MemorySeries,
    *,
    after_min: float = AFTER_MIN,
    limit: float = LIMIT_MB_PER_MIN,
    alpha: float = 0.001,
) -> GrowthEstimate:
    """How fast the candidate's memory grows beyond the control's.

    Args:
        candidate, control: of one life of either process, on one clock that began when the younger one was loaded.
            They need not be measured at the same moments, but in every bin.
        after_min: minutes before anything is said; the warm-up has to be over in a third of it.
        limit: MB a minute.
        alpha: probability of calling a healthy pair a leak at any look of an hour. For the worst of several pairs,
            divide it by their number: each doubling costs one bin more.
    Raises: InvalidInput: a figure is not finite, or ``alpha`` not between 0 and 1.
    """
    ours, theirs, bins = _table(candidate), _table(control), bins_for(alpha)
    minutes = min(float(each[-1, 0]) if len(each) else 0.0 for each in (ours, theirs))
    if minutes < after_min or minutes <= 0:
        return GrowthEstimate(minutes=minutes, bins=bins)
    edges = np.linspace(WARM_UP_PART * minutes, minutes, bins + 1)
    apart = _medians(ours, edges) - _medians(theirs, edges)
    known = np.flatnonzero(np.isfinite(apart))
    if len(known) < bins - 1:  # a bin without figures counts like one in which it did not rise
        return GrowthEstimate(minutes=minutes, bins=bins)
    middles, apart = ((edges[1:] + edges[:-1]) / 2)[known], apart[known]
    slope, _, low, high = (float(each) for each in theilslopes(apart, middles, alpha=CONFIDENCE))
    rises = int((np.diff(apart) > limit * np.diff(middles)).sum())
    keeps_on = _keeps_on(apart, middles)
    return GrowthEstimate(
        minutes=minutes,
        bins=bins,
        rises=rises,
        slope=slope,
        low=low,
        high=high,
        keeps_on=keeps_on,
        leaks=rises >= bins - 2 and low > limit and keeps_on is not None and keeps_on >= STILL_GROWS,
    )


def bins_for(alpha: float) -> int:
    """How many bins make "it rose in all of them, or all but one" so improbable. Raises: InvalidInput."""
    if not 0 < alpha < 1:
        raise InvalidInput(f"alpha lies between 0 and 1, not {alpha}")
    return next(bins for bins in count(FEWEST_BINS) if PEEKING * bins * 0.5 ** (bins - 1) <= alpha)


def _table(series: MemorySeries) -> NDArray[np.float64]:
    """The figures by time, float64 (n, 2)."""
    if len(series) == 0:
        return np.empty((0, 2))
    table = np.asarray(series, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != 2 or not np.isfinite(table).all():
        raise InvalidInput("memory is told as pairs of minutes and MB, all of them finite")
    return table[np.argsort(table[:, 0], kind="stable")]


def _medians(table: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of each bin (from its edge to before the next, the last one with its end), NaN where there is none."""
    starts = np.searchsorted(table[:, 0], edges)
    starts[-1] = np.searchsorted(table[:, 0], edges[-1], side="right")
    parts = (table[first:last, 1] for first, last in pairwise(starts))
    return np.array([np.median(part) if len(part) else np.nan for part in parts])


def _keeps_on(apart: NDArray[np.float64], middles: NDArray[np.float64]) -> float | None:
    half = len(apart) // 2
    older = float(theilslopes(apart[:half], middles[:half])[0])
    newer = float(theilslopes(apart[half:], middles[half:])[0])
    return newer / older if older > 0 else None
