"""Memory that grows: the candidate's process beside the control's, after both have warmed up.

Only a process of its own can be measured: where the candidate shares one with others, that is said, and nothing trips.
"""

from __future__ import annotations

from ab_testing.evidence import CandidateEvidence
from ab_testing.policy import Policy
from ab_testing.stats.growth import MIN_MINUTES, memory_growth
from rollback.findings import Finding, State, found, tripped

__all__ = ["memory_finding"]

CONFIDENCE = 0.99
"""It is looked at every second, and the interval is one of a single look."""


def memory_finding(candidate: CandidateEvidence, policy: Policy) -> Finding:
    """Does it leak?"""
    arm, metric = candidate.arm, "memory"
    if not candidate.memory or not candidate.control_memory:
        whose = "the candidate" if not candidate.memory else "the control"
        missing = f"memory cannot be attributed: there is no process of {whose} alone"
        return found(arm, metric, "no_data", missing=missing)
    growth = memory_growth(
        candidate.memory, candidate.control_memory, confidence=CONFIDENCE, warm_up_min=policy.memory_after_min
    )
    limit = policy.memory_mb_per_min
    figures = {"minutes": growth.minutes, "slope": growth.slope, "low": growth.low, "high": growth.high, "limit": limit}
    if growth.low is None or growth.slope is None or growth.high is None:
        left = max(policy.memory_after_min - candidate.memory[-1][0], 0.0) + MIN_MINUTES - growth.minutes
        return found(arm, metric, "insufficient", missing=f"about {max(1.0, left):.0f} more minutes", figures=figures)
    if growth.low <= limit:
        state: State = "healthy" if growth.high <= limit else "insufficient"
        missing = "" if state == "healthy" else f"minutes until it is sure on which side of {limit:g} MB/min it is"
        return found(arm, metric, state, missing=missing, figures=figures)
    return tripped(
        arm,
        metric,
        "soft",
        rule=f"its memory grows by no more than {limit:g} MB a minute beyond the control's",
        observed=f"{growth.slope:.1f} MB a minute over {growth.minutes} minutes (surely more than {growth.low:.1f})",
        figures=figures,
    )
