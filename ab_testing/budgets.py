"""The blast radius: how many clients, and how many bad answers, finding out may cost before a person has to look."""

from __future__ import annotations

from dataclasses import dataclass

from ab_testing.evidence import Evidence
from ab_testing.policy import Policy

__all__ = ["BUDGETS", "Spending", "spendings"]

BUDGETS = ("max_bad_answers", "max_exposed_keys")
"""The policy's names of the two limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What was spent of one budget.

    Attributes:
        metric: ``bad_answers`` or ``exposed_keys``; in keys both: a key that met many bad answers counts once.
        limit: None: the policy sets none.
    """

    metric: str
    spent: int
    limit: int | None

    @property
    def over(self) -> bool:
        return self.limit is not None and self.spent > self.limit


def spendings(evidence: Evidence, policy: Policy) -> tuple[Spending, ...]:
    """What all candidates together have cost so far, at all shares. A pure function."""
    bad = sum(_or(each.bad_keys, each.errors.candidate_bad + each.wrong.candidate_bad) for each in evidence.candidates)
    keys = sum(_or(each.met_keys, each.errors.candidate_units) for each in evidence.candidates)
    return (
        Spending(metric="bad_answers", spent=bad, limit=policy.max_bad_answers),
        Spending(metric="exposed_keys", spent=keys, limit=policy.max_exposed_keys),
    )


def _or(count: int | None, compared: int) -> int:
    """Evidence that was recorded without the count of all keys has only those that could be compared."""
    return compared if count is None else count
