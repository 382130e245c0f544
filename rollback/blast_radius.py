"""The blast radius: how many clients, and how many bad answers, finding out may cost before a person has to look.

A spent budget says nothing about the model, so it is shown as a check in breach and takes nothing back: the rollout
pauses.
"""

from __future__ import annotations

from collections.abc import Iterator

from ab_testing.evidence import Evidence
from ab_testing.policy import Policy
from rollback.findings import Finding, found

__all__ = ["blast_findings"]


def blast_findings(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """What all candidates together have cost, of each budget that the policy sets."""
    candidates = evidence.candidates
    bad = sum(each.errors.candidate_bad + each.wrong.candidate_bad for each in candidates)
    keys = sum(each.errors.candidate_units for each in candidates)
    for metric, spent, budget in (
        ("bad_answers", bad, policy.max_bad_answers),
        ("exposed_keys", keys, policy.max_exposed_keys),
    ):
        if budget is None:
            continue
        figures = {"spent": spent, "budget": budget}
        if spent <= budget:
            yield found("all", metric, "healthy", figures=figures)
        else:
            missing = f"a person's word: {spent:,} of {budget:,} {metric.replace('_', ' ')} are spent"
            yield found("all", metric, "breach", missing=missing, figures=figures)
