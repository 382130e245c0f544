"""Which routing a rollout wants: a pure function of its row. Whoever leads moves the routing there, as often as needed.

The row is written first and the routing follows from it, so a controller that dies between the two leaves nothing that
the next one could not finish.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ab_testing.strategies.base import Strategy
from ecosight.rollouts import BUCKETS, CHAMPION, Arm, Rollout, Routing
from ecosight.values import ModelRef

__all__ = ["Plan", "after_abort", "after_promotion", "is_in_force", "next_routing", "planned", "steady"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A routing without its epoch and its audit trail."""

    arms: tuple[Arm, ...]
    rollout_id: str = ""
    salt: str = ""
    stage: int = 0
    standby: tuple[ModelRef, ...] = ()


def planned(rollout: Rollout, strategy: Strategy) -> Plan:
    """The routing of an unfinished rollout that is not being promoted past the point of no return."""
    if rollout.state == "rolling_back":
        return after_abort(rollout)
    arms = strategy.arms(rollout, rollout.stage)
    standby = tuple(rollout.candidates.values()) if rollout.state == "promoting" else ()
    return Plan(arms=arms, rollout_id=rollout.id, salt=rollout.id, stage=rollout.stage, standby=standby)


def after_promotion(rollout: Rollout) -> Plan:
    """The candidate is champion; the old one stays loaded for the way back."""
    (model,) = rollout.candidates.values()
    return Plan(arms=(_alone(model),), rollout_id=rollout.id, stage=rollout.stage + 1, standby=(rollout.champion,))


def after_abort(rollout: Rollout) -> Plan:
    """The champion answers everything."""
    return Plan(arms=(_alone(rollout.champion),), rollout_id=rollout.id, stage=rollout.stage + 1)


def steady(champion: ModelRef) -> Plan:
    """No rollout: servers follow the alias, and this row tells afterwards whom it named."""
    return Plan(arms=(_alone(champion),))


def is_in_force(plan: Plan, routing: Routing | None) -> bool:
    """Whether the routing already says what the plan wants."""
    return routing is not None and plan == Plan(
        arms=routing.arms,
        rollout_id=routing.rollout_id,
        salt=routing.salt,
        stage=routing.stage,
        standby=routing.standby,
    )


def next_routing(current: Routing | None, plan: Plan, *, at: datetime, actor: str, why: str) -> Routing:
    """The plan with the next epoch."""
    return Routing(
        epoch=current.epoch + 1 if current is not None else 1,
        arms=plan.arms,
        made_at=at,
        actor=actor,
        why=why,
        rollout_id=plan.rollout_id,
        salt=plan.salt,
        stage=plan.stage,
        standby=plan.standby,
    )


def _alone(model: ModelRef) -> Arm:
    return Arm(name=CHAMPION, model=model, weight=BUCKETS)
