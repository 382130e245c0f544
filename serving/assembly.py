"""The working parts of one server, put together, started and stopped in order. Knows no HTTP."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ecosight.errors import EcosightError
from ecosight.logs import get_logger
from ecosight.rollouts import Arm
from serving.answering import Answering
from serving.batching import InferencePipeline
from serving.figures import Figures
from serving.isolation import IsolatedArm
from serving.limits import Admission, Limits, Memory
from serving.loaded_model import LoadedModel
from serving.memory import MemoryKeeper, settle
from serving.metrics import Metrics
from serving.model_holder import ModelHolder
from serving.parts import ServingParts
from serving.readiness import Readiness, StoreChecks
from serving.routing import RoutingFollower
from serving.split_traffic import SplitTraffic

__all__ = ["Assembly"]

FIRST_MODEL_S = 30.0
"""How long a start waits for the first model before it takes requests without one."""
ARMS_S = 15.0
"""How long it then waits for the arms of a rollout that is under way."""


class Assembly:
    """One server without its HTTP. ``start`` and ``stop`` are called once each, off the event loop."""

    def __init__(self, parts: ServingParts) -> None:
        self.parts = parts
        config = parts.config
        self.metrics = Metrics()
        self.memory_keeper = MemoryKeeper()
        self.limits = Limits.for_files_of(parts.modality.max_bytes)
        self.memory = Memory(self.limits.total_bytes)
        self.holder = ModelHolder(
            parts.source,
            parts.modality,
            parts.clock,
            engine=config.serving.engine,
            threads=1,  # the pipeline has a thread for each core: calls side by side beat calls that share the cores
            poll_seconds=config.serving.poll_seconds,
            on_swap=self._swapped,
        )
        self.pipeline = InferencePipeline(
            max_batch=config.serving.max_batch, threads=_cores(), observe=self.metrics.batch
        )
        self.admission = Admission(config.serving.queue_limit, lambda: self.pipeline.seconds_per_file)
        self.follower = follower_of(parts, self.holder)
        self.traffic = self._split(self.follower)
        self.answering = Answering(
            holder=self.holder,
            pipeline=self.pipeline,
            admission=self.admission,
            log=parts.predictions,
            clock=parts.clock,
            metrics=self.metrics,
            traffic=self.traffic,
        )
        self.readiness = Readiness(self.holder, self.pipeline, StoreChecks(parts.store_checks))
        self.figures = Figures(parts, self.holder, self.metrics, began=time.monotonic())
        self._watch()

    def start(self) -> None:
        """Start the threads, wait a while for the first model, then start what lives beside the server."""
        self.memory_keeper.start()
        self.pipeline.start()
        if self.follower is not None:
            self.follower.start()
        self.holder.start()
        self.holder.wait_for_first_look(FIRST_MODEL_S)
        if self.follower is not None:
            self.follower.wait_for_arms(ARMS_S)
        for task in self.parts.background:
            task.start()
        settle()

    def stop(self) -> None:
        """Stop in reverse order. What fails to stop is logged and does not keep the rest from stopping."""
        stops = [task.stop for task in reversed(self.parts.background)]
        if self.follower is not None:
            stops.append(self.follower.stop)
        for stop in (*stops, self.pipeline.stop, self.holder.stop, self.memory_keeper.stop, self._flush):
            _try(stop)

    def _flush(self) -> None:
        self.parts.predictions.flush()
        if self.parts.exposures is not None:
            self.parts.exposures.flush()

    def _split(self, follower: RoutingFollower | None) -> SplitTraffic | None:
        if follower is None or self.parts.exposures is None:
            return None
        return SplitTraffic(
            follower,
            self.parts.exposures,
            clock=self.parts.clock,
            metrics=self.metrics,
            timeout_s=self.parts.config.ab_testing.candidate_timeout_ms / 1000,
        )

    def _swapped(self, model: LoadedModel) -> None:
        self.metrics.swap(model)
        self.memory_keeper.soon()

    def _dropped_copies(self) -> float:
        return self.traffic.dropped_copies if self.traffic is not None else 0

    def _watch(self) -> None:
        watched: dict[str, tuple[str, Callable[[], float]]] = {
            "in_flight_files": ("Files admitted and not yet answered", lambda: self.admission.taken),
            "queue_files": ("Files waiting for a thread", lambda: self.pipeline.waiting),
            "queue_limit_files": ("Files that may be in flight", lambda: self.admission.limit),
            "held_bytes": ("Bytes of request bodies in memory", lambda: self.memory.held_bytes),
            "failed_swaps": ("Models that could not be swapped in", lambda: self.holder.failed_swaps),
            "dropped_copies": ("Copies for shadows that were not made, for want of room", self._dropped_copies),
        }
        for name, (description, value) in watched.items():
            self.metrics.watch(name, description, value)


def follower_of(parts: ServingParts, holder: ModelHolder) -> RoutingFollower | None:
    """What follows the routing of rollouts, where there are any."""
    if parts.routings is None or parts.servers is None:
        return None
    kind = type(parts.modality)
    launch = {
        "config": parts.config.model_dump_json(),
        "modality": f"{kind.__module__}:{kind.__qualname__}",
        "engine": parts.config.serving.engine,
        "threads": _cores(),
        "max_batch": parts.config.serving.max_batch,
    }

    def make_arm(arm: Arm) -> IsolatedArm:
        return IsolatedArm(arm.name, arm.model, launch=launch, fetch=parts.source.fetch, clock=parts.clock)

    grace_s = 1 + parts.config.ab_testing.candidate_timeout_ms / 1000
    return RoutingFollower(parts.routings, parts.servers, holder, parts.clock, make_arm=make_arm, grace_s=grace_s)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _try(stop: Callable[[], None]) -> None:
    try:
        stop()
    except EcosightError as error:
        get_logger("serving").warning("not_stopped_in_order", error=error.message)
    except Exception:
        get_logger("serving").exception("not_stopped_in_order")
