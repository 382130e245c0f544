"""Blue answers; green is loaded, measured beside it at a small share, and then answers everything; blue stays warm."""

from __future__ import annotations

from ab_testing.evidence import Evidence
from ab_testing.health import Health
from ab_testing.policy import Policy
from ab_testing.strategies.base import loading_arms, split_arms
from ab_testing.strategies.deciding import next_step
from ab_testing.verdicts import Verdict
from ecosight.rollouts import Arm, Rollout

__all__ = ["BlueGreen"]


class BlueGreen:
    """Stage 1 is the switch. Blue stays loaded in every server, so switching back is one change of the weights."""

    name = "blue-green"

    def stages(self, policy: Policy) -> int:
        return 1

    def arms(self, rollout: Rollout, stage: int) -> tuple[Arm, ...]:
        first = Policy.from_dict(rollout.policy).steps[0]
        return loading_arms(rollout, first) if stage == 0 else split_arms(rollout, 100)

    def decide(self, rollout: Rollout, evidence: Evidence, health: Health) -> Verdict:
        return next_step(rollout, evidence, health, last_stage=1)
