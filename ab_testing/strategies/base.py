"""What a strategy is: which arms a stage has, and what is to be done after a look. Pure functions both."""

from __future__ import annotations

from typing import Protocol

from ab_testing.evidence import Evidence
from ab_testing.health import Health
from ab_testing.policy import Policy
from ab_testing.verdicts import Verdict
from ecosight.rollouts import BUCKETS, CHAMPION, CONTROL, Arm, Rollout

__all__ = ["Strategy", "split_arms"]


class Strategy(Protocol):
    """A plug-in of the group ``ecosight.strategies``. Stateless."""

    name: str

    def stages(self, policy: Policy) -> int:
        """How many stages there are after stage 0, in which the candidates are loaded and the control is measured."""
        ...

    def arms(self, rollout: Rollout, stage: int) -> tuple[Arm, ...]:
        """The champion first."""
        ...

    def decide(self, rollout: Rollout, evidence: Evidence, health: Health) -> Verdict:
        """What to do now. Called while the rollout is running or paused."""
        ...


def split_arms(rollout: Rollout, percent: float, *, control: float | None = None) -> tuple[Arm, ...]:
    """The candidates share ``percent`` of the keys evenly; the control gets as much as each where there is room.

    Args:
        control: percent of the control, where it is not to follow from the candidates.
    """
    count = len(rollout.candidates)
    each = int(percent * BUCKETS / 100 / count)
    room = BUCKETS - each * count
    wanted = each if control is None else int(control * BUCKETS / 100)
    twin = min(wanted, room)
    weights = dict.fromkeys(rollout.candidates, each)
    return (
        Arm(name=CHAMPION, model=rollout.champion, weight=room - twin),
        *(
            Arm(name=name, model=model, weight=weights[name], isolated=True)
            for name, model in rollout.candidates.items()
        ),
        Arm(name=CONTROL, model=rollout.champion, weight=twin, isolated=True),
    )
