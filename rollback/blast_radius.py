"""The blast radius as checks of the triggers.

A spent budget says nothing about the model, so it is shown as a check in breach and takes nothing back: the rollout
pauses, and the candidates get no clients until a person resumes.
"""

from __future__ import annotations

from collections.abc import Iterator

from ab_testing.budgets import spendings
from ab_testing.evidence import Evidence
from ab_testing.policy import Policy
from rollback.findings import Finding, found

__all__ = ["blast_findings"]


def blast_findings(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """What all candidates together have cost, of each budget that the policy sets."""
    for each in spendings(evidence, policy):
        if each.limit is None:
            continue
        figures = {"spent": each.spent, "budget": each.limit}
        if each.over:
            missing = f"a person's word: {each.spent:,} of {each.limit:,} {each.metric.replace('_', ' ')} are spent"
            yield found("all", each.metric, "breach", missing=missing, figures=figures)
        else:
            yield found("all", each.metric, "healthy", figures=figures)
