"""Owns quantiles: the threshold that is frozen before a rollout, and an interval to show.

The interval holds at every look: the number of values at or below the true q-quantile is binomial with probability q
(or lies between two such numbers where values tie), so ranks that a beta-binomial mixture rejects are ruled out.

Source: Howard & Ramdas (2022), "Sequential estimation of quantiles with applications to A/B testing and best-arm
identification", arXiv 1906.09712, Theorem 1 with the beta-binomial mixture, inverted on the ranks themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ab_testing.stats.conditional import log_e_share, optimal_concentration
from ab_testing.stats.histogram import LatencyHistogram, upper_edge_ms
from ab_testing.stats.mixing import log_threshold
from ecosight.errors import InvalidInput, NotEnoughData

__all__ = ["freeze_threshold_ms", "quantile_interval_ms", "quantile_ranks"]

MIN_REFERENCE = 1000
"""Below, the 99th percentile rests on fewer than ten values."""
SHARPEST_AT = 10_000


def freeze_threshold_ms(reference: LatencyHistogram, *, q: float = 0.99, min_reference: int = MIN_REFERENCE) -> float:
    """The control's q-quantile over a window that ended before the rollout, rounded up to a bucket's edge.

    How well it is estimated does not matter to the validity of the test, only to its power: both arms are held to it.
    Raises: NotEnoughData: the window holds too few latencies.
    """
    if reference.count < min_reference:
        raise NotEnoughData(
            f"{reference.count} latencies are too few for a threshold, {min_reference} are needed",
            hint="Let the control answer longer before the rollout starts.",
        )
    return reference.quantile_ms(q)


def quantile_ranks(n: int, q: float, *, alpha: float = 0.05, sharpest_at: int = SHARPEST_AT) -> tuple[int, int]:
    """Ranks (from 1) between whose values the q-quantile lies at every look; 0 or n + 1: there is no bound yet.

    Raises: InvalidInput: q is not between 0 and 1.
    """
    if not 0 < q < 1:
        raise InvalidInput(f"a quantile lies between 0 and 1, not at {q}")
    concentration = max(1.0, optimal_concentration(sharpest_at, alpha))
    limit = log_threshold(alpha)

    def rejected(below: int) -> bool:
        return bool(log_e_share(below, n - below, q, concentration=concentration) >= limit)

    least = _first(lambda below: not rejected(below), 0, math.floor(q * n))
    most = _first(rejected, math.ceil(q * n), n + 1) - 1
    return least, most + 1


def quantile_interval_ms(
    latencies: LatencyHistogram, q: float = 0.99, *, alpha: float = 0.05
) -> tuple[float, float | None]:
    """The interval of the q-quantile, rounded outwards to the buckets' edges; None above: no bound yet."""
    n = latencies.count
    low, high = quantile_ranks(n, q, alpha=alpha) if n else (0, 1)
    return (
        upper_edge_ms(latencies.bucket_at(low) - 1) if low > 0 else 0.0,
        upper_edge_ms(latencies.bucket_at(high)) if high <= n else None,
    )


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The smallest number in [low, high] that holds, of a property that stays once it holds; ``high`` if none."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
