"""From a file to a recorded prediction. Knows no HTTP: the routes translate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ecosight.errors import EcosightError
from ecosight.ids import new_id
from ecosight.ports import Clock
from ecosight.state.predictions import PredictionLog
from ecosight.values import Prediction
from serving.batching import InferencePipeline
from serving.limits import Admission
from serving.metrics import Metrics
from serving.model_holder import ModelHolder, ModelLease

__all__ = ["Answering", "Question"]

VARIANT = "champion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One file to be answered. ``key`` is the sticky unit; empty takes the prediction's own id."""

    data: bytes
    key: str = ""


class Answering:
    """Answers questions with the model that is current when they come in. Used on the event loop."""

    def __init__(
        self,
        *,
        holder: ModelHolder,
        pipeline: InferencePipeline,
        admission: Admission,
        log: PredictionLog,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._holder, self._pipeline, self.admission = holder, pipeline, admission
        self._log, self._clock, self._metrics = log, clock, metrics

    def lease(self) -> ModelLease:
        """The model for one request. Raises: NoModel."""
        return self._holder.lease()

    async def answer(self, question: Question, lease: ModelLease, began: float) -> Prediction:
        """Answer one question; the prediction is on disk when this returns.

        Args:
            began: ``time.monotonic()`` when the request came in.
        Raises: InputError: the file is not acceptable. Unavailable: it could not be recorded.
        """
        answer = await self._pipeline.submit(question.data, lease)
        values = [round(value, 6) for value in answer.probabilities.tolist()]
        prediction_id = new_id("pred")
        labels, ref = lease.servable.labels, lease.model.ref
        prediction = Prediction(
            id=prediction_id,
            sample_id=answer.sample_id,
            model_version=ref.version,
            model_digest=ref.digest,
            variant=VARIANT,
            key=question.key or prediction_id,
            label=labels[int(answer.probabilities.argmax())],
            probabilities=dict(zip(labels, values, strict=True)),
            latency_ms=round(1000 * (time.monotonic() - began), 3),
            made_at=self._clock.now(),
        )
        self._log.append(prediction)
        self._metrics.prediction(prediction.label, prediction.model_version)
        return prediction

    async def answer_all(
        self, questions: Sequence[Question | EcosightError], lease: ModelLease, began: float
    ) -> list[Prediction | BaseException]:
        """Answer several with one model; a question that fails, or is an error already, fails alone."""

        async def one(question: Question | EcosightError) -> Prediction:
            if isinstance(question, EcosightError):
                raise question
            return await self.answer(question, lease, began)

        return await asyncio.gather(*map(one, questions), return_exceptions=True)
