"""The candidate answers copies of the traffic; no client sees it. Only answers that differ need a label."""

from __future__ import annotations

from dataclasses import replace

from ab_testing.evidence import Evidence
from ab_testing.health import Health
from ab_testing.policy import Policy
from ab_testing.stats import StatisticalAnalyzer
from ab_testing.stats.result import Verdict as Said
from ab_testing.strategies.base import split_arms
from ab_testing.strategies.deciding import last_word
from ab_testing.strategies.gates import errors_gate
from ab_testing.verdicts import Gate, Verdict
from ecosight.rollouts import BUCKETS, CHAMPION, Arm, Rollout

__all__ = ["Shadow"]


class Shadow:
    """Never gives a candidate weight; at its end a person, or a canary, goes on."""

    name = "shadow"

    def stages(self, policy: Policy) -> int:
        return 1

    def arms(self, rollout: Rollout, stage: int) -> tuple[Arm, ...]:
        candidates = [replace(arm, shadow=True) for arm in split_arms(rollout, 0) if arm.name in rollout.candidates]
        return Arm(name=CHAMPION, model=rollout.champion, weight=BUCKETS), *candidates

    def decide(self, rollout: Rollout, evidence: Evidence, health: Health) -> Verdict:
        policy = Policy.from_dict(rollout.policy)
        if (said := last_word(rollout, policy, evidence, health)) is not None:
            return said
        analyzer = StatisticalAnalyzer(alpha=policy.alpha_promote)
        agreement, worse = [], []
        for candidate in evidence.candidates:
            result = analyzer.shadow(candidate.pairs)
            not_worse = analyzer.non_inferiority(candidate.pairs, margin=policy.accuracy_margin)
            passed = not_worse.verdict is Said.PASSED
            needs = [each.missing for each in (not_worse, result) if each.missing]
            wanted = "" if passed else "; to name the better one: ".join(needs)
            figures = {**result.as_dict(), "pairs": candidate.pairs.pairs, "disagreed": candidate.pairs.disagreed}
            agreement.append(
                Gate(
                    name=f"agreement of {candidate.arm}",
                    passed=passed,
                    said=result.reason,
                    missing=wanted,
                    figures=figures,
                )
            )
            if result.verdict is Said.BREACH:
                worse.append(candidate.arm)
        errors = [errors_gate(policy, candidate) for candidate in evidence.candidates]
        gates = [*agreement, *errors]
        if worse:
            return Verdict(action="pause", reason=f"{', '.join(worse)} is worse", gates=tuple(gates), health=health)
        if gates and all(gate.passed for gate in gates):
            why = "it is shown not to be worse; a person decides what becomes of it"
            return Verdict(action="pause", reason=why, gates=tuple(gates), health=health)
        missing = tuple(gate.missing for gate in gates if gate.missing)
        waits = ["labels of answers that differ"] if any(not gate.passed for gate in agreement) else []
        waits += ["fewer failures"] if any(not gate.passed for gate in errors) else []
        why = f"cannot say yet; waiting for {' and '.join(waits)}"
        return Verdict(action="hold", reason=why, missing=missing, gates=tuple(gates), health=health)
