"""The order of questions that every strategy with a live candidate asks, the gravest first."""

from __future__ import annotations

from collections.abc import Sequence

from ab_testing.evidence import Evidence
from ab_testing.health import Health
from ab_testing.policy import Policy
from ab_testing.strategies.gates import (
    accuracy_gate,
    blast_gate,
    errors_gate,
    health_gate,
    split_gate,
    time_gate,
    units_gate,
)
from ab_testing.verdicts import Action, Gate, PauseFor, Verdict
from ecosight.rollouts import Rollout

__all__ = ["last_word", "next_step", "take_back", "waits_for_agreement"]


def take_back(policy: Policy, health: Health) -> Verdict | None:
    """A trip takes the candidate back, or asks a person to."""
    if not health.trips:
        return None
    trip = health.trips[0]
    if policy.auto_rollback:
        return Verdict(action="roll_back", reason=f"{trip.name}: {trip.observed}", health=health)
    return Verdict(action="pause", reason=f"{trip.name} tripped, and a person has to take it back", health=health)


def last_word(rollout: Rollout, policy: Policy, evidence: Evidence, health: Health) -> Verdict | None:
    """What comes before every question of a strategy: a trip, a spent budget, the longest time; None: go on.

    A spent budget comes before everything that only pauses: a candidate that waits for a person must not go on to
    meet clients beyond it.
    """
    tripped, blast = take_back(policy, health), blast_gate(policy, evidence)
    if tripped is not None and tripped.action == "roll_back":
        return tripped
    if not blast.passed:
        return Verdict(action="pause", pause_for="budget", reason=blast.said, gates=(blast,), health=health)
    if tripped is not None:
        return tripped
    if policy.max_duration_s is not None and evidence.age_s > policy.max_duration_s:
        return Verdict(action="pause", reason="it took longer than the policy allows", health=health)
    return None


def next_step(
    rollout: Rollout, evidence: Evidence, health: Health, *, last_stage: int, may_promote: bool = True
) -> Verdict:
    """Whether the next stage may come.

    Args:
        last_stage: after it comes the promotion.
        may_promote: False: the rollout measures only, so the end of the last stage waits for a person.
    """
    policy = Policy.from_dict(rollout.policy)
    if (said := last_word(rollout, policy, evidence, health)) is not None:
        return said
    blast, split = blast_gate(policy, evidence), split_gate(evidence.assigned)
    if not split.passed:
        why = f"the split of keys is broken, so nothing can be compared: {split.said}"
        return Verdict(action="pause", reason=why, gates=(split,), health=health)
    final = rollout.stage >= last_stage
    gates = [blast, split, health_gate(health), time_gate(policy, evidence)]
    gates += [units_gate(policy, evidence, candidate) for candidate in evidence.candidates]
    gates += [errors_gate(policy, candidate) for candidate in evidence.candidates]
    # The labels decide before the candidate answers everything: afterwards there is nobody to compare it with.
    if rollout.stage >= last_stage - 1:
        gates += [accuracy_gate(policy, candidate) for candidate in evidence.candidates]
    waits = [gate for gate in gates if not gate.passed]
    if waits:
        return _held(waits, gates, health)
    action, reason, pause_for = _onwards(rollout, policy, final=final, may_promote=may_promote)
    return Verdict(action=action, reason=reason, pause_for=pause_for, gates=tuple(gates), health=health)


def _onwards(rollout: Rollout, policy: Policy, *, final: bool, may_promote: bool) -> tuple[Action, str, PauseFor]:
    if final:
        if may_promote and policy.auto_promote and len(rollout.candidates) == 1:
            return "promote", "every step and every gate is passed", ""
        return "pause", "every step is passed; a person decides what becomes of it", ""
    if reason := waits_for_agreement(rollout, policy):
        return "pause", reason, "agreement"
    return "advance", f"step {rollout.stage} is passed", ""


def waits_for_agreement(rollout: Rollout, policy: Policy) -> str:
    """Why a person is asked before the next step; empty: none is."""
    step = rollout.stage + 1
    return f"the policy asks a person to agree before step {step}" if step in policy.pause_at else ""


def _held(waits: Sequence[Gate], gates: Sequence[Gate], health: Health) -> Verdict:
    missing = tuple(gate.missing or gate.said for gate in waits)
    names = ", ".join(dict.fromkeys(gate.name for gate in waits))
    return Verdict(
        action="hold",
        reason=f"cannot say yet; waiting for: {names}",
        missing=missing,
        gates=tuple(gates),
        health=health,
    )
