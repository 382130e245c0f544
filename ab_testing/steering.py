"""What a leader writes, each under its fence: routings, rows, decisions. One that was replaced writes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ab_testing import plan
from ab_testing.evidence import Evidence
from ab_testing.verdicts import Verdict
from ecosight.errors import Conflict
from ecosight.ids import new_id
from ecosight.logs import get_logger
from ecosight.ports import Clock
from ecosight.rollouts import Decision, Rollout, Routing
from ecosight.state.documents import plain
from ecosight.state.leadership import Fence
from ecosight.state.rollouts import RolloutStore, Unchanged
from ecosight.state.routings import RoutingStore

__all__ = ["ACTOR", "Steering"]

ACTOR = "controller"


class Steering:
    """Writes for the leader. Used by one thread."""

    def __init__(self, rollouts: RolloutStore, routings: RoutingStore, clock: Clock) -> None:
        self._rollouts, self._routings, self._clock = rollouts, routings, clock

    def current(self) -> Routing | None:
        """The newest routing."""
        return self._routings.current()

    def newest(self, rollout: Rollout) -> Rollout:
        """Its row as it is now."""
        return self._rollouts.get(rollout.id) or rollout

    def move(self, current: Routing | None, wanted: plan.Plan, fence: Fence | Unchanged, *, why: str) -> Routing:
        """The routing that says what the plan wants. Raises: Conflict: another wrote an epoch or the row, or leads."""
        if current is not None and plan.is_in_force(wanted, current):
            return current
        routing = plan.next_routing(current, wanted, at=self._clock.now(), actor=ACTOR, why=why)
        if not self._routings.move(routing, fence=fence):
            raise Conflict(f"epoch {routing.epoch} was written by another", hint="It is looked at again.")
        get_logger("rollouts").info(
            "routing moved", epoch=routing.epoch, why=why, arms={arm.name: arm.weight for arm in routing.arms}
        )
        return routing

    def save(self, rollout: Rollout, fence: Fence, **changes: Any) -> Rollout:
        """The row with these changes. Raises: Conflict: somebody else wrote it since, or leads."""
        changed = replace(rollout, **changes)
        return self._rollouts.save(changed, expected_revision=rollout.revision, fence=fence)

    def record(self, rollout: Rollout, epoch: int, evidence: Evidence | None, verdict: Verdict, fence: Fence) -> None:
        """A decision, with everything that it was made from. Raises: Conflict: another process leads."""
        decision = Decision(
            id=new_id("decision"),
            rollout_id=rollout.id,
            at=self._clock.now(),
            actor=ACTOR,
            epoch=epoch,
            action=verdict.action,
            state=plain(rollout),
            evidence=evidence.as_dict() if evidence is not None else {},
            verdict=verdict.as_dict(),
        )
        self._rollouts.record(decision, fence)
