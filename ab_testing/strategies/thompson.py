"""Thompson sampling: an arm gets keys as often as it is probably the best. Weights are drawn for a stage and frozen."""

from __future__ import annotations

from ab_testing.evidence import Evidence
from ab_testing.health import Health
from ab_testing.policy import Policy
from ab_testing.stats.thompson import thompson_weights
from ab_testing.strategies.base import buckets, loading_arms, split_arms, weighted_arms
from ab_testing.strategies.deciding import last_word, waits_for_agreement
from ab_testing.strategies.gates import (
    accuracy_gate,
    blast_gate,
    health_gate,
    labels_gate,
    split_gate,
    time_gate,
)
from ab_testing.verdicts import Verdict
from ecosight.rollouts import CHAMPION, Arm, Rollout

__all__ = ["Thompson"]

STAGES = 1_000
"""A stage ends after its least time; this many is for ever."""


class Thompson:
    """Learns which arm is best while it serves; needs labels. The champion counts as one of the arms."""

    name = "thompson"
    compares = True

    def stages(self, policy: Policy) -> int:
        return STAGES

    def arms(self, rollout: Rollout, stage: int) -> tuple[Arm, ...]:
        steps = Policy.from_dict(rollout.policy).steps
        if stage == 0:
            return loading_arms(rollout, steps[0])
        if not rollout.weights:
            return split_arms(rollout, steps[0])
        drawn = {name: rollout.weights[name] for name in rollout.candidates}
        # The control takes its keys from the champion's, so the draw stands: it is the same model.
        return weighted_arms(rollout, drawn, control=min(*drawn.values(), buckets(steps[0] / len(drawn))))

    def decide(self, rollout: Rollout, evidence: Evidence, health: Health) -> Verdict:
        policy = Policy.from_dict(rollout.policy)
        if (said := last_word(rollout, policy, evidence, health)) is not None:
            return said
        gates = [split_gate(evidence.assigned), blast_gate(policy, evidence), health_gate(health)]
        gates += [time_gate(policy, evidence), *map(labels_gate, evidence.candidates)]
        if not gates[0].passed:
            return Verdict(action="pause", reason=gates[0].said, gates=tuple(gates), health=health)
        if any(not gate.passed for gate in gates):
            missing = tuple(gate.missing for gate in gates if gate.missing)
            return Verdict(
                action="hold", reason="the stage goes on", missing=missing, gates=tuple(gates), health=health
            )
        gates += [accuracy_gate(policy, candidate) for candidate in evidence.candidates]
        if reason := waits_for_agreement(rollout, policy):
            return Verdict(action="pause", pause_for="agreement", reason=reason, gates=tuple(gates), health=health)
        weights = _drawn(rollout, evidence, policy)
        reason = f"stage {rollout.stage} is over; the next weights are drawn"
        return Verdict(action="advance", reason=reason, gates=tuple(gates), health=health, weights=weights)


def _drawn(rollout: Rollout, evidence: Evidence, policy: Policy) -> dict[str, int]:
    """From labelled keys: the champion's are those of the first candidate's control side, which is the same for all."""
    counts = [candidate.labels for candidate in evidence.candidates]
    units = [counts[0].control_units if counts else 0, *(each.candidate_units for each in counts)]
    wrong = [counts[0].control_bad if counts else 0, *(each.candidate_bad for each in counts)]
    right = [max(0, n - bad) for n, bad in zip(units, wrong, strict=True)]
    drawn = thompson_weights(right, wrong, seed=policy.seed, stage=rollout.stage + 1)
    return dict(zip((CHAMPION, *rollout.candidates), drawn, strict=True))
