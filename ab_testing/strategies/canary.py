"""A candidate gets more and more of the keys, as long as every step's gate is passed."""

from __future__ import annotations

from ab_testing.evidence import Evidence
from ab_testing.health import Health
from ab_testing.policy import Policy
from ab_testing.strategies.base import loading_arms, split_arms
from ab_testing.strategies.deciding import next_step
from ab_testing.verdicts import Verdict
from ecosight.rollouts import Arm, Rollout

__all__ = ["Canary", "FixedSplit"]


class Canary:
    """The steps of the policy, one after the other; after the last one the candidate is promoted."""

    name = "canary"
    may_promote = True

    def stages(self, policy: Policy) -> int:
        return len(policy.steps)

    def arms(self, rollout: Rollout, stage: int) -> tuple[Arm, ...]:
        steps = Policy.from_dict(rollout.policy).steps
        if stage == 0:
            return loading_arms(rollout, steps[0])
        return split_arms(rollout, steps[min(stage, len(steps)) - 1])

    def decide(self, rollout: Rollout, evidence: Evidence, health: Health) -> Verdict:
        last = len(Policy.from_dict(rollout.policy).steps)
        return next_step(rollout, evidence, health, last_stage=last, may_promote=self.may_promote)


class FixedSplit(Canary):
    """One share for the whole test; a person reads the verdict and promotes or aborts."""

    name = "fixed"
    may_promote = False
