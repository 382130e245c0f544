"""From a file to a recorded prediction. Knows no HTTP: the routes translate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ecosight.errors import EcosightError, NotFound
from ecosight.ids import new_id
from ecosight.ports import Clock
from ecosight.rollouts import CHAMPION
from ecosight.state.predictions import PredictionLog
from ecosight.values import ModelRef, Prediction
from serving.batching import InferencePipeline
from serving.limits import Admission
from serving.loaded_model import ModelLease
from serving.metrics import Metrics
from serving.model_holder import ModelHolder

if TYPE_CHECKING:
    from serving.split_traffic import SplitTraffic

__all__ = ["Answering", "Given", "Question"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One file to be answered.

    Attributes:
        key: the sticky unit; empty takes the prediction's own id.
        arm: whom an operator wants to answer; empty: whom the key belongs to.
    """

    data: bytes
    key: str = ""
    arm: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer, and who gave it."""

    sample_id: str
    probabilities: dict[str, float]
    model: ModelRef
    variant: str = CHAMPION

    @property
    def label(self) -> str:
        return max(self.probabilities, key=self.probabilities.__getitem__)


class Answering:
    """Answers questions with the models that are current when they come in. Used on the event loop.

    Args:
        traffic: while a rollout runs, it says who answers; None: the champion always does.
    """

    def __init__(
        self,
        *,
        holder: ModelHolder,
        pipeline: InferencePipeline,
        admission: Admission,
        log: PredictionLog,
        clock: Clock,
        metrics: Metrics,
        traffic: SplitTraffic | None = None,
    ) -> None:
        self._holder, self._pipeline, self.admission = holder, pipeline, admission
        self._log, self._clock, self._metrics, self._traffic = log, clock, metrics, traffic

    def lease(self) -> ModelLease:
        """The champion for one request. Raises: NoModel."""
        return self._holder.lease()

    async def answer(self, question: Question, lease: ModelLease, began: float) -> Prediction:
        """Answer one question; the prediction is on disk when this returns.

        Args:
            began: ``time.monotonic()`` when the request came in.
        Raises: InputError: the file is not acceptable. NotFound: no arm of that name. Unavailable: it could not be
            recorded.
        """
        prediction_id = new_id("pred")
        key = question.key or prediction_id
        snapshot = self._traffic.current if self._traffic is not None else None
        if snapshot is None or self._traffic is None:
            if question.arm not in ("", CHAMPION):
                raise NotFound(
                    f"no arm is named {question.arm!r}", hint="No rollout is under way: the champion answers."
                )
            given = await self.by_champion(question.data, lease)
        else:
            given = await self._traffic.answer(snapshot, question, key, prediction_id, lease, self.by_champion)
        prediction = self._prediction(prediction_id, key, given, began, self._clock.now())
        self._log.append(prediction)
        self._metrics.prediction(prediction.label, prediction.model_version)
        return prediction

    async def by_champion(self, data: bytes, lease: ModelLease) -> Given:
        """The champion's own answer. Raises: InputError."""
        answer = await self._pipeline.submit(data, lease)
        return Given(
            sample_id=answer.sample_id,
            probabilities=named(lease.servable.labels, answer.probabilities.tolist()),
            model=lease.model.ref,
        )

    async def answer_all(
        self, questions: Sequence[Question | EcosightError], lease: ModelLease, began: float
    ) -> list[Prediction | BaseException]:
        """Answer several with one model; a question that fails, or is an error already, fails alone."""

        async def one(question: Question | EcosightError) -> Prediction:
            if isinstance(question, EcosightError):
                raise question
            return await self.answer(question, lease, began)

        return await asyncio.gather(*map(one, questions), return_exceptions=True)

    def _prediction(self, identity: str, key: str, given: Given, began: float, at: datetime) -> Prediction:
        return Prediction(
            id=identity,
            sample_id=given.sample_id,
            model_version=given.model.version,
            model_digest=given.model.digest,
            variant=given.variant,
            key=key,
            label=given.label,
            probabilities=given.probabilities,
            latency_ms=round(1000 * (time.monotonic() - began), 3),
            made_at=at,
        )


def named(labels: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """Probabilities by label, to six digits."""
    return dict(zip(labels, [round(value, 6) for value in values], strict=True))
