"""A site in one process: real stores, the real controller, triggers and executor; one server and its clients are acted.

Time is moved by the test. In each second the server follows the newest routing, clients ask, and the controller looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rollout_kit import BEGAN, NEW, OLD

from ab_testing.controller import RolloutController
from ab_testing.records import RolloutRecords
from ab_testing.replaying import replay
from ab_testing.router import Router
from ab_testing.service import RolloutService
from ecosight.config import Config
from ecosight.errors import Conflict, NotFound
from ecosight.ids import new_id
from ecosight.rollouts import CHAMPION, Arm, Exposure, Rollout, Routing, ServerReport
from ecosight.state.database import Database
from ecosight.state.exposures import ExposureLog, Exposures
from ecosight.state.incidents import Incidents
from ecosight.state.leadership import Leadership
from ecosight.state.predictions import PredictionLog
from ecosight.state.rollouts import RolloutStore
from ecosight.state.routings import RoutingStore
from ecosight.state.servers import Servers
from ecosight.testing.clock import ManualClock
from ecosight.values import ModelRef, Outcome, Prediction
from rollback.actions import ProbeReport
from rollback.executor import RollbackExecutor
from rollback.live import LiveActions
from rollback.triggers import check_health

__all__ = ["Aliases", "Behaviour", "RolloutWorld"]

LABELS = ("fox", "engine")


@dataclass
class Aliases:
    """The registry, as rollouts use it; ``previous`` follows the champion as there."""

    models: tuple[ModelRef, ...] = (OLD, NEW)
    named: dict[str, ModelRef] = field(default_factory=lambda: {"champion": OLD})

    def alias(self, name: str) -> ModelRef | None:
        return self.named.get(name)

    def get(self, version: str | int) -> ModelRef:
        return next(model for model in self.models if model.version == str(version))

    def resolve(self, uri: str) -> ModelRef:
        raise NotFound(uri)

    def set_alias(self, name: str, ref: ModelRef, *, by: str = "", why: str = "") -> None:
        if name == "champion" and self.named.get(name) not in (None, ref):
            self.named["previous"] = self.named[name]
        self.named[name] = ref

    def remove_alias(self, name: str) -> None:
        self.named.pop(name, None)


@dataclass
class Behaviour:
    """How a model answers: shares of the requests that fail, and of the answers that are wrong; how many times the
    usual latency it takes."""

    fails: float = 0.0
    wrong: float = 0.0
    slower: float = 1.0


class RolloutWorld:
    """Close it at the end."""

    def __init__(self, database: Database, folder: Path, *, config: Config | None = None) -> None:
        self.database, self.folder, self.clock = database, folder, ManualClock(BEGAN)
        self.aliases, self.rng = Aliases(), np.random.default_rng(7)
        self.rollouts, self.routings = RolloutStore(database), RoutingStore(database)
        self.servers, self.incidents, self.exposures = Servers(database), Incidents(database), Exposures(database)
        self.log, self.predictions = ExposureLog(database, folder), PredictionLog(database, folder)
        self.behaviour: dict[str, Behaviour] = {OLD.digest: Behaviour(), NEW.digest: Behaviour()}
        self.arms: dict[str, dict[str, Any]] = {}
        self.answered: Counter[str] = Counter()
        self.label_rate = 0.0
        self.service = RolloutService(
            rollouts=self.rollouts,
            routings=self.routings,
            incidents=self.incidents,
            registry=self.aliases,
            clock=self.clock,
            config=config or Config(),
        )
        self.records = RolloutRecords(
            service=self.service,
            rollouts=self.rollouts,
            incidents=self.incidents,
            servers=self.servers,
            clock=self.clock,
        )
        self.leader = self.controller("first")

    def close(self) -> None:
        self.log.close()
        self.predictions.close()

    def controller(self, name: str, guard: Callable[[Any], Any] = lambda part: part, **more: Any) -> RolloutController:
        """A server's controller with an executor of its own; it may lead from now on.

        Args:
            guard: wraps each part that outlives a process.
        """
        actions = LiveActions(
            database=self.database,
            rollouts=guard(self.rollouts),
            routings=guard(self.routings),
            servers=guard(self.servers),
            exposures=guard(self.exposures),
            clock=self.clock,
            prober=lambda model: ProbeReport(sent=1, answered=1, restored=1),
            folder=self.folder / "incidents",
            tell=lambda alert: ("test",),
        )
        executor = RollbackExecutor(
            guard(self.incidents), actions, clock=self.clock, trigger_of=actions.trigger_of, writer=name
        )
        return RolloutController(
            leadership=Leadership(self.database, "rollouts", name, self.clock, ttl_s=0.0),
            rollouts=guard(self.rollouts),
            routings=guard(self.routings),
            exposures=guard(self.exposures),
            servers=guard(self.servers),
            registry=guard(self.aliases),
            clock=self.clock,
            check_health=check_health,
            roll_back=executor,
            **more,
        )

    # -- what happens -------------------------------------------------------------------------------

    def second(self, keys: int | Iterable[str] = 0) -> None:
        """The server follows, so many new clients (or these) ask, the controller looks."""
        self.clock.advance(1.0)
        self.serve()
        named = [new_id("key") for _ in range(keys)] if isinstance(keys, int) else list(keys)
        if named:
            self.ask(named)
        try:
            self.leader.tick()
        except Conflict:  # somebody wrote in between; the thread looks again as well
            return
        self.serve()

    def seconds(self, number: int, keys: int | Iterable[str] = 0, *, until: Callable[[], bool] | None = None) -> None:
        """So many of them, or fewer when it has come about."""
        for _ in range(number):
            if until is not None and until():
                return
            self.second(keys)
        assert until is None or until(), self.rollout

    def serve(self) -> None:
        """The server takes over the newest routing, and says so."""
        routing = self.routings.current()
        if routing is None:
            return
        self.servers.report(
            ServerReport(
                server_id="s1",
                host="h",
                pid=1,
                started_at=BEGAN,
                seen_at=self.clock.now(),
                epoch=routing.epoch,
                loaded={model.digest: "ready" for model in (routing.arms[0].model, *routing.standby)},
                arms={
                    arm.name: {"state": "ready", **self.arms.get(arm.name, {})} for arm in routing.arms if arm.isolated
                },
            )
        )

    def ask(self, keys: Iterable[str]) -> None:
        """Each key asks once; the arm it belongs to answers, or fails and the champion does."""
        routing = self.routings.current()
        if routing is None or not routing.rollout_id:
            return
        router, truths = Router(routing), dict[str, str]()
        shadows = [arm for arm in routing.arms if arm.shadow]
        for key in keys:
            arm, truth, name = router.assign(key), str(self.rng.choice(LABELS)), new_id("pred")
            failed = self._draw(self.behaviour[arm.model.digest].fails) and arm.isolated
            label = self._label(arm if not failed else routing.arms[0], truth)
            self._expose(routing, arm, key, name, label=label, fault="error" if failed else "")
            self.answered[CHAMPION if failed else arm.name] += 1
            for shadow in shadows:
                said, fails = self._label(shadow, truth), self.behaviour[shadow.model.digest].fails
                fault = "error" if fails and self._draw(fails) else ""
                told = {"label": label if fault else said, "champion_label": label, "fault": fault}
                self._expose(routing, shadow, key, name, counted=False, **told)
            if self._draw(self.label_rate):
                truths[name] = truth
                self._predict(name, arm, key, label)
        self.log.flush()
        self.predictions.flush()
        for name, truth in truths.items():
            self.predictions.add_outcome(Outcome(prediction_id=name, truth=truth, told_at=self.clock.now()))

    def _expose(self, routing: Routing, arm: Arm, key: str, prediction_id: str, **more: Any) -> None:
        copy = "champion_label" in more
        exposure: dict[str, Any] = {
            "id": f"{prediction_id}~{arm.name}" if copy else prediction_id,
            "prediction_id": prediction_id,
            "rollout_id": routing.rollout_id,
            "epoch": routing.epoch,
            "stage": routing.stage,
            "key": key,
            "intended": arm.name,
            "answered": CHAMPION if copy or more.get("fault") else arm.name,
            "latency_ms": float(self.rng.lognormal(3, 0.3)) * self.behaviour[arm.model.digest].slower,
            "at": self.clock.now(),
        }
        self.log.append(Exposure(**{**exposure, **more}))

    def _predict(self, prediction_id: str, arm: Arm, key: str, label: str) -> None:
        prediction = Prediction(
            id=prediction_id,
            sample_id="c" * 64,
            model_version=arm.model.version,
            model_digest=arm.model.digest,
            variant=arm.name,
            key=key,
            label=label,
            probabilities={label: 1.0},
            latency_ms=1.0,
            made_at=self.clock.now(),
        )
        self.predictions.append(prediction)

    def _label(self, arm: Arm, truth: str) -> str:
        wrong = self._draw(self.behaviour[arm.model.digest].wrong)
        return next(label for label in LABELS if (label != truth) == wrong)

    def _draw(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    # -- how it stands ------------------------------------------------------------------------------

    @property
    def rollout(self) -> Rollout:
        return self.rollouts.list(1)[0]

    @property
    def routing(self) -> Routing:
        routing = self.routings.current()
        assert routing is not None
        return routing

    def percents(self, arm: str = "candidate") -> list[float]:
        """What an arm answered, epoch by epoch of the newest rollout, in percent of the keys."""
        history = self.routings.history(self.rollout.id)
        found = [routing.arm(arm) for routing in history]
        return [0.0 if each is None else each.weight / 100 for each in found]

    def is_in(self, *states: str, stage: int | None = None) -> Callable[[], bool]:
        return lambda: self.rollout.state in states and stage in (None, self.rollout.stage)

    def replays(self) -> bool:
        """Whether every decision that was made from evidence comes out again as it was recorded."""
        decisions = [each for each in self.rollouts.decisions(self.rollout.id, 10_000) if each.evidence]
        return bool(decisions) and all(replay(each, check_health).same for each in decisions)
