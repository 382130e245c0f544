"""What a strategy is: which arms a stage has, and what is to be done after a look. Pure functions both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ab_testing.evidence import Evidence
from ab_testing.health import Health
from ab_testing.policy import Policy
from ab_testing.verdicts import Verdict
from ecosight.rollouts import BUCKETS, CHAMPION, CONTROL, Arm, Rollout

__all__ = ["Strategy", "buckets", "loading_arms", "split_arms", "weighted_arms"]

REFERENCE_TIMES = 4
"""In stage 0 the control has so many times the keys of the first step: the reference is measured sooner, and nothing is
compared yet."""
MOST_CONTROL = 50
"""Percent; the champion keeps the rest in the server's own process, as before the rollout."""


class Strategy(Protocol):
    """A plug-in of the group ``ecosight.strategies``. Stateless.

    One that cannot go on unless the champion answers beside the candidates says so by ``compares = True``.
    """

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


def loading_arms(rollout: Rollout, percent: float) -> tuple[Arm, ...]:
    """Stage 0, before a stage of ``percent``: the candidates are loaded and get no keys, the control is measured."""
    control = min(REFERENCE_TIMES * percent / len(rollout.candidates), MOST_CONTROL)
    return weighted_arms(rollout, dict.fromkeys(rollout.candidates, 0), control=buckets(control))


def split_arms(rollout: Rollout, percent: float) -> tuple[Arm, ...]:
    """The candidates share ``percent`` of the keys evenly; the control gets as much as each where there is room.

    As much, not more, although more would find a slow candidate sooner: both get as many fresh keys with every step
    then. A larger control has its share of all keys steps before the candidate has; where keys ask again and again, its
    own are used up while the candidate's come fresh, and equal models look unequal.
    """
    each = buckets(percent / len(rollout.candidates))
    return weighted_arms(rollout, dict.fromkeys(rollout.candidates, each), control=each)


def weighted_arms(rollout: Rollout, weights: Mapping[str, int], *, control: int) -> tuple[Arm, ...]:
    """The champion with what the candidates and the control leave.

    Args:
        weights: buckets of each candidate.
        control: its buckets; fewer where the candidates leave fewer.
    """
    room = BUCKETS - sum(weights.values())
    twin = min(control, room)
    candidates = rollout.candidates.items()
    return (
        Arm(name=CHAMPION, model=rollout.champion, weight=room - twin),
        *(Arm(name=name, model=model, weight=weights[name], isolated=True) for name, model in candidates),
        Arm(name=CONTROL, model=rollout.champion, weight=twin, isolated=True),
    )


def buckets(percent: float) -> int:
    """So many percent of all keys."""
    return int(percent * BUCKETS / 100)
