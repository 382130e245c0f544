"""Memory that grows: what is found of the candidate's process beside the control's.

Only a process of its own can be measured, beside another one: where the candidate shares one with others, or has no
control as a shadow, that is said, and nothing trips.
"""

from __future__ import annotations

from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.policy import Policy
from ab_testing.stats.judge_memory import judge_memory
from ab_testing.stats.multiplicity import bonferroni
from ab_testing.stats.result import Verdict
from rollback.findings import Finding, State, found, tripped

__all__ = ["memory_finding"]


def memory_finding(candidate: CandidateEvidence, evidence: Evidence, policy: Policy, *, alpha: float) -> Finding:
    """Does it leak?

    Args:
        alpha: probability of ever calling a good candidate a leak, on any server.
    """
    arm, metric = candidate.arm, "memory"
    if not candidate.memory or not candidate.control_memory:
        missing = "memory cannot be attributed: there is no process of the candidate alone"
        if candidate.memory:
            missing = "memory cannot be compared: there is no process of the control beside the candidate's"
        return found(arm, metric, "no_data", missing=missing)
    limit, servers = policy.memory_mb_per_min, max(1, evidence.servers)
    result = judge_memory(
        candidate.memory,
        candidate.control_memory,
        after_min=policy.memory_after_min,
        limit_mb_per_min=limit,
        # The series are of the server where it grew most: the worst of so many draws.
        alpha=bonferroni(alpha, servers),
    )
    told = {**result.counts, "slope": result.effect, "low": result.low, "high": result.high}
    figures = {**told, "limit": limit, "alpha": result.alpha, "servers": servers}
    if result.verdict is Verdict.BREACH:
        rule = f"its memory grows by no more than {limit:g} MB a minute beyond the control's"
        return tripped(arm, metric, "soft", rule=rule, observed=result.reason, figures=figures)
    state: State = "healthy" if result.verdict is Verdict.HEALTHY else "insufficient"
    return found(arm, metric, state, missing=result.missing, figures=figures)
