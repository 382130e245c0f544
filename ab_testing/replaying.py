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

__all__ = ["CheckHealth", "Replayed", "is_hard", "judge", "replay"]

CheckHealth = Callable[[Rollout, Evidence], Health]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """``same``: the verdict came out as it was recorded, to the last figure."""

    same: bool
    verdict: Verdict


def judge(rollout: Rollout, evidence: Evidence, check_health: CheckHealth) -> Verdict:
    """The decision: a pure function of the rollout's row and what was seen of it.

    A paused rollout is judged as well: a trip takes its candidates back, and a spent budget their clients. So is one
    that goes back by degrees: a hard trip takes the rest of the way at once.
    """
    health = check_health(rollout, evidence)
    if rollout.state == "rolling_back":
        return _on_the_way_back(health)
    verdict = load_strategy(rollout.strategy).decide(rollout, evidence, health)
    if rollout.state == "paused" and not _cannot_wait(rollout, verdict):
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
    again, recorded = (json.loads(to_json(dict(each))) for each in (verdict.as_dict(), decision.verdict))
    recorded.setdefault("pause_for", again["pause_for"])  # recorded before verdicts said it
    return Replayed(same=again == recorded, verdict=verdict)


def is_hard(verdict: Verdict) -> bool:
    """Whether a trip behind it needs no statistics: then nothing is taken back by degrees."""
    return verdict.health is not None and any(trip.kind == "hard" for trip in verdict.health.trips)


def _on_the_way_back(health: Health) -> Verdict:
    hard = next((trip for trip in health.trips if trip.kind == "hard"), None)
    if hard is None:
        return Verdict(action="hold", reason="it goes back by degrees", health=health)
    return Verdict(
        action="roll_back", reason=f"{hard.name}: {hard.observed}; the rest of the way at once", health=health
    )


def _cannot_wait(rollout: Rollout, verdict: Verdict) -> bool:
    if verdict.pause_for == "budget":
        return rollout.paused_for != "budget"
    return verdict.action == "roll_back"
