"""Which routing a rollout wants: a pure function of its row. Whoever leads moves the routing there, as often as needed.

The row is written first and the routing follows from it, so a controller that dies between the two leaves nothing that
the next one could not finish.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ab_testing.strategies.base import Strategy
from ecosight.rollouts import BUCKETS, CHAMPION, CONTROL, Arm, Rollout, Routing
from ecosight.values import ModelRef

__all__ = [
    "WITHHELD_STAGE",
    "Plan",
    "after_abort",
    "after_promotion",
    "at_most",
    "candidate_percent",
    "has_arms",
    "is_in_force",
    "next_routing",
    "planned",
    "steady",
    "straight",
]

WITHHELD_STAGE = 10_000
"""Added to the stage while candidates get no clients, so that nothing seen then is compared with the stage itself. It
lies above every stage, because evidence counts a key at the lowest stage in which it came."""


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
    arms, stage = strategy.arms(rollout, rollout.stage), rollout.stage
    if rollout.paused_for == "budget":
        arms, stage = _without_clients(arms), WITHHELD_STAGE + stage
    standby = tuple(rollout.candidates.values()) if rollout.state == "promoting" else ()
    return Plan(arms=arms, rollout_id=rollout.id, salt=rollout.id, stage=stage, standby=standby)


def straight(rollout: Rollout) -> Plan:
    """The champion answers while every server loads the candidate beside it: no processes of the candidate's own for
    the moment until it leads."""
    standby = tuple(rollout.candidates.values())
    return Plan(arms=(_alone(rollout.champion),), rollout_id=rollout.id, salt=rollout.id, standby=standby)


def has_arms(routing: Routing | None, rollout: Rollout) -> bool:
    """Whether candidates of the rollout have processes of their own by now."""
    return routing is not None and any(
        arm.model == rollout.candidates.get(arm.name) and routing.rollout_id == rollout.id for arm in routing.arms
    )


def after_promotion(rollout: Rollout) -> Plan:
    """The candidate is champion; the old one stays loaded for the way back."""
    (model,) = rollout.candidates.values()
    return Plan(arms=(_alone(model),), rollout_id=rollout.id, stage=rollout.stage + 1, standby=(rollout.champion,))


def after_abort(rollout: Rollout) -> Plan:
    """The champion answers everything."""
    return Plan(arms=(_alone(rollout.champion),), rollout_id=rollout.id, stage=rollout.stage + 1)


def at_most(current: Routing, percent: float) -> Plan:
    """The same arms, those of candidates together at most so heavy, the control like one of them."""
    whole = candidate_percent(current)
    scale = min(1.0, percent / whole) if whole else 0.0
    scaled = {arm.name: int(arm.weight * scale) for arm in current.arms if arm.name != CHAMPION}
    rest = BUCKETS - sum(scaled.values())
    arms: tuple[Arm, ...] = tuple(replace(arm, weight=scaled.get(arm.name, rest)) for arm in current.arms)
    stage = current.stage if scale == 1.0 else current.stage + 1
    return Plan(arms=arms, rollout_id=current.rollout_id, salt=current.salt, stage=stage, standby=current.standby)


def candidate_percent(routing: Routing) -> float:
    """What the candidates answer together; copies for a shadow are no answers."""
    own = [arm for arm in routing.arms if arm.name not in (CHAMPION, CONTROL) and not arm.shadow]
    return sum(arm.weight for arm in own) * 100 / BUCKETS


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


def _without_clients(arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """The same arms, so that all stay loaded and no lane of keys moves; the champion answers for the candidates."""
    control = sum(arm.weight for arm in arms if arm.name == CONTROL)
    weights = {CHAMPION: BUCKETS - control, CONTROL: control}
    return tuple(replace(arm, weight=weights.get(arm.name, 0)) for arm in arms)
