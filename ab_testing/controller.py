"""Leads rollouts: once a second, in one server at a time, looks at the evidence, decides, and moves the routing.

Everything it knows is in rows: the rollout, the newest routing, the exposures. So any server may lead, and one that
takes over goes on at whatever step the rows show. Each write carries the leader's fence: a leader that was away for too
long writes nothing any more.
"""

from __future__ import annotations

import threading
from typing import Any

from ab_testing import plan
from ab_testing.between import Between
from ab_testing.drafts import ModelAliases
from ab_testing.endings import Endings, RollbackRunner
from ab_testing.policy import Policy
from ab_testing.ramps import ramp_of
from ab_testing.replaying import CheckHealth, is_hard, judge
from ab_testing.stats.histogram import LatencyHistogram
from ab_testing.stats.quantiles import freeze_threshold_ms
from ab_testing.steering import ACTOR, Steering
from ab_testing.strategies import load_strategy
from ab_testing.verdicts import Verdict
from ab_testing.watching import Watch
from ecosight.errors import Conflict, EcosightError
from ecosight.logs import get_logger
from ecosight.ports import Clock
from ecosight.rollouts import CONTROL, Rollout, Routing, ServerReport
from ecosight.state.exposures import Exposures
from ecosight.state.leadership import Fence, Leadership
from ecosight.state.rollouts import RolloutStore, Unchanged
from ecosight.state.routings import RoutingStore
from ecosight.state.servers import Servers

__all__ = ["RollbackRunner", "RolloutController"]

KEEP_EXPOSURES_DAYS = 30.0


