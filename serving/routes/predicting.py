"""POST /predict and /predict/batch."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request, Response

from ecosight.clock import iso
from ecosight.errors import EcosightError, Forbidden, InvalidInput
from ecosight.values import Prediction
from serving.answering import Question
from serving.assembly import Assembly
from serving.errors import json_response, unexpected_error
from serving.multipart import Form, FormFile, read_form
from serving.routes.documenting import errors, form
from serving.schemas import BatchAnswer, PredictAnswer
from serving.security import Guard

__all__ = ["ARM_HEADER", "predicting_routes"]

MAX_KEY = 256
ARM_HEADER = "X-EcoSight-Arm"
_FILE = {"type": "string", "format": "binary", "description": "The recording: wav, mp3, ogg or flac"}
_KEY = {"type": "string", "maxLength": MAX_KEY, "description": "Sticky unit; default: sensor_id, else the request"}
_SENSOR = {"type": "string", "maxLength": MAX_KEY, "description": "The sensor that made the recording"}
_FORM = form({"file": _FILE}, {"key": _KEY, "sensor_id": _SENSOR})
_FORMS = form({"files": {"type": "array", "items": _FILE}}, {"key": _KEY, "sensor_id": _SENSOR})
_ERRORS = errors(408, 413, 415, 422, 429, 503)
_BATCH_ERRORS = errors(408, 413, 422, 429, 503)


def predicting_routes(assembly: Assembly, guard: Guard) -> APIRouter:
    """The routes over one assembly. They write their answers themselves: this is the hot path."""
    router = APIRouter(tags=["predict"])
    answering, admission, limits = assembly.answering, assembly.admission, assembly.limits
    batch_files = assembly.parts.config.serving.batch_files

    @router.post("/predict", responses={200: {"model": PredictAnswer}, **_ERRORS}, openapi_extra=_FORM)
    async def predict(request: Request) -> Response:
        """Classify one recording."""
        began = time.monotonic()
        answering.lease().release()  # with no model, say so before the body comes in
        admission.enter()
        try:
            sent = await read_form(request, file_field="file", max_files=1, max_file_bytes=limits.file_bytes)
            question = Question(data=sent.only_file().data, key=_key(sent), arm=_arm(request, guard))
            with answering.lease() as lease:
                prediction = await answering.answer(question, lease, began)
        finally:
            admission.leave()
        return json_response(_told(prediction))

    @router.post("/predict/batch", responses={200: {"model": BatchAnswer}, **_BATCH_ERRORS}, openapi_extra=_FORMS)
    async def predict_batch(request: Request) -> Response:
        """Classify several recordings with one model; a bad one fails alone."""
        began, places = time.monotonic(), 1
        answering.lease().release()
        admission.enter()
        try:
            sent = await read_form(request, file_field="files", max_files=batch_files, max_file_bytes=limits.file_bytes)
            if not sent.files:
                raise InvalidInput("there is no file in the form field 'files'", hint="curl -F files=@a.wav …")
            key, arm = _key(sent), _arm(request, guard)
            questions = [
                Question(data=file.data, key=key, arm=arm) if file.fault is None else file.fault for file in sent.files
            ]
            admission.widen(len(questions) - 1)
            places = len(questions)
            with answering.lease() as lease:
                results = await answering.answer_all(questions, lease, began)
        finally:
            admission.leave(places)
        return json_response(_told_together(sent.files, results, began))

    return router


def _key(sent: Form) -> str:
    key = sent.fields.get("key") or sent.fields.get("sensor_id") or ""
    if len(key) > MAX_KEY:
        raise InvalidInput(f"the key has {len(key)} characters, more than {MAX_KEY}")
    return key


def _arm(request: Request, guard: Guard) -> str:
    """Whom an operator wants to answer, whatever the key. Raises: Forbidden: asked by somebody else."""
    arm = request.headers.get(ARM_HEADER, "")
    if arm:
        caller = guard.caller(request.scope["headers"])
        if caller is None or not caller.may("operate"):
            raise Forbidden(f"the header {ARM_HEADER} needs a key of the role operate")
    return arm


def _told(prediction: Prediction) -> dict[str, Any]:
    return {
        "success": True,
        "predicted_class": prediction.label,
        "confidence": prediction.probabilities[prediction.label],
        "all_probabilities": prediction.probabilities,
        "processing_time": round(prediction.latency_ms / 1000, 6),
        "timestamp": iso(prediction.made_at),
        "prediction_id": prediction.id,
        "model_version": prediction.model_version,
        "model_digest": prediction.model_digest,
        "variant": prediction.variant,
    }


def _told_together(files: list[FormFile], results: list[Prediction | BaseException], began: float) -> dict[str, Any]:
    told = [{"file": file.name, **_one(result)} for file, result in zip(files, results, strict=True)]
    answered = sum(each["success"] for each in told)
    return {
        "success": answered == len(told),
        "answered": answered,
        "failed": len(told) - answered,
        "results": told,
        "processing_time": round(time.monotonic() - began, 6),
    }


def _one(result: Prediction | BaseException) -> dict[str, Any]:
    if isinstance(result, Prediction):
        return _told(result)
    error = result.as_dict() if isinstance(result, EcosightError) else unexpected_error(result)
    return {"success": False, "error": error}
