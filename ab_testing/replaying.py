"""Makes a recorded decision again from what was recorded with it: the same evidence must give the same verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from ab_testing.evidence import Evidence
from ab_testing.health import Health
from ab_testing.strategies import load_strategy
from ab_testing.verdicts import Verdict
from ecosight.errors import InvalidInput
from ecosight.rollouts import Decision, Rollout
from ecosight.state.columns import to_json
from ecosight.state.documents import rollout_from

__all__ = ["Replayed", "judge", "replay"]

CheckHealth = Callable[[Rollout, Evidence], Health]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """``same``: the verdict came out as it was recorded, to the last figure."""

    same: bool
    verdict: Verdict


def judge(rollout: Rollout, evidence: Evidence, check_health: CheckHealth) -> Verdict:
    """The decision: a pure function of the rollout's row and what was seen of it."""
    verdict = load_strategy(rollout.strategy).decide(rollout, evidence, check_health(rollout, evidence))
    if rollout.state == "paused" and verdict.action != "roll_back":
        return Verdict(
            action="hold",
            reason=f"paused: {rollout.outcome or 'by hand'}",
            missing=verdict.missing,
            gates=verdict.gates,
            health=verdict.health,
        )
    return verdict


def replay(decision: Decision, check_health: CheckHealth) -> Replayed:
    """Raises: InvalidInput: a person made it, so there is nothing to make it from."""
    if not decision.evidence:
        raise InvalidInput(f"decision {decision.id} was made by {decision.actor}, not from evidence")
    verdict = judge(rollout_from(decision.state), Evidence.from_dict(decision.evidence), check_health)
    again = json.loads(to_json(verdict.as_dict()))
    return Replayed(same=again == json.loads(to_json(dict(decision.verdict))), verdict=verdict)
