"""How the error rate of a metric is divided between the whole rollout and the comparisons that begin anew."""

from __future__ import annotations

from ab_testing.compared import Lately

__all__ = ["LATE", "late_part"]

LATE = 0.1
"""What all comparisons that begin anew take of a metric's error rate: hardly anything, since it is missed in the first
seconds. The n-th of them takes 1 / n(n+1) of it, which adds up to the whole of it however many there will be. After a
day that asks for some four times the evidence of the first minutes, which a model that fails outright gives in seconds.
"""


def late_part(lately: Lately) -> float:
    """What one of them has of a metric's error rate."""
    return LATE / (lately.number * (lately.number + 1))
