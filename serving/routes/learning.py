"""POST /feedback, /upload and /retrain, GET /jobs/{id} and /training-history."""

from __future__ import annotations

from dataclasses import asdict

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request, Response

from serving.assembly import Assembly
from serving.errors import json_response
from serving.learning import Learning, Upload, Uploaded
from serving.multipart import read_form
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
_UPLOAD = {200: {"model": UploadAnswer}, **errors(408, 409, 413, 415, 422, 429, 503)}


def learning_routes(assembly: Assembly) -> APIRouter:
    """The routes over one assembly."""
    router = APIRouter(tags=["learn"])
    learning = Learning(assembly.parts, assembly.metrics)
    _add_contributing(router, assembly, learning)
    _add_retraining(router, assembly, learning)
    return router


def _add_contributing(router: APIRouter, assembly: Assembly, learning: Learning) -> None:
    # Uploads are decoded whole; more at once would only take the cores from predictions.
    threads = CapacityLimiter(2)

    @router.post("/feedback", responses=errors(404, 422, 503))
    def feedback(sent: FeedbackRequest) -> FeedbackAnswer:
        """Tell the truth about a prediction, now or days later. Telling it twice is telling it once."""
        told = learning.tell(sent.prediction_id, sent.true_label, sent.annotator)
        return FeedbackAnswer(
            success=True,
            prediction_id=told.prediction.id,
            true_label=told.truth,
            predicted_class=told.prediction.label,
            correct=told.prediction.label == told.truth,
            recorded=told.recorded,
            label_known=told.truth in told.prediction.probabilities,
        )

    @router.post("/upload", responses=_UPLOAD, openapi_extra=_FORM)
    async def upload(request: Request) -> Response:
        """Give a labelled recording. Enough of them start a retraining."""
        assembly.admission.enter()
        try:
            sent = await read_form(request, file_field="file", max_files=1, max_file_bytes=assembly.limits.file_bytes)
            file, fields = sent.only_file(), sent.fields
            given = Upload(
                data=file.data,
                source=file.name,
                label=fields.get("class_name", ""),
                group=fields.get("group", ""),
                captured_at=fields.get("captured_at", ""),
            )
            uploaded = await to_thread.run_sync(learning.take_in, given, limiter=threads)
        finally:
            assembly.admission.leave()
        threshold = assembly.parts.config.retraining.min_new_samples
        return json_response(_uploaded(uploaded, threshold).model_dump())


def _uploaded(uploaded: Uploaded, threshold: int) -> UploadAnswer:
    sample = uploaded.receipt.sample
    return UploadAnswer(
        success=True,
        status=uploaded.receipt.status,
        sample_id=sample.id,
        class_name=sample.label or "",
        new_samples=uploaded.new_samples,
        threshold=threshold,
        retraining_started=uploaded.retraining_started,
        job_id=uploaded.job_id,
    )


def _add_retraining(router: APIRouter, assembly: Assembly, learning: Learning) -> None:
    @router.post("/retrain", status_code=202, responses=errors(409, 422, 503))
    def retrain(wanted: RetrainRequest | None = None) -> RetrainAnswer:
        """Start a retraining; the job id shows how it goes. Only one runs at a time."""
        wanted = wanted or RetrainRequest()
        job = learning.retrain(
            wanted.trigger_reason or "manual",
            epochs=wanted.epochs,
            min_accuracy=wanted.min_accuracy,
            min_new_samples=wanted.min_new_samples,
        )
        return RetrainAnswer(success=True, job_id=job.id, status=job.status, location=f"/jobs/{job.id}")

    @router.get("/jobs/{job_id}", responses=errors(404, 422, 503))
    def job(job_id: str) -> JobAnswer:
        """How a job goes."""
        found = asdict(learning.job(job_id))
        return JobAnswer(success=True, **{name: found[name] for name in JobAnswer.model_fields if name != "success"})

    @router.get("/training-history", responses=errors(422, 503))
    def training_history(limit: int = Query(50, ge=1, le=1000)) -> HistoryAnswer:
        """The retrainings, newest first, with sample counts, figures and learning curves."""
        found = assembly.parts.retrainings.history(limit)
        return HistoryAnswer(success=True, retrainings=[asdict(each) for each in found])
