"""What makes the model better: truths told, recordings given, retrainings started. Knows no HTTP; blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dataset.intake import Receipt
from dataset.labels import check_label
from ecosight.errors import AlreadyRunning, InvalidInput, NotEnoughData, NotFound
from ecosight.state.jobs import Job
from ecosight.values import Outcome, Prediction
from serving.figures import RETRAIN
from serving.metrics import Metrics
from serving.parts import ServingParts

__all__ = ["Learning", "Told", "Upload", "Uploaded"]

_ID = re.compile(r"[a-z]{1,16}_[0-9a-z]{1,40}")
"""Ids are looked up in the database, which not every string can be brought to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A truth about a prediction. ``recorded`` is False when it was known already."""

    prediction: Prediction
    truth: str
    recorded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A labelled recording as a client sent it; empty strings stand for what was left out."""

    data: bytes
    source: str
    label: str
    group: str = ""
    captured_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What became of an upload, and where the trigger stands. ``job_id``: the retraining it started, or that runs."""

    receipt: Receipt
    new_samples: int
    retraining_started: bool
    job_id: str | None


class Learning:
    """Changes what later models learn from. Thread-safe."""

    def __init__(self, parts: ServingParts, metrics: Metrics) -> None:
        self._parts, self._metrics = parts, metrics

    def tell(self, prediction_id: str, label: str, annotator: str) -> Told:
        """Join the truth to a prediction; telling it twice is telling it once.

        Raises: NotFound: no such prediction. InvalidInput: that is no label.
        """
        truth, log = check_label(label), self._parts.predictions
        prediction = log.get(prediction_id) if _ID.fullmatch(prediction_id) else None
        if prediction is None:
            raise NotFound(f"there is no prediction {prediction_id!r}", hint="/predict answers with its id.")
        now = self._parts.clock.now()
        recorded = log.add_outcome(Outcome(prediction_id=prediction.id, truth=truth, told_at=now, annotator=annotator))
        if recorded:
            self._metrics.feedback(correct=prediction.label == truth)
        return Told(prediction=prediction, truth=truth, recorded=recorded)

    def take_in(self, upload: Upload) -> Uploaded:
        """Accept a labelled recording; the one that reaches the threshold starts a retraining.

        Raises: as ``Intake.accept``. InvalidInput: no label, or ``captured_at`` is no time with a zone.
        """
        if not upload.label:
            raise InvalidInput("the form field 'class_name' is missing", hint="curl -F class_name=dog_bark …")
        receipt = self._parts.intake.accept(
            upload.data,
            label=upload.label,
            source=upload.source,
            group=upload.group or None,
            captured_at=_moment(upload.captured_at),
            origin="upload",
        )
        self._metrics.upload(receipt.status)
        reached, new_samples = self._parts.check_trigger()
        job_id, started = None, False
        # Only something new may start a retraining: else one that failed would be started by every duplicate.
        if reached and receipt.status == "accepted" and self._parts.config.retraining.automatic:
            job_id, started = self._start_by_itself(new_samples)
        return Uploaded(receipt=receipt, new_samples=new_samples, retraining_started=started, job_id=job_id)

    def retrain(
        self, reason: str, *, epochs: int | None, min_accuracy: float | None, min_new_samples: int | None
    ) -> Job:
        """Queue a retraining.

        Raises: AlreadyRunning: one is unfinished. NotEnoughData: fewer new recordings than asked for.
        """
        if min_new_samples is not None:
            _, new_samples = self._parts.check_trigger()
            if new_samples < min_new_samples:
                raise NotEnoughData(
                    f"{new_samples} new recordings came in since the last training, {min_new_samples} are asked for",
                    hint="Upload more, or ask for less.",
                    new_samples=new_samples,
                    min_new_samples=min_new_samples,
                )
        settings = {"epochs": epochs, "min_accuracy": min_accuracy}
        payload: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
        return self._parts.jobs.enqueue(RETRAIN, {"reason": reason, **payload}, exclusive=True)

    def job(self, job_id: str) -> Job:
        """Raises: NotFound."""
        if not _ID.fullmatch(job_id):
            raise NotFound(f"there is no job {job_id[:64]!r}", hint="/retrain answers with its id.")
        return self._parts.jobs.get(job_id)

    def _start_by_itself(self, new_samples: int) -> tuple[str, bool]:
        reason = f"{new_samples} new recordings were uploaded"
        try:
            return self._parts.jobs.enqueue(RETRAIN, {"reason": reason}, exclusive=True).id, True
        except AlreadyRunning as error:
            return str(error.context["running_id"]), False


def _moment(text: str) -> datetime | None:
    """An aware time in UTC. Raises: InvalidInput: it is no time, or has no zone."""
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
