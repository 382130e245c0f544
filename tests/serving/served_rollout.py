"""One server's share in a rollout without its HTTP: a real database, toy models, arms in real processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from toy import Toy, ToySource, launch
from waiting import wait_until

from ecosight.clock import SystemClock
from ecosight.config import load_config
from ecosight.rollouts import CANDIDATE, CHAMPION, CONTROL, Arm, Exposure, Routing, ServerReport
from ecosight.state.database import open_database
from ecosight.state.exposures import ExposureLog, Exposures
from ecosight.state.predictions import PredictionLog
from ecosight.state.routings import RoutingStore
from ecosight.state.servers import Servers
from ecosight.values import ModelRef, Prediction
from serving.answering import Answering, Question
from serving.batching import InferencePipeline
from serving.isolation import IsolatedArm
from serving.limits import Admission
from serving.metrics import Metrics
from serving.model_holder import ModelHolder
from serving.routing import RoutingFollower
from serving.split_traffic import SplitTraffic


class World:
    """Champion is version 1, candidate version 2. Closed by ``stop``."""

    def __init__(self, folder: Path, *, timeout_s: float = 0.5, grace_s: float = 0.2) -> None:
        self._stack = ExitStack()
        self.clock, self.source = SystemClock(), ToySource(folder / "models")
        self.source.ref("1"), self.source.ref("2")
        self.database = open_database(f"sqlite:///{folder / 'ecosight.db'}")
        self._stack.callback(self.database.close)
        self.routings, self.servers = RoutingStore(self.database), Servers(self.database)
        self.exposures = Exposures(self.database)
        self._exposure_log = ExposureLog(self.database, folder / "spool")
        self._stack.callback(self._exposure_log.close)
        predictions = PredictionLog(self.database, folder / "spool")
        self._stack.callback(predictions.close)
        self.holder = ModelHolder(self.source, Toy(load_config()), self.clock, poll_seconds=0.02)
        self._stack.callback(self.holder.stop)
        pipeline = InferencePipeline(max_batch=4, threads=2)
        self._stack.callback(pipeline.stop)
        self.arms: list[IsolatedArm] = []
        self._launch = launch(folder)
        self.follower = RoutingFollower(
            self.routings, self.servers, self.holder, self.clock, make_arm=self._make_arm, grace_s=grace_s
        )
        self._stack.callback(self.follower.stop)
        metrics = Metrics()
        self.traffic = SplitTraffic(
            self.follower, self._exposure_log, clock=self.clock, metrics=metrics, timeout_s=timeout_s
        )
        self.answering = Answering(
            holder=self.holder,
            pipeline=pipeline,
            admission=Admission(256, lambda: 0.01),
            log=predictions,
            clock=self.clock,
            metrics=metrics,
            traffic=self.traffic,
        )
        pipeline.start()

    def start(self) -> None:
        self.follower.start()
        self.holder.start()
        assert self.holder.wait_for_first_look(5)

    def stop(self) -> None:
        self._stack.close()

    def _make_arm(self, arm: Arm) -> IsolatedArm:
        made = IsolatedArm(arm.name, arm.model, launch=self._launch, fetch=self.source.fetch, clock=self.clock)
        self.arms.append(made)
        return made

    # -- routings ----------------------------------------------------------------------------------

    def route(self, *arms: Arm, standby: Sequence[ModelRef] = (), rollout_id: str = "r") -> Routing:
        """Let this be the newest routing; without arms the champion answers alone."""
        routing = Routing(
            epoch=self.routings.epoch() + 1,
            arms=arms or (self.arm(CHAMPION, "1", 10_000),),
            made_at=self.clock.now(),
            actor="test",
            why="",
            rollout_id=rollout_id if arms else "",
            salt=rollout_id,
            standby=tuple(standby),
        )
        assert self.routings.move(routing)
        return routing

    def arm(self, name: str, version: str, weight: int = 0, **kind: bool) -> Arm:
        return Arm(name=name, model=self.source.ref(version), weight=weight, **kind)

    def canary(self, *, candidate: int, control: int = 0, candidate_version: str = "2") -> Routing:
        """A routing with these buckets for candidate and control."""
        arms = [self.arm(CHAMPION, "1", 10_000 - candidate - control)]
        arms.append(self.arm(CANDIDATE, candidate_version, candidate, isolated=True))
        if control:
            arms.append(self.arm(CONTROL, "1", control, isolated=True))
        return self.route(*arms)

    def shadow(self) -> Routing:
        candidate = self.arm(CANDIDATE, "2", isolated=True, shadow=True)
        return self.route(self.arm(CHAMPION, "1", 10_000), candidate)

    def epoch(self) -> int:
        """Of the routing that answers requests now, 0 without one."""
        return self.follower.current.routing.epoch if self.follower.current is not None else 0

    def told(self) -> ServerReport:
        """What the server last said about itself."""
        wait_until(lambda: self.servers.live(self.clock.now()))
        (report,) = self.servers.live(self.clock.now())
        return report

    # -- requests ----------------------------------------------------------------------------------

    def ask(self, *questions: str, keys: Sequence[str] = (), arm: str = "", settle: bool = True) -> list[Any]:
        """Predictions, or what was raised, of questions asked at once; ``settle`` waits for the shadows' copies."""

        async def one(number: int, text: str) -> Prediction:
            with self.answering.lease() as lease:
                question = Question(data=text.encode(), key=keys[number] if keys else "", arm=arm)
                return await self.answering.answer(question, lease, time.monotonic())

        async def all_of_them() -> list[Any]:
            results = await asyncio.gather(*map(one, range(len(questions)), questions), return_exceptions=True)
            if settle:
                await asyncio.gather(*self.traffic._copies)
            await self.traffic.stop()
            return results

        return asyncio.run(all_of_them())

    def seen(self, epoch: int) -> list[Exposure]:
        """What was recorded in one epoch."""
        self._exposure_log.flush()
        found, cursor = [], 0
        while (step := self.exposures.since("r", cursor))[0]:
            found += step[0]
            cursor = step[1]
        return [exposure for exposure in found if exposure.epoch == epoch]
