"""The shapes of requests and answers, for validation at the edge and for the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = [
    "BatchAnswer",
    "ErrorAnswer",
    "FeedbackAnswer",
    "FeedbackRequest",
    "HealthAnswer",
    "HistoryAnswer",
    "JobAnswer",
    "PredictAnswer",
    "RetrainAnswer",
    "RetrainRequest",
    "StatusAnswer",
    "UploadAnswer",
]

Line = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text of one line: no control characters."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class ErrorDetail(_Model):
    code: str = Field(examples=["unreadable_media"])
    message: str = Field(examples=["the file breaks off after 0.31 s"])
    hint: str = Field(examples=["Send the whole file."])
    context: dict[str, Any] = Field(default_factory=dict)


class ErrorAnswer(_Model):
    """Every answer that is no success has this shape."""

    success: Literal[False]
    error: ErrorDetail


class PredictAnswer(_Model):
    success: Literal[True]
    predicted_class: str = Field(examples=["dog_bark"])
    confidence: float = Field(examples=[0.9823], description="Calibrated probability of the predicted class")
    all_probabilities: dict[str, float] = Field(examples=[{"dog_bark": 0.9823, "gun_shot": 0.0177}])
    processing_time: float = Field(examples=[0.021], description="Seconds from the request to the answer")
    timestamp: str = Field(examples=["2026-05-01T12:00:00.000Z"])
    prediction_id: str = Field(examples=["pred_01jz8q3v5k7m9n2p4r6s8t0v1w"], description="Give it to /feedback")
    model_version: str = Field(examples=["3"])
    model_digest: str
    variant: Literal["champion"]


class BatchItem(_Model):
    file: str = Field(examples=["a.wav"])
    success: bool
    error: ErrorDetail | None = None
    predicted_class: str | None = None
    confidence: float | None = None
    all_probabilities: dict[str, float] | None = None
    processing_time: float | None = None
    timestamp: str | None = None
    prediction_id: str | None = None
    model_version: str | None = None
    model_digest: str | None = None
    variant: str | None = None


class BatchAnswer(_Model):
    """Results in the order of the files; every file was answered by the same model."""

    success: bool = Field(description="Whether every file was answered")
    answered: int
    failed: int
    results: list[BatchItem]
    processing_time: float


class FeedbackRequest(_Model):
    prediction_id: Annotated[Line, Field(min_length=1, max_length=64, examples=["pred_01jz8q3v5k7m9n2p4r6s8t0v1w"])]
    true_label: Annotated[str, Field(min_length=1, max_length=200, examples=["gun_shot"])]
    annotator: Annotated[Line, Field(max_length=100, examples=["ranger 7"])] = ""


class FeedbackAnswer(_Model):
    success: Literal[True]
    prediction_id: str
    true_label: str
    predicted_class: str
    correct: bool
    recorded: bool = Field(description="False when this was known already")
    label_known: bool = Field(description="Whether the model that answered could have given this label")


class UploadAnswer(_Model):
    success: Literal[True]
    status: Literal["accepted", "duplicate"]
    sample_id: str
    class_name: str
    new_samples: int = Field(description="Distinct recordings accepted since the last training")
    threshold: int
    retraining_started: bool
    job_id: str | None = Field(description="The retraining that this upload started, or that runs already")


class RetrainRequest(_Model):
    trigger_reason: Annotated[Line, Field(max_length=200, examples=["monthly retraining"])] = "manual"
    epochs: Annotated[int | None, Field(strict=True, ge=1, le=10_000, examples=[100])] = None
    min_accuracy: Annotated[float | None, Field(ge=0, le=1, allow_inf_nan=False, examples=[0.9])] = None
    min_new_samples: Annotated[int | None, Field(strict=True, ge=0, le=1_000_000_000, examples=[100])] = None


class RetrainAnswer(_Model):
    success: Literal[True]
    job_id: str
    status: str = Field(examples=["queued"])
    location: str = Field(examples=["/jobs/job_01jz8q3v5k7m9n2p4r6s8t0v1w"])


class JobAnswer(_Model):
    success: Literal[True]
    id: str
    kind: str = Field(examples=["retrain"])
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    attempt: int
    max_attempts: int
    payload: dict[str, Any]
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class StatusAnswer(BaseModel):
    """What runs here. Figures whose store cannot be reached are null, and ``unreachable`` says why."""

    model_config = ConfigDict(protected_namespaces=())

    success: Literal[True]
    ready: bool
    model_name: str | None
    model_version: str | None
    model_digest: str | None
    classes: list[str]
    embedder: str | None = Field(examples=["logmel"])
    engine: str | None = Field(examples=["onnxruntime"])
    loaded_at: str | None
    uptime_s: float
    accuracy: dict[str, Any]
    counts: dict[str, Any]
    retraining: dict[str, Any]
    registry_fault: dict[str, Any] | None
    unreachable: dict[str, str]


class HistoryAnswer(_Model):
    success: Literal[True]
    retrainings: list[dict[str, Any]] = Field(description="Newest first, each with its learning curves")


class HealthAnswer(_Model):
    status: Literal["alive", "ready", "not ready"]
    reasons: dict[str, str] = Field(default_factory=dict, examples=[{"database": "it cannot be reached"}])