class RolloutController:
    """A background task of every server; at any time one of them leads.

    Args:
        check_health: the triggers, a pure function.
        roll_back: runs the process behind a roll back.
        keep_exposures_days: older ones of finished rollouts are deleted.
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
        keep_exposures_days: float = KEEP_EXPOSURES_DAYS,
        every_s: float = 1.0,
    ) -> None:
        self._leadership, self._rollouts, self._routings = leadership, rollouts, routings
        self._exposures, self._servers, self._registry = exposures, servers, registry
        self._clock, self._check_health, self._every_s = clock, check_health, every_s
        self._steering = Steering(rollouts, routings, clock)
        self._endings = Endings(
            steering=self._steering, servers=servers, registry=registry, clock=clock, roll_back=roll_back
        )
        self._between = Between(
            steering=self._steering,
            rollouts=rollouts,
            exposures=exposures,
            registry=registry,
            clock=clock,
            keep_exposures_days=keep_exposures_days,
        )
        self._watched: Watch | None = None
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
            self._between.keep_history(fence)
            self._between.prune()
            return True
        match rollout.state:
            case "promoting":
                self._endings.promote(rollout, fence)
            case "rolling_back":
                self._take_back(rollout, fence)
            case _:
                self._watch(rollout, fence)
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

    # -- under way ----------------------------------------------------------------------------------

    def _watch(self, rollout: Rollout, fence: Fence) -> None:
        now = self._clock.now()
        if rollout.stage_since is not None and rollout.stage_since > now:  # a clock was set back: nobody waits for it
            rollout = self._save(rollout, fence, stage_since=now)
        routing = self._follow(rollout, fence)
        servers = self._servers.live(self._clock.now())
        evidence = self._watching(rollout).evidence(rollout, routing, servers)
        if rollout.state == "preparing" and not self._check_health(rollout, evidence).trips:
            self._prepare(rollout, routing, servers, fence)
            return
        verdict = judge(rollout, evidence, self._check_health)
        if self._watching(rollout).is_news(rollout, verdict):
            self._steering.record(rollout, routing.epoch, evidence, verdict, fence)
        self._act(rollout, routing, verdict, fence)

    def _follow(self, rollout: Rollout, fence: Fence) -> Routing:
        """The routing as the row wants it."""
        wanted = plan.planned(rollout, load_strategy(rollout.strategy))
        why = f"stage {rollout.stage}" if rollout.paused_for != "budget" else rollout.outcome
        return self._steering.move(self._steering.current(), wanted, Unchanged(fence, rollout), why=why)

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
        waited_s = (self._clock.now() - rollout.began_at).total_seconds()
        if not enough and waited_s < policy.reference_max_s and _measures_control(routing):
            return
        frozen = _usual(reference) if enough and reference.count else {}
        if 1 in policy.pause_at:
            verdict = Verdict(
                action="pause", pause_for="agreement", reason="the policy asks a person to agree before step 1"
            )
            self._steering.record(rollout, routing.epoch, None, verdict, fence)
            self._act(rollout, routing, verdict, fence)
            return
        now = self._clock.now()
        self._steering.save(rollout, fence, state="running", stage=1, stage_since=now, **frozen)

    def _act(self, rollout: Rollout, routing: Routing, verdict: Verdict, fence: Fence) -> None:
        match verdict.action:
            case "advance":
                now = self._clock.now()
                self._save(rollout, fence, stage=rollout.stage + 1, stage_since=now, weights=verdict.weights)
            case "promote":
                self._save(rollout, fence, state="promoting", outcome=verdict.reason)
            case "pause":
                paused = self._save(
                    rollout, fence, state="paused", outcome=verdict.reason, paused_for=verdict.pause_for
                )
                self._follow(paused, fence)  # clients are taken away at once where the pause says so, not a look later
            case "roll_back":
                way_back = _way_back(rollout, routing, verdict)
                saved = self._save(rollout, fence, state="rolling_back", outcome=verdict.reason, way_back=way_back)
                self._endings.take_back(saved, fence)
            case _:
                pass

    def _take_back(self, rollout: Rollout, fence: Fence) -> None:
        """Go on with a way back. By degrees the candidate still has clients, so a hard trip ends the degrees."""
        routing = self._steering.current()
        if rollout.way_back and routing is not None and routing.rollout_id == rollout.id:
            servers = self._servers.live(self._clock.now())
            evidence = self._watching(rollout).evidence(rollout, routing, servers)
            verdict = judge(rollout, evidence, self._check_health)
            if self._watching(rollout).is_news(rollout, verdict):
                self._steering.record(rollout, routing.epoch, evidence, verdict, fence)
            if verdict.action == "roll_back":
                rollout = self._save(rollout, fence, way_back={})
        self._endings.take_back(rollout, fence)

    def _watching(self, rollout: Rollout) -> Watch:
        if self._watched is None or self._watched.rollout_id != rollout.id:
            self._watched = Watch(rollout, exposures=self._exposures, routings=self._routings, clock=self._clock)
        return self._watched

    def _save(self, rollout: Rollout, fence: Fence, **changes: Any) -> Rollout:
        return self._steering.save(rollout, fence, **changes)


def _usual(reference: LatencyHistogram) -> dict[str, float]:
    """What is slow, and what is usual, by the control's latencies of before."""
    return {
        "threshold_ms": freeze_threshold_ms(reference, min_reference=1),
        "median_ms": reference.quantile_ms(0.5),
    }


def _way_back(rollout: Rollout, routing: Routing, verdict: Verdict) -> dict[str, Any]:
    """By which degrees a tripped candidate goes back: none where the trip is hard, or nobody is answered by it."""
    percent = plan.candidate_percent(routing)
    if not percent or is_hard(verdict):
        return {}
    ramp = ramp_of(Policy.from_dict(rollout.policy), percent)
    return ramp.as_dict() if len(ramp.percents) > 1 else {}


def _is_ready(server: ServerReport, routing: Routing) -> bool:
    """Whether a server follows this routing and holds all of its isolated arms."""
    wanted = [arm.name for arm in routing.arms if arm.isolated]
    return server.epoch == routing.epoch and all(server.arms.get(name, {}).get("state") == "ready" for name in wanted)


def _measures_control(routing: Routing) -> bool:
    """Whether there will ever be latencies of the control: a shadow has none."""
    control = routing.arm(CONTROL)
    return control is not None and control.weight > 0
