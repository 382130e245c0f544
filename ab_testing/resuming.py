"""What going on after a pause changes in a rollout's row, and when it is refused. A pure function.

The rules of the comparison stay as they were frozen: only limits, and who decides, may change while a rollout runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from ab_testing.budgets import BUDGETS, spendings
from ab_testing.evidence import Evidence
from ab_testing.policy import Policy
from ab_testing.possible import require_pauses
from ecosight.errors import Refused
from ecosight.rollouts import Rollout

__all__ = ["MAY_CHANGE", "resumed"]

MAY_CHANGE = (*BUDGETS, "max_duration_s", "pause_at", "auto_promote", "auto_rollback")


def resumed(
    rollout: Rollout, differences: Mapping[str, Any], evidence: Evidence | None, now: datetime
) -> dict[str, Any]:
    """The changes of the row.

    Args:
        differences: of the policy, from here on.
        evidence: the newest there is.
    Raises: Refused: the budget is spent and the new limit allows no more, or a rule that is frozen would change.
        InvalidInput: a value that cannot be followed.
    """
    frozen = [name for name in differences if name not in MAY_CHANGE and name in rollout.policy]
    if frozen:
        raise Refused(
            f"{', '.join(frozen)} cannot change while the rollout runs: what was seen so far would not count",
            hint=f"These may: {', '.join(MAY_CHANGE)}. Or abort it, and start another.",
        )
    policy = Policy.from_dict({**rollout.policy, **differences})
    if "pause_at" in differences:
        require_pauses(rollout.strategy, policy)
    if rollout.paused_for == "agreement":  # a person agrees by going on, and is not asked again
        policy = replace(policy, pause_at=tuple(step for step in policy.pause_at if step != rollout.stage + 1))
    if evidence is not None and (rollout.paused_for == "budget" or any(name in differences for name in BUDGETS)):
        _check_budget(evidence, policy)
    return {
        "state": "running" if rollout.stage else "preparing",
        "policy": policy.as_dict(),
        "paused_for": "",
        "outcome": "",
        "stage_since": now,
    }


def _check_budget(evidence: Evidence, policy: Policy) -> None:
    spent = [each for each in spendings(evidence, policy) if each.over]
    if spent:
        told = " and ".join(f"{each.spent} of {each.limit} {each.metric.replace('_', ' ')}" for each in spent)
        more = " ".join(f"--policy max_{each.metric}={2 * each.spent}" for each in spent)
        raise Refused(
            f"the blast radius is spent: {told}", hint=f"To allow more, say how many: ecosight rollout resume {more}"
        )
