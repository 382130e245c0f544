"""Why a rollout is being taken back, from its records: the trip behind the decision, or a person's word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ab_testing.evidence import Evidence
from ab_testing.health import Health, Trip
from ecosight.rollouts import CANDIDATE, Decision, Rollout
from ecosight.state.documents import rollout_from
from rollback.triggers import check_health

__all__ = ["looked_again", "trigger_of"]


def trigger_of(rollout: Rollout, decisions: Sequence[Decision]) -> dict[str, Any]:
    """The trigger of an incident: ``name``, ``kind``, ``rule``, ``observed``, ``arm``, and ``also``: further trips.

    Args:
        decisions: of the rollout, in any order. A pure function.
    """
    taken_back = sorted((each for each in decisions if each.action == "roll_back"), key=lambda each: each.at)
    if not taken_back:
        # No decision takes back a model that cannot get ready to lead: there is nothing to weigh.
        return _plain("load_failure", "hard", "every server loads the model", rollout.outcome, rollout)
    decision = taken_back[0]
    reason = str(decision.verdict.get("reason", ""))
    if not decision.evidence:
        observed = f"{decision.actor}: {reason}" if reason else f"{decision.actor} asked for it"
        return _plain("manual", "manual", "a person may always take a model back", observed, rollout)
    trips = looked_again(decision).trips
    if not trips:
        return _plain("verdict", "soft", "the strategy found a reason to take it back", reason, rollout)
    first, *others = trips
    metric, _, arm = first.name.partition(":")
    told = {"name": metric, "kind": str(first.kind), "rule": first.rule, "observed": first.observed}
    also = [_short(trip) for trip in others]
    return {**told, "arm": arm or CANDIDATE, "decision": decision.id, "also": also}


def looked_again(decision: Decision) -> Health:
    """What the triggers said when a decision was made: as it was recorded, else made again from the evidence."""
    said = decision.verdict.get("health")
    if said is not None:
        return Health.from_dict(said)
    return check_health(rollout_from(decision.state), Evidence.from_dict(decision.evidence))


def _short(trip: Trip) -> dict[str, str]:
    return {"name": trip.name, "observed": trip.observed}


def _plain(name: str, kind: str, rule: str, observed: str, rollout: Rollout) -> dict[str, Any]:
    arm = next(iter(rollout.candidates), CANDIDATE)
    told: Mapping[str, Any] = {"name": name, "kind": kind, "rule": rule, "observed": observed, "arm": arm}
    return dict(told)
