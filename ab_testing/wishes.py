"""How a wish is written: one compare-and-set on the rollout's row, tried again when the controller wrote in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ab_testing.evidence import Evidence
from ab_testing.plan import after_abort, next_routing
from ecosight.errors import Conflict, NotFound
from ecosight.ids import new_id
from ecosight.ports import Clock
from ecosight.rollouts import Decision, Rollout, RolloutState
from ecosight.state.documents import plain
from ecosight.state.rollouts import RolloutStore
from ecosight.state.routings import RoutingStore

__all__ = ["Changes", "Wishes"]

_TRIES = 20
_LOOK_BACK = 50
"""Decisions of people carry no evidence; so many are looked through for one that does."""
Changes = Callable[[Rollout], Mapping[str, Any]]
"""What else changes in the row, of the row as it is when it is written."""


class Wishes:
    """Writes rows, decisions of people, and what must not wait. Thread-safe, and safe across processes."""

    def __init__(self, rollouts: RolloutStore, routings: RoutingStore, clock: Clock) -> None:
        self._rollouts, self._routings, self._clock = rollouts, routings, clock

    def wish(
        self,
        rollout_id: str | None,
        action: str,
        allowed: tuple[RolloutState, ...],
        to: RolloutState,
        actor: str,
        why: str,
        changes: Changes = lambda _: {},
        *,
        dry_run: bool = False,
    ) -> Rollout:
        """Bring the row to a state, if it is in one of those that allow it, and note who wished so.

        Returns: the row as it is then, or would be.
        Raises: NotFound; Conflict: not in this state; what ``changes`` raises.
        """
        for _ in range(_TRIES):
            rollout = self.one(rollout_id)
            if rollout.state not in allowed:
                state, verb = rollout.state.replace("_", " "), action.replace("_", " ")
                raise Conflict(
                    f"rollout {rollout.id} is {state}, so it cannot {verb}",
                    hint=f"That is possible while it is {' or '.join(allowed).replace('_', ' ')}.",
                    rollout_id=rollout.id,
                    state=rollout.state,
                )
            wanted = replace(rollout, **{"state": to, **changes(rollout)})
            if dry_run:
                return wanted
            try:
                saved = self._rollouts.save(wanted, expected_revision=rollout.revision)
            except Conflict:  # the controller wrote in between: look again
                continue
            self.note(rollout, action, actor, why)
            return saved
        raise Conflict(f"rollout {rollout_id} changes too quickly to {action}", hint="Try again.")

    def one(self, rollout_id: str | None, *, finished: bool = False) -> Rollout:
        """A rollout; without an id the one under way, and where ``finished`` allows it the newest. Raises: NotFound."""
        if rollout_id is not None:
            found = self._rollouts.get(rollout_id)
            if found is None:
                raise NotFound(f"there is no rollout {rollout_id!r}", hint="`ecosight rollout list` shows them.")
            return found
        active = self._rollouts.active()
        if active is None and finished:
            active = next(iter(self._rollouts.list(1)), None)
        if active is None:
            raise NotFound("no rollout is under way", hint="`ecosight rollout start --candidate VERSION` begins one.")
        return active

    def newest_evidence(self, rollout: Rollout) -> Evidence | None:
        """What the controller last decided from; None: nothing was decided yet."""
        decision = self.newest_weighed(rollout)
        return Evidence.from_dict(decision.evidence) if decision is not None else None

    def newest_weighed(self, rollout: Rollout) -> Decision | None:
        """The last decision that was made from evidence; None: there is none yet."""
        return next((each for each in self._rollouts.decisions(rollout.id, _LOOK_BACK) if each.evidence), None)

    def take_traffic_back(self, rollout: Rollout, actor: str, why: str) -> None:
        """The controller would do the same a second later."""
        for _ in range(_TRIES):
            current = self._routings.current()
            if current is None or current.rollout_id != rollout.id:
                return
            plan = after_abort(rollout)
            if self._routings.move(next_routing(current, plan, at=self._clock.now(), actor=actor, why=why)):
                return

    def note(self, rollout: Rollout, action: str, actor: str, why: str) -> None:
        """The audit trail: what a person decided, and the row that they saw."""
        current = self._routings.current()
        self._rollouts.record(
            Decision(
                id=new_id("decision"),
                rollout_id=rollout.id,
                at=self._clock.now(),
                actor=actor,
                epoch=current.epoch if current is not None else 0,
                action=action,
                state=plain(rollout),
                evidence={},
                verdict={"action": action, "reason": why},
            )
        )
