"""What people may ask of rollouts: start, look, pause, resume, promote, abort, take back. Each wish is one write.

A wish changes the rollout's row and leaves a decision with the actor's name; the controller, in whichever server leads,
does the rest. Only what must not wait is done here: an abort and a roll back take the candidates' traffic away at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from ab_testing.plan import after_abort, next_routing
from ab_testing.policy import Policy
from ab_testing.router import Router
from ab_testing.strategies import load_strategy
from ecosight.clock import iso
from ecosight.config import Config
from ecosight.errors import Conflict, NoModel, NotFound, Refused
from ecosight.ids import new_id
from ecosight.ports import Clock
from ecosight.rollouts import CANDIDATE, Decision, Rollout, RolloutState
from ecosight.state.documents import plain
from ecosight.state.incidents import Incidents
from ecosight.state.rollouts import RolloutStore
from ecosight.state.routings import RoutingStore
from ecosight.values import ModelRef

__all__ = ["ModelAliases", "RolloutService"]

_TRIES = 20


class ModelAliases(Protocol):
    """The registry, as rollouts use it."""

    def alias(self, name: str) -> ModelRef | None: ...
    def get(self, version: str | int) -> ModelRef: ...
    def resolve(self, uri: str) -> ModelRef: ...
    def set_alias(self, name: str, ref: ModelRef, *, by: str = ..., why: str = ...) -> None: ...
    def remove_alias(self, name: str) -> None: ...


class RolloutService:
    """Thread-safe, and safe across processes: every write is compare-and-set."""

    def __init__(
        self,
        *,
        rollouts: RolloutStore,
        routings: RoutingStore,
        incidents: Incidents,
        registry: ModelAliases,
        clock: Clock,
        config: Config,
    ) -> None:
        self._rollouts, self._routings, self._incidents = rollouts, routings, incidents
        self._registry, self._clock, self._config = registry, clock, config

    # -- wishes -------------------------------------------------------------------------------------

    def start(
        self,
        *,
        candidate: str | Sequence[str],
        strategy: str = "canary",
        policy: Mapping[str, Any] | None = None,
        actor: str,
    ) -> Rollout:
        """Begin a rollout of one candidate, or of several side by side.

        Args:
            candidate: a version (``3``), an alias (``challenger``) or a ``models:/`` URI.
            policy: differences from the configuration, such as ``{"steps": [10, 100]}``.
        Raises: NoModel: nothing is champion yet. NotFound: no such candidate. Conflict: another one is under way.
            Refused: the candidate was taken back before, and nobody unlatched it. InvalidInput: the policy has faults.
        """
        champion = self._registry.alias("champion")
        if champion is None:
            raise NoModel("no model is champion yet, so there is nothing to compare with", hint="`ecosight train`.")
        named = [candidate] if isinstance(candidate, str) else list(candidate)
        models = [self.model(name) for name in named]
        for model in models:
            self._check_latch(model)
        arms = {CANDIDATE if number == 1 else f"{CANDIDATE}-{number}": model for number, model in enumerate(models, 1)}
        load_strategy(strategy)
        settled = Policy.from_config(self._config, **{**(policy or {}), "strategy": strategy})
        now = self._clock.now()
        rollout = Rollout(
            id=new_id("rollout"),
            strategy=strategy,
            policy=settled.as_dict(),
            champion=champion,
            candidates=arms,
            state="preparing",
            actor=actor,
            started_at=now,
            stage_since=now,
        )
        self._rollouts.add(rollout)
        self._note(rollout, "start", actor, f"{strategy} of {', '.join(map(str, models))} against {champion}")
        return rollout

    def pause(self, rollout_id: str | None = None, *, actor: str, why: str = "") -> Rollout:
        """Keep the weights as they are; triggers still take a bad candidate back."""
        return self._wish(rollout_id, "pause", ("preparing", "running"), "paused", actor, why)

    def resume(self, rollout_id: str | None = None, *, actor: str, why: str = "") -> Rollout:
        """Go on after a pause; the stage's minimum time counts from now."""
        rollout = self._one(rollout_id)
        to: RolloutState = "running" if rollout.stage else "preparing"
        return self._wish(rollout.id, "resume", ("paused",), to, actor, why, stage_since=self._clock.now(), outcome="")

    def promote(self, rollout_id: str | None = None, *, actor: str, why: str = "") -> Rollout:
        """Let the candidate in now, whatever the evidence says; the actor answers for it.

        Raises: Refused: there are several candidates, so it is not clear which.
        """
        rollout = self._one(rollout_id)
        if len(rollout.candidates) > 1:
            raise Refused("this rollout has several candidates", hint="Abort it, and roll out the one you want.")
        return self._wish(rollout.id, "promote", ("preparing", "running", "paused"), "promoting", actor, why)

    def abort(self, rollout_id: str | None = None, *, actor: str, why: str = "") -> Rollout:
        """End it without a verdict about the candidate: the champion answers everything at once."""
        allowed: tuple[RolloutState, ...] = ("preparing", "running", "paused")
        outcome = f"aborted by {actor}" + (f": {why}" if why else "")
        now = self._clock.now()
        rollout = self._wish(rollout_id, "abort", allowed, "aborted", actor, why, finished_at=now, outcome=outcome)
        self._take_traffic_back(rollout, actor, outcome)
        return rollout

    def roll_back(self, *, actor: str, why: str = "") -> Rollout:
        """Take the candidate back with an incident; with no rollout under way, the champion itself, for the one before.

        Raises: NotFound: there is no model to go back to.
        """
        rollout = self._rollouts.active()
        if rollout is None:
            return self._back_to_previous(actor, why)
        if rollout.state == "rolling_back":
            return rollout
        allowed: tuple[RolloutState, ...] = ("preparing", "running", "paused", "promoting")
        rollout = self._wish(
            rollout.id, "roll_back", allowed, "rolling_back", actor, why, outcome=why or f"taken back by {actor}"
        )
        self._take_traffic_back(rollout, actor, f"taken back: {why}" if why else "taken back")
        return rollout

    # -- looking ------------------------------------------------------------------------------------

    def status(self, rollout_id: str | None = None) -> dict[str, Any]:
        """The rollout, who answers now, and the last decision with its evidence; the newest where no id is given.

        Raises: NotFound: there is no such rollout, or there never was one.
        """
        rollout = self._one(rollout_id, finished=True)
        decisions = self._rollouts.decisions(rollout.id, limit=1)
        routing = self._routings.current()
        return {
            "rollout": plain(rollout),
            "routing": plain(routing) if routing is not None else None,
            "last_decision": plain(decisions[0]) if decisions else None,
        }

    def list(self, limit: int = 20) -> list[Rollout]:
        """Newest first."""
        return self._rollouts.list(limit)

    def live_at(self, moment: datetime, key: str | None = None) -> dict[str, Any]:
        """Who answered then: the routing, and for a key its arm and model.

        Raises: NotFound: the routing history does not reach back so far.
        """
        routing = self._routings.at(moment)
        if routing is None:
            raise NotFound(f"nothing is known of {iso(moment)}", hint="The routing history begins later.")
        told: dict[str, Any] = {"at": iso(moment), "routing": plain(routing)}
        if key is not None:
            arm = Router(routing).assign(key)
            told |= {"key": key, "arm": arm.name, "model": plain(arm.model)}
        return told

    def model(self, name: str) -> ModelRef:
        """The model behind a version, an alias or a URI. Raises: NotFound, InvalidInput."""
        if name.startswith("models:/"):
            return self._registry.resolve(name)
        version = name.rpartition("/")[2]
        if version.isdecimal():
            return self._registry.get(version)
        found = self._registry.alias(name)
        if found is None:
            raise NotFound(f"no model is {name!r}", hint="Give a version number, an alias, or models:/NAME/VERSION.")
        return found

    # -- how ----------------------------------------------------------------------------------------

    def _wish(
        self,
        rollout_id: str | None,
        action: str,
        allowed: tuple[RolloutState, ...],
        to: RolloutState,
        actor: str,
        why: str,
        **changes: Any,
    ) -> Rollout:
        for _ in range(_TRIES):
            rollout = self._one(rollout_id)
            if rollout.state not in allowed:
                raise Conflict(
                    f"rollout {rollout.id} is {rollout.state}, so it cannot {action.replace('_', ' ')}",
                    hint=f"That is possible while it is {' or '.join(allowed)}.",
                    rollout_id=rollout.id,
                    state=rollout.state,
                )
            try:
                saved = self._rollouts.save(replace(rollout, state=to, **changes), expected_revision=rollout.revision)
            except Conflict:  # the controller wrote in between: look again
                continue
            self._note(rollout, action, actor, why)
            return saved
        raise Conflict(f"rollout {rollout_id} changes too quickly to {action}", hint="Try again.")

    def _one(self, rollout_id: str | None, *, finished: bool = False) -> Rollout:
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

    def _check_latch(self, model: ModelRef) -> None:
        latched = self._incidents.latched(model.digest)
        if latched is not None:
            raise Refused(
                f"{model} was taken back ({latched.trigger.get('name', 'by hand')}, incident {latched.id})",
                hint=f"A person has to unlatch it first: ecosight rollback unlatch {latched.id}",
                incident_id=latched.id,
            )

    def _take_traffic_back(self, rollout: Rollout, actor: str, why: str) -> None:
        """The controller would do the same a second later."""
        for _ in range(_TRIES):
            current = self._routings.current()
            if current is None or current.rollout_id != rollout.id:
                return
            plan = after_abort(rollout)
            if self._routings.move(next_routing(current, plan, at=self._clock.now(), actor=actor, why=why)):
                return

    def _back_to_previous(self, actor: str, why: str) -> Rollout:
        champion, previous = self._registry.alias("champion"), self._registry.alias("previous")
        if champion is None or previous is None or previous.digest == champion.digest:
            raise NotFound("there is no earlier champion to go back to", hint="The alias `previous` names it.")
        now = self._clock.now()
        policy = Policy.from_config(self._config, strategy="fixed")
        rollout = Rollout(
            id=new_id("rollout"),
            strategy="fixed",
            policy=policy.as_dict(),
            champion=previous,
            candidates={CANDIDATE: champion},
            state="rolling_back",
            actor=actor,
            started_at=now,
            stage_since=now,
            outcome=why or f"taken back by {actor}",
        )
        self._rollouts.add(rollout)
        self._note(rollout, "roll_back", actor, why)
        return rollout

    def _note(self, rollout: Rollout, action: str, actor: str, why: str) -> None:
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
