"""POST /feedback, /upload and /retrain, GET /jobs/{id} and /training-history: what makes the model better."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request, Response

from dataset.labels import check_label
from ecosight.errors import AlreadyRunning, InvalidInput, NotEnoughData, NotFound
from ecosight.values import Outcome
from serving.assembly import Assembly
from serving.errors import json_response
from serving.figures import RETRAIN
from serving.multipart import Form, FormFile, read_form
from serving.routes.documenting import errors, form
from serving.schemas import (
    FeedbackAnswer,
    FeedbackRequest,
    HistoryAnswer,
    JobAnswer,
    RetrainAnswer,
    RetrainRequest,
    UploadAnswer,
)

__all__ = ["learning_routes"]

_ID = re.compile(r"[a-z]{1,16}_[0-9a-z]{1,40}")
_FORM = form(
    {
        "file": {"type": "string", "format": "binary", "description": "The recording"},
        "class_name": {"type": "string", "description": "Its label"},
    },
    {
        "group": {"type": "string", "description": "The recording, burst or site that it belongs to"},
        "captured_at": {"type": "string", "format": "date-time", "description": "ISO 8601 with a zone"},
    },
)


def learning_routes(assembly: Assembly) -> APIRouter:
    router = APIRouter(tags=["learn"])
    parts, metrics = assembly.parts, assembly.metrics
    # Uploads are decoded whole; more at once would only take the cores from predictions.
    intake_threads = CapacityLimiter(2)

    @router.post("/feedback", responses=errors(404, 422, 503))
    def feedback(told: FeedbackRequest) -> FeedbackAnswer:
        """Tell the truth about a prediction, now or days later. Telling it twice is telling it once."""
        truth = check_label(told.true_label)
        prediction = parts.predictions.get(told.prediction_id) if _ID.fullmatch(told.prediction_id) else None
        if prediction is None:
            raise NotFound(f"there is no prediction {told.prediction_id!r}", hint="/predict answers with its id.")
        outcome = Outcome(prediction_id=prediction.id, truth=truth, told_at=parts.clock.now(), annotator=told.annotator)
        recorded = parts.predictions.add_outcome(outcome)
        if recorded:
            metrics.feedback(correct=prediction.label == truth)
        return FeedbackAnswer(
            success=True,
            prediction_id=prediction.id,
            true_label=truth,
            predicted_class=prediction.label,
            correct=prediction.label == truth,
            recorded=recorded,
            label_known=truth in prediction.probabilities,
        )

    @router.post(
        "/upload",
        responses={200: {"model": UploadAnswer}, **errors(408, 409, 413, 415, 422, 429, 503)},
        openapi_extra=_FORM,
    )
    async def upload(request: Request) -> Response:
        """Give a labelled recording. Enough of them start a retraining."""
        assembly.admission.enter()
        try:
            sent = await read_form(request, file_field="file", max_files=1, max_file_bytes=assembly.limits.file_bytes)
            file = sent.only_file()
            told = await to_thread.run_sync(take_in, file, sent, limiter=intake_threads)
        finally:
            assembly.admission.leave()
        return json_response(told)

    def take_in(file: FormFile, sent: Form) -> dict[str, Any]:
        if not sent.fields.get("class_name"):
            raise InvalidInput("the form field 'class_name' is missing", hint="curl -F class_name=dog_bark …")
        receipt = parts.intake.accept(
            file.data,
            label=sent.fields["class_name"],
            source=file.name,
            group=sent.fields.get("group") or None,
            captured_at=_moment(sent.fields.get("captured_at")),
            origin="upload",
        )
        metrics.upload(receipt.status)
        reached, new_samples = parts.check_trigger()
        job_id, started = None, False
        if reached and parts.config.retraining.automatic:
            job_id, started = start_by_itself(new_samples)
        return {
            "success": True,
            "status": receipt.status,
            "sample_id": receipt.sample.id,
            "class_name": receipt.sample.label,
            "new_samples": new_samples,
            "threshold": parts.config.retraining.min_new_samples,
            "retraining_started": started,
            "job_id": job_id,
        }

    def start_by_itself(new_samples: int) -> tuple[str, bool]:
        reason = f"{new_samples} new recordings were uploaded"
        try:
            return parts.jobs.enqueue(RETRAIN, {"reason": reason}, exclusive=True).id, True
        except AlreadyRunning as error:
            return str(error.context["running_id"]), False

    @router.post("/retrain", status_code=202, responses=errors(409, 422, 503))
    def retrain(wanted: RetrainRequest | None = None) -> RetrainAnswer:
        """Start a retraining; the job id shows how it goes. Only one runs at a time."""
        wanted = wanted or RetrainRequest()
        if wanted.min_new_samples is not None:
            _, new_samples = parts.check_trigger()
            if new_samples < wanted.min_new_samples:
                raise NotEnoughData(
                    f"{new_samples} new recordings came in since the last training, {wanted.min_new_samples} are asked",
                    hint="Upload more, or ask for less.",
                    new_samples=new_samples,
                    min_new_samples=wanted.min_new_samples,
                )
        payload: dict[str, Any] = {"reason": wanted.trigger_reason or "manual"}
        payload |= wanted.model_dump(include={"epochs", "min_accuracy"}, exclude_none=True)
        job = parts.jobs.enqueue(RETRAIN, payload, exclusive=True)
        return RetrainAnswer(success=True, job_id=job.id, status=job.status, location=f"/jobs/{job.id}")

    @router.get("/jobs/{job_id}", responses=errors(404, 422, 503))
    def job(job_id: str) -> JobAnswer:
        """How a job goes."""
        if not _ID.fullmatch(job_id):
            raise NotFound(f"there is no job {job_id[:64]!r}", hint="/retrain answers with its id.")
        found = asdict(parts.jobs.get(job_id))
        return JobAnswer(success=True, **{name: found[name] for name in JobAnswer.model_fields if name != "success"})

    @router.get("/training-history", responses=errors(422, 503))
    def training_history(limit: int = Query(50, ge=1, le=1000)) -> HistoryAnswer:
        """The retrainings, newest first, with sample counts, figures and learning curves."""
        return HistoryAnswer(success=True, retrainings=[asdict(each) for each in parts.retrainings.history(limit)])

    return router


def _moment(text: str | None) -> datetime | None:
    """An aware time in UTC. Raises: InvalidInput: it is not, or has no zone."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("a zone is missing")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"captured_at {text[:40]!r} is no time: {error}", hint="Write 2026-05-01T12:00:00Z."
        ) from error
