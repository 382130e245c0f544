"""Who answers a request while a rollout runs: the arm its key belongs to; the champion, where that one fails.

Every request leaves one exposure, with the arm that was meant to answer: a fallback hides nothing. Shadows get a copy
that no client waits for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from ecosight.errors import EcosightError, InputError, NotFound
from ecosight.logs import get_logger
from ecosight.ports import Clock
from ecosight.rollouts import CHAMPION, Arm, Exposure, Fault
from ecosight.state.exposures import ExposureLog
from serving.answering import Given, Question, named
from serving.isolation import ArmFault, IsolatedArm
from serving.loaded_model import ModelLease
from serving.metrics import Metrics
from serving.routing import RoutingFollower, Snapshot

__all__ = ["SplitTraffic"]

MOST_SHADOWS = 64
MOST_SHADOW_BYTES = 64 * 2**20
"""Copies that may be under way, and the bytes of their files; more are dropped, and counted."""

ByChampion = Callable[[bytes, ModelLease], Awaitable[Given]]


class SplitTraffic:
    """Used on the event loop.

    Args:
        timeout_s: an arm that has not answered by then is late.
    """

    def __init__(
        self, follower: RoutingFollower, log: ExposureLog, *, clock: Clock, metrics: Metrics, timeout_s: float
    ) -> None:
        self._follower, self._log, self._clock, self._metrics = follower, log, clock, metrics
        self._timeout_s = timeout_s
        self._copies: dict[asyncio.Task[None], int] = {}  # each with the bytes that it holds
        self.dropped_copies = 0

    @property
    def current(self) -> Snapshot | None:
        return self._follower.current

    async def answer(
        self,
        snapshot: Snapshot,
        question: Question,
        key: str,
        prediction_id: str,
        lease: ModelLease,
        by_champion: ByChampion,
    ) -> Given:
        """The answer of the arm that the key belongs to, or of the champion in its place.

        Raises: InputError: the file is not acceptable. NotFound: no arm of that name.
        """
        arm = self._wanted(snapshot, question.arm) if question.arm else snapshot.router.assign(key)
        fault: Fault = ""
        began = time.monotonic()
        took = 0.0
        given: Given | None = None
        refused = False
        if arm.isolated:
            try:
                given, fault = await self._by_isolated(snapshot, arm, question.data)
            except InputError:  # if the champion refuses the file as well, the client hears so, and nothing is counted
                fault, refused = "error", True
            took = time.monotonic() - began
        if given is None:
            given = await by_champion(question.data, lease)
            took = took or time.monotonic() - began
            if refused:
                snapshot.isolated[arm.name].refused_wrongly()
        self._record(
            snapshot,
            Exposure(
                id=prediction_id,
                prediction_id=prediction_id,
                rollout_id=snapshot.routing.rollout_id,
                epoch=snapshot.routing.epoch,
                stage=snapshot.routing.stage,
                key=key,
                intended=arm.name,
                answered=given.variant,
                label=given.label,
                latency_ms=round(1000 * took, 3),
                at=self._clock.now(),
                fault=fault,
                counted=not question.arm,
            ),
        )
        for shadow, isolated in snapshot.shadows:
            if not isolated.was_ready:  # it is being loaded still, and owes nobody an answer
                continue
            self._copy(snapshot, shadow, isolated, question.data, prediction_id, key, given)
        return given

    async def stop(self) -> None:
        """Let copies that are under way go."""
        for task in self._copies:
            task.cancel()
        await asyncio.gather(*self._copies, return_exceptions=True)

    def _wanted(self, snapshot: Snapshot, name: str) -> Arm:
        arm = snapshot.routing.arm(name)
        if arm is None:
            known = ", ".join(arm.name for arm in snapshot.routing.arms)
            raise NotFound(f"no arm is named {name!r}", hint=f"Now there are: {known}.")
        return arm

    async def _by_isolated(self, snapshot: Snapshot, arm: Arm, data: bytes) -> tuple[Given | None, Fault]:
        isolated = snapshot.isolated.get(arm.name)
        if isolated is None:
            return None, "unavailable"
        try:
            answer = await isolated.submit(data, self._timeout_s)
        except ArmFault as fault:
            return None, fault.fault
        given = Given(
            sample_id=answer.sample_id,
            probabilities=named(answer.labels, answer.probabilities.tolist()),
            model=arm.model,
            variant=arm.name,
        )
        return given, ""

    def _copy(
        self,
        snapshot: Snapshot,
        arm: Arm,
        isolated: IsolatedArm,
        data: bytes,
        prediction_id: str,
        key: str,
        given: Given,
    ) -> None:
        if len(self._copies) >= MOST_SHADOWS or sum(self._copies.values()) + len(data) > MOST_SHADOW_BYTES:
            self.dropped_copies += 1
            return
        task = asyncio.create_task(self._shadow(snapshot, arm, isolated, data, prediction_id, key, given))
        self._copies[task] = len(data)
        task.add_done_callback(self._copies.pop)

    async def _shadow(
        self,
        snapshot: Snapshot,
        arm: Arm,
        isolated: IsolatedArm,
        data: bytes,
        prediction_id: str,
        key: str,
        given: Given,
    ) -> None:
        began, label = time.monotonic(), ""
        fault: Fault = ""
        try:
            answer = await isolated.submit(data, self._timeout_s)
            label = answer.labels[int(answer.probabilities.argmax())]
        except ArmFault as error:
            fault = error.fault
        except InputError:  # the champion answered
            fault = "error"
            isolated.refused_wrongly()
        self._record(
            snapshot,
            Exposure(
                id=f"{prediction_id}~{arm.name}",
                prediction_id=prediction_id,
                rollout_id=snapshot.routing.rollout_id,
                epoch=snapshot.routing.epoch,
                stage=snapshot.routing.stage,
                key=key,
                intended=arm.name,
                answered=CHAMPION,
                label=label or given.label,
                latency_ms=round(1000 * (time.monotonic() - began), 3),
                at=self._clock.now(),
                fault=fault,
                champion_label=given.label,
                counted=False,
            ),
        )

    def _record(self, snapshot: Snapshot, exposure: Exposure) -> None:
        """An exposure that cannot be written costs the evidence one request, never a client the answer."""
        try:
            self._log.append(exposure)
        except EcosightError as error:
            get_logger("serving").warning("exposure_lost", error=error.message, epoch=snapshot.routing.epoch)
        self._metrics.exposure(exposure.intended, exposure.fault)
