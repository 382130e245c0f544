"""What people may ask of rollouts: start, look, pause, resume, promote, abort, take back. Each wish is one write.

A wish changes the rollout's row and leaves a decision with the actor's name; the controller, in whichever server leads,
does the rest. Only what must not wait is done here: an abort and a roll back take the candidates' traffic away at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ab_testing.drafts import Drafts, ModelAliases
from ab_testing.plan import candidate_percent
from ab_testing.policy import Policy
from ab_testing.ramps import ramp_of
from ab_testing.resuming import resumed
from ab_testing.router import Router
from ab_testing.wishes import Wishes
from ecosight.clock import iso
from ecosight.config import Config
from ecosight.errors import NotFound, Refused
from ecosight.ports import Clock
from ecosight.rollouts import Rollout, RolloutState
from ecosight.state.documents import plain
from ecosight.state.incidents import Incidents
from ecosight.state.rollouts import RolloutStore
from ecosight.state.routings import RoutingStore
from ecosight.text import one_line
from ecosight.values import ModelRef

__all__ = ["ModelAliases", "RolloutService"]

JUST_S = 60.0
"""So long after a candidate went, a wish to roll back is taken for one that came too late: two people saw the same
alarm, or a client asked again because the answer was lost."""


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
        self._rollouts, self._routings, self._clock = rollouts, routings, clock
        self._wishes = Wishes(rollouts, routings, clock)
        self._drafts = Drafts(rollouts=rollouts, incidents=incidents, registry=registry, clock=clock, config=config)

    # -- wishes -------------------------------------------------------------------------------------

    def draft(
        self,
        *,
        candidate: str | Sequence[str],
        strategy: str = "canary",
        policy: Mapping[str, Any] | None = None,
        actor: str,
        automatic: bool = False,
    ) -> Rollout:
        """The rollout that ``start`` would begin; changes nothing. Raises: what ``start`` raises."""
        return self._drafts.of_start(
            candidate=candidate, strategy=strategy, policy=policy, actor=actor, automatic=automatic
        )

    def start(
        self,
        *,
        candidate: str | Sequence[str],
        strategy: str = "canary",
        policy: Mapping[str, Any] | None = None,
        actor: str,
        automatic: bool = False,
    ) -> Rollout:
        """Begin a rollout of one candidate, or of several side by side.

        Args:
            candidate: a version (``3``), an alias (``challenger``) or a ``models:/`` URI.
            policy: differences from the configuration, such as ``{"steps": [10, 100]}``.
            automatic: no person asks for it: a candidate that was taken back before, and unlatched, has to wait; longer
                each time.
        Raises: NoModel: nothing is champion yet. NotFound: no such candidate. Conflict: another one is under way.
            Refused: the candidate was taken back before, and nobody unlatched it, or it has to wait. InvalidInput: the
            policy has faults.
        """
        rollout = self.draft(candidate=candidate, strategy=strategy, policy=policy, actor=actor, automatic=automatic)
        self._rollouts.add(rollout)
        models = ", ".join(map(str, rollout.candidates.values()))
        self._wishes.note(rollout, "start", rollout.actor, f"{strategy} of {models} against {rollout.champion}")
        return rollout

    # Each of these raises in a dry run what it would raise, changes nothing, and returns the row as it would be.

    def pause(self, rollout_id: str | None = None, *, actor: str, why: str = "", dry_run: bool = False) -> Rollout:
        """Keep the weights as they are; triggers still take a bad candidate back."""
        actor, why = one_line(actor), one_line(why)
        allowed: tuple[RolloutState, ...] = ("preparing", "running")
        return self._wishes.wish(rollout_id, "pause", allowed, "paused", actor, why, dry_run=dry_run)

    def resume(
        self,
        rollout_id: str | None = None,
        *,
        actor: str,
        why: str = "",
        policy: Mapping[str, Any] | None = None,
        dry_run: bool = False,
    ) -> Rollout:
        """Go on after a pause; the stage's minimum time counts from now.

        Args:
            policy: new limits from here on, such as ``{"max_exposed_keys": 2000}``.
        Raises: Refused: the blast radius is spent, and no new limit allows more; or what would change is frozen.
        """

        def changes(rollout: Rollout) -> Mapping[str, Any]:
            return resumed(rollout, policy or {}, self._wishes.newest_evidence(rollout), self._clock.now())

        rollout = self._wishes.one(rollout_id)
        differences = ", ".join(f"{name}={value}" for name, value in (policy or {}).items())
        said = "; ".join(part for part in (one_line(why), differences) if part)
        by = one_line(actor)
        return self._wishes.wish(rollout.id, "resume", ("paused",), "running", by, said, changes, dry_run=dry_run)

    def promote(self, rollout_id: str | None = None, *, actor: str, why: str = "", dry_run: bool = False) -> Rollout:
        """Let the candidate in now, whatever the evidence says; the actor answers for it.

        Raises: Refused: there are several candidates, so it is not clear which.
        """
        actor, why = one_line(actor), one_line(why)
        rollout = self._wishes.one(rollout_id)
        if len(rollout.candidates) > 1:
            raise Refused("this rollout has several candidates", hint="Abort it, and roll out the one you want.")
        allowed: tuple[RolloutState, ...] = ("preparing", "running", "paused")
        return self._wishes.wish(rollout.id, "promote", allowed, "promoting", actor, why, dry_run=dry_run)

    def abort(self, rollout_id: str | None = None, *, actor: str, why: str = "", dry_run: bool = False) -> Rollout:
        """End it without a verdict about the candidate: the champion answers everything at once."""
        actor, why = one_line(actor), one_line(why)
        allowed: tuple[RolloutState, ...] = ("preparing", "running", "paused")
        outcome = f"aborted by {actor}" + (f": {why}" if why else "")
        ended = {"finished_at": self._clock.now(), "outcome": outcome}
        rollout = self._wishes.wish(
            rollout_id, "abort", allowed, "aborted", actor, why, lambda _: ended, dry_run=dry_run
        )
        if not dry_run:
            self._wishes.take_traffic_back(rollout, actor, outcome)
        return rollout

    def roll_back(self, *, actor: str, why: str = "", by_degrees: bool = False, dry_run: bool = False) -> Rollout:
        """Take the candidate back with an incident; with no rollout under way, the champion itself, for the one before.

        One that goes back by degrees already goes back at once when it is asked for again.

        Args:
            by_degrees: as its policy says (``rollback_ramp``), else in equal parts, instead of at once. One that no
                client meets yet, or a shadow, has no degrees and goes at once.
        Raises: NotFound: there is no model to go back to. Refused: by degrees, where no rollout is under way; the
            champion before was taken back itself, and nobody unlatched it; or a candidate went within the last minute,
            so that a second wish for the same would meet the good champion.
        """
        actor, why = one_line(actor), one_line(why)
        rollout = self._rollouts.active()
        if by_degrees and (rollout is None or rollout.state == "promoting"):
            raise Refused(
                "only a candidate that answers beside the champion can go back by degrees",
                hint="Leave --gradual out: the way back is then taken at once.",
            )
        if rollout is None:
            return self._back_to_previous(actor, why, dry_run=dry_run)
        if rollout.state == "rolling_back" and (by_degrees or not rollout.way_back):
            return rollout
        allowed: tuple[RolloutState, ...] = ("preparing", "running", "paused")
        if not by_degrees:
            allowed += ("promoting", "rolling_back")
        outcome = why or f"taken back by {actor}"
        rollout = self._wishes.wish(
            rollout.id,
            "roll_back",
            allowed,
            "rolling_back",
            actor,
            why,
            lambda row: {"outcome": outcome, "way_back": self._way_back(row) if by_degrees else {}},
            dry_run=dry_run,
        )
        if not rollout.way_back and not dry_run:
            self._wishes.take_traffic_back(rollout, actor, f"taken back: {why}" if why else "taken back")
        return rollout

    # -- looking ------------------------------------------------------------------------------------

    def status(self, rollout_id: str | None = None) -> dict[str, Any]:
        """The rollout (None: the newest), who answers now, and the last decision that was made from evidence.

        Raises: NotFound: there is no such rollout, or there never was one.
        """
        rollout = self._wishes.one(rollout_id, finished=True)
        decision = self._wishes.newest_weighed(rollout)
        routing = self._routings.current()
        return {
            "rollout": plain(rollout),
            "routing": plain(routing) if routing is not None else None,
            "last_decision": plain(decision) if decision is not None else None,
        }

    def list(self, limit: int = 20) -> list[Rollout]:
        """Newest first."""
        return self._rollouts.list(limit)

    def live_at(self, moment: datetime | None = None, key: str | None = None) -> dict[str, Any]:
        """Who answered then: the routing, and for a key its arm and model.

        Args:
            moment: None: now, also where the clock that the newest routing was written by was ahead of this one.
        Raises: NotFound: the routing history does not reach back so far.
        """
        at = iso(self._clock.now() if moment is None else moment)
        routing = self._routings.current() if moment is None else self._routings.at(moment)
        if routing is None:
            begins = "later" if self._routings.current() is not None else "with the first server: `ecosight serve`"
            raise NotFound(f"nothing is known of {at}", hint=f"The routing history begins {begins}.")
        told: dict[str, Any] = {"at": at, "routing": plain(routing)}
        if key is not None:
            arm = Router(routing).assign(key)
            told |= {"key": key, "arm": arm.name, "model": plain(arm.model)}
        return told

    def model(self, name: str) -> ModelRef:
        """The model behind a version, an alias or a URI. Raises: NotFound, InvalidInput."""
        return self._drafts.model(name)

    # -- how ----------------------------------------------------------------------------------------

    def _way_back(self, rollout: Rollout) -> Mapping[str, Any]:
        """The row's way back by degrees; none where no client meets a candidate."""
        current = self._routings.current()
        percent = candidate_percent(current) if current is not None and current.rollout_id == rollout.id else 0.0
        policy = Policy.from_dict(rollout.policy)
        mode = "gradual" if policy.rollback_ramp == "immediate" else policy.rollback_ramp
        return ramp_of(policy, percent, mode=mode).as_dict() if percent else {}

    def _back_to_previous(self, actor: str, why: str, *, dry_run: bool) -> Rollout:
        rollout = self._drafts.of_way_back(actor=actor, why=why)
        self._require_nobody_just_went()
        if dry_run:
            return rollout
        self._rollouts.add(rollout)
        self._wishes.note(rollout, "roll_back", actor, why)
        return rollout

    def _require_nobody_just_went(self) -> None:
        newest = next(iter(self._rollouts.list(1)), None)
        if newest is None or newest.finished_at is None or newest.state not in ("rolled_back", "aborted"):
            return
        if abs((self._clock.now() - newest.finished_at).total_seconds()) < JUST_S:
            went = ", ".join(str(model) for model in newest.candidates.values())
            raise Refused(
                f"{went} went just now, and {newest.champion} answers everything",
                hint=f"If {newest.champion} is to be taken back as well, ask again in a minute.",
            )
