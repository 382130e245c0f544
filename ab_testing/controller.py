"""Leads rollouts: once a second, in one server at a time, looks at the evidence, decides, and moves the routing.

Everything it knows is in rows: the rollout, the newest routing, the exposures. So any server may lead, and one that
takes over goes on at whatever step the rows show. Each write carries the leader's fence: a leader that was away for too
long writes nothing any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from ab_testing import plan
from ab_testing.evidence import Evidence
from ab_testing.folding import EvidenceFold
from ab_testing.health import Health
from ab_testing.policy import Policy
from ab_testing.replaying import judge
from ab_testing.service import ModelAliases
from ab_testing.stats.quantiles import freeze_threshold_ms
from ab_testing.strategies import load_strategy
from ab_testing.verdicts import Verdict
from ecosight.errors import Conflict, EcosightError
from ecosight.ids import new_id
from ecosight.logs import get_logger
from ecosight.ports import Clock
from ecosight.rollouts import Decision, Rollout, Routing, ServerReport
from ecosight.state.documents import plain
from ecosight.state.exposures import Exposures, TruthCursor
from ecosight.state.leadership import Fence, Leadership
from ecosight.state.rollouts import RolloutStore
from ecosight.state.routings import RoutingStore
from ecosight.state.servers import Servers
from ecosight.values import ModelRef

__all__ = ["RollbackRunner", "RolloutController"]

CheckHealth = Callable[[Rollout, Evidence], Health]
RECORD_EVERY_S = 60.0
"""A decision to hold is recorded this often, and whenever its reason changes."""
ACTOR = "controller"


class RollbackRunner(Protocol):
    """Takes a model back after its traffic is gone: restores, verifies, alerts, reports."""

    def __call__(self, rollout: Rollout) -> bool:
        """Go on with the process of this rollout; called again until it returns True. Each step happens once."""
        ...


class RolloutController:
    """A background task of every server; at any time one of them leads.

    Args:
        check_health: the triggers, a pure function.
        roll_back: runs the process behind a roll back.
        every_s: seconds between two looks.
    """

    def __init__(
        self,
        *,
        leadership: Leadership,
        rollouts: RolloutStore,
        routings: RoutingStore,
        exposures: Exposures,
        servers: Servers,
        registry: ModelAliases,
        clock: Clock,
        check_health: CheckHealth,
        roll_back: RollbackRunner,
        every_s: float = 1.0,
    ) -> None:
        self._leadership, self._rollouts, self._routings = leadership, rollouts, routings
        self._exposures, self._servers, self._registry = exposures, servers, registry
        self._clock, self._check_health, self._roll_back = clock, check_health, roll_back
        self._every_s = every_s
        self._watched: _Watched | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollout-controller", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the step that is under way, and let another server lead at once."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._leadership.resign()

    def tick(self) -> bool:
        """Look once. Returns: whether this process leads. Raises: Unavailable: the database is away."""
        fence = self._leadership.try_lead()
        if fence is None:
            self._watched = None
            return False
        rollout = self._rollouts.active()
        if rollout is None:
            self._watched = None
            self._keep_history(fence)
            return True
        step = {"promoting": self._promote, "rolling_back": self._take_back}.get(rollout.state, self._watch)
        step(rollout, fence)
        return True

    def _run(self) -> None:
        log, silent = get_logger("rollouts"), False
        while not self._stop.is_set():
            try:
                self.tick()
                silent = False
            except Conflict:  # somebody else wrote in between: the next look sees it
                pass
            except EcosightError as error:
                if not silent:
                    log.warning("rollouts stand still", error=error.message)
                silent = True
            except Exception:
                log.exception("rollout controller failed")
            self._stop.wait(self._every_s)

    # -- no rollout ---------------------------------------------------------------------------------

    def _keep_history(self, fence: Fence) -> None:
        """Let the routing say whom the alias names, so that the history knows who was live when."""
        champion = self._registry.alias("champion")
        if champion is None:
            return
        current = self._routings.current()
        if current is not None and current.rollout_id and not self._window_is_over(current, champion):
            return
        self._move(current, plan.steady(champion), fence, why=f"{champion} is champion")

    def _window_is_over(self, current: Routing, champion: ModelRef) -> bool:
        """Whether the way back need not be kept warm any more after a rollout."""
        rollout = self._rollouts.get(current.rollout_id)
        if rollout is None or current.arms[0].model != champion:  # the alias moved on by other hands
            return True
        window_s = Policy.from_dict(rollout.policy).rollback_window_s if rollout.state == "promoted" else 0.0
        return self._age_s(current.made_at) >= window_s

    # -- under way ----------------------------------------------------------------------------------

    def _watch(self, rollout: Rollout, fence: Fence) -> None:
        strategy = load_strategy(rollout.strategy)
        routing = self._move(
            self._routings.current(), plan.planned(rollout, strategy), fence, why=f"stage {rollout.stage}"
        )
        servers = self._servers.live(self._clock.now())
        evidence = self._evidence(rollout, routing, servers)
        if rollout.state == "preparing" and not self._check_health(rollout, evidence).trips:
            self._prepare(rollout, routing, servers, fence)
            return
        verdict = judge(rollout, evidence, self._check_health)
        self._note(rollout, routing.epoch, evidence, verdict)
        self._act(rollout, verdict, fence)

    def _prepare(self, rollout: Rollout, routing: Routing, servers: list[ServerReport], fence: Fence) -> None:
        """Wait until every server holds every arm, and until the control's latency of normal days is known."""
        for model in rollout.candidates.values():
            if len(rollout.candidates) == 1 and self._registry.alias("challenger") != model:
                self._registry.set_alias("challenger", model, by=ACTOR, why=f"rollout {rollout.id}")
        if not servers or not all(_is_ready(server, routing) for server in servers):
            return
        policy = Policy.from_dict(rollout.policy)
        reference = self._watching(rollout).fold.reference_histogram()
        enough = reference.count >= policy.reference_requests
        if enough or self._age_s(rollout.started_at) >= policy.reference_max_s:
            self._save(
                rollout,
                fence,
                state="running",
                stage=1,
                stage_since=self._clock.now(),
                threshold_ms=freeze_threshold_ms(reference, min_reference=1) if enough and reference.count else None,
            )

    def _act(self, rollout: Rollout, verdict: Verdict, fence: Fence) -> None:
        now = self._clock.now()
        match verdict.action:
            case "advance":
                self._save(rollout, fence, stage=rollout.stage + 1, stage_since=now, weights=verdict.weights)
            case "promote":
                self._save(rollout, fence, state="promoting", outcome=verdict.reason)
            case "pause":
                self._save(rollout, fence, state="paused", outcome=verdict.reason)
            case "roll_back":
                saved = self._save(rollout, fence, state="rolling_back", outcome=verdict.reason)
                self._take_back(saved, fence)
            case _:
                pass

    def _evidence(self, rollout: Rollout, routing: Routing, servers: list[ServerReport]) -> Evidence:
        watched = self._watching(rollout)
        watched.read(self._exposures)
        watched.fold.set_routings(self._routings.history(rollout.id))
        return watched.fold.snapshot(self._clock.now(), servers, routing.epoch)

    def _watching(self, rollout: Rollout) -> _Watched:
        if self._watched is None or self._watched.rollout_id != rollout.id:
            self._watched = _Watched(rollout)
        self._watched.fold.rollout = rollout
        return self._watched

    # -- its ends -----------------------------------------------------------------------------------

    def _promote(self, rollout: Rollout, fence: Fence) -> None:
        """Two phases: every server holds the new champion warm; then the epoch moves, the aliases, and the row."""
        strategy = load_strategy(rollout.strategy)
        (model,) = rollout.candidates.values()
        routing = self._routings.current()
        if routing is None or routing.arms[0].model != model:
            routing = self._move(routing, plan.planned(rollout, strategy), fence, why=f"{model} gets ready to lead")
            servers = self._servers.live(self._clock.now())
            if any(server.loaded.get(model.digest) == "failed" for server in servers):
                why = f"{model} cannot be loaded as champion"
                self._take_back(self._save(rollout, fence, state="rolling_back", outcome=why), fence)
                return
            if not servers or not all(server.loaded.get(model.digest) == "ready" for server in servers):
                return
        routing = self._move(routing, plan.after_promotion(rollout), fence, why=f"{model} is promoted")
        self._point_aliases(model, f"rollout {rollout.id}: {rollout.outcome or 'promoted by hand'}")
        outcome = rollout.outcome or f"{model} was promoted"
        self._save(rollout, fence, state="promoted", finished_at=self._clock.now(), outcome=outcome)

    def _take_back(self, rollout: Rollout, fence: Fence) -> None:
        """The traffic first; then the alias; then what takes time."""
        self._move(self._routings.current(), plan.after_abort(rollout), fence, why=rollout.outcome or "taken back")
        self._point_aliases(rollout.champion, f"rollout {rollout.id} was taken back: {rollout.outcome}")
        if self._roll_back(rollout):
            self._save(rollout, fence, state="rolled_back", finished_at=self._clock.now())

    def _point_aliases(self, champion: ModelRef, why: str) -> None:
        if self._registry.alias("champion") != champion:
            self._registry.set_alias("champion", champion, by=ACTOR, why=why)
        self._registry.remove_alias("challenger")

    # -- writing ------------------------------------------------------------------------------------

    def _move(self, current: Routing | None, wanted: plan.Plan, fence: Fence, *, why: str) -> Routing:
        """The routing that says what the plan wants. Raises: Conflict: another wrote an epoch, or leads."""
        if current is not None and plan.is_in_force(wanted, current):
            return current
        routing = plan.next_routing(current, wanted, at=self._clock.now(), actor=ACTOR, why=why)
        if not self._routings.move(routing, fence=fence):
            raise Conflict(f"epoch {routing.epoch} was written by another", hint="It is looked at again.")
        get_logger("rollouts").info(
            "routing moved", epoch=routing.epoch, why=why, arms={arm.name: arm.weight for arm in routing.arms}
        )
        return routing

    def _save(self, rollout: Rollout, fence: Fence, **changes: Any) -> Rollout:
        changed = replace(rollout, **changes)
        return self._rollouts.save(changed, expected_revision=rollout.revision, fence=fence)

    def _note(self, rollout: Rollout, epoch: int, evidence: Evidence, verdict: Verdict) -> None:
        now = self._clock.now()
        watched = self._watching(rollout)
        said = (verdict.action, verdict.reason)
        if verdict.action == "hold" and said == watched.said and self._age_s(watched.said_at) < RECORD_EVERY_S:
            return
        watched.said, watched.said_at = said, now
        self._rollouts.record(
            Decision(
                id=new_id("decision"),
                rollout_id=rollout.id,
                at=now,
                actor=ACTOR,
                epoch=epoch,
                action=verdict.action,
                state=plain(rollout),
                evidence=evidence.as_dict(),
                verdict=verdict.as_dict(),
            )
        )

    def _age_s(self, moment: datetime | None) -> float:
        return (self._clock.now() - moment).total_seconds() if moment is not None else float("inf")


class _Watched:
    """What was read of one rollout so far; a new leader reads it from the beginning."""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout_id = rollout.id
        self.fold = EvidenceFold(rollout)
        self.said: tuple[str, str] | None = None
        self.said_at: datetime | None = None
        self._cursor = 0
        self._truth_cursor: TruthCursor | None = None

    def read(self, exposures: Exposures) -> None:
        while True:
            before = self._cursor
            rows, self._cursor = exposures.since(self.rollout_id, before)
            self.fold.add(rows)
            if self._cursor == before:
                break
        truths, self._truth_cursor = exposures.truths_since(self.rollout_id, self._truth_cursor)
        self.fold.add_truths(truths)


def _is_ready(server: ServerReport, routing: Routing) -> bool:
    """Whether a server follows this routing and holds all of its isolated arms."""
    wanted = [arm.name for arm in routing.arms if arm.isolated]
    return server.epoch == routing.epoch and all(server.arms.get(name, {}).get("state") == "ready" for name in wanted)
