"""Runs one training in this process, through the queue of jobs: never two at a time, resumable by any process."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.config import Config
from ecosight.errors import AlreadyRunning, EcosightError, InvalidInput, from_dict
from ecosight.ports import Progress
from training.parts import RetrainingParts

if TYPE_CHECKING:
    from ecosight.state.jobs import Job, JobQueue
    from ecosight.state.retrainings import RetrainingRecord
    from ecosight.worker import Farewell, Handler

__all__ = ["KIND", "retrain_farewell", "retrain_handler", "run_here", "with_training", "with_yamnet"]

KIND = "retrain"


def retrain_handler(parts: RetrainingParts) -> Handler:
    """What a worker does with a job of this kind; its result is the history's row."""

    def handler(job: Job, progress: Progress) -> dict[str, Any]:
        from training.retraining import run_retraining

        asked = {key: job.payload[key] for key in ("epochs", "min_accuracy", "dataset") if key in job.payload}
        return run_retraining(
            parts,
            job_id=job.id,
            reason=_reason(job),
            last_attempt=job.attempt >= job.max_attempts,
            progress=progress,
            **asked,
        ).as_dict()

    return handler


def retrain_farewell(parts: RetrainingParts) -> Farewell:
    """What a worker does with a job of this kind that is given up."""

    def farewell(job: Job, error: EcosightError) -> None:
        from training.retraining import give_up

        give_up(parts, job_id=job.id, reason=_reason(job), error=error)

    return farewell


def run_here(
    parts: RetrainingParts, jobs: JobQueue, payload: Mapping[str, Any], *, progress: Progress
) -> RetrainingRecord:
    """Queue a training and see it through in this process.

    A training that a killed process left behind is gone on with, in place of a new one.

    Args:
        payload: arguments of ``run_retraining``: reason, and perhaps epochs, min_accuracy, dataset.
    Raises: AlreadyRunning: another process is at it. As ``run_retraining``.
    """
    from ecosight.worker import run_worker

    job_id = _queued(parts, jobs, payload)
    run_worker(
        jobs,
        {KIND: retrain_handler(parts)},
        once=True,
        stop=threading.Event(),
        progress=progress,
        farewells={KIND: retrain_farewell(parts)},
    )
    job = jobs.get(job_id)
    if not job.finished:
        raise AlreadyRunning(
            f"another worker took the training {job_id}",
            hint="Look at its job, then at the history.",
            running_id=job_id,
        )
    if job.status != "succeeded":
        raise from_dict(job.error or {"code": "cancelled", "message": f"job {job_id} was cancelled"})
    return next(record for record in parts.retrainings.history() if record.job_id == job_id)


def with_training(config: Config, changes: Mapping[str, Any]) -> Config:
    """The configuration with other values in its section ``training``, checked as if they had been configured.

    Raises: InvalidInput: an unknown key or a value that cannot be.
    """
    from pydantic import ValidationError

    section = type(config.training)
    unknown = sorted(set(changes) - set(section.model_fields))
    if unknown:
        raise InvalidInput(
            f"there is no training setting {unknown[0]!r}", hint=f"Known: {', '.join(section.model_fields)}."
        )
    try:
        changed = section.model_validate(config.training.model_dump() | dict(changes))
    except ValidationError as error:
        faults = [f"{each['loc'][0]}: {each['msg']} (got {each['input']!r})" for each in error.errors()]
        raise InvalidInput("; ".join(faults), hint="docs/configuration.md tells what each may be.") from error
    return config.model_copy(update={"training": changed})


def with_yamnet(parts: RetrainingParts, yamnet_model: Any) -> RetrainingParts:
    """The same parts, embedding by the YAMNet that is given.

    Args:
        yamnet_model: a tensorflow_hub handle, a folder with a SavedModel, or a model that ``hub.load`` or
            ``tf.saved_model.load`` returned: it is saved into the cache folder, since what embeds in training must be
            compiled into the model that is served, byte for byte.
    Raises: InvalidInput: the project's samples are no sounds, or the object is no SavedModel.
    """
    from ecosight.plugins import open_modality

    if parts.modality.name != "sound":
        raise InvalidInput(f"yamnet_model embeds sounds, this project's samples are of {parts.modality.name!r}")
    place = str(yamnet_model) if isinstance(yamnet_model, str | Path) else str(_saved(parts.config, yamnet_model))
    sound = parts.config.sound.model_copy(update={"embedder": "yamnet", "yamnet_model": place})
    config = parts.config.model_copy(update={"sound": sound})
    return replace(parts, config=config, modality=open_modality(config))


def _reason(job: Job) -> str:
    return str(job.payload.get("reason", "manual"))


def _queued(parts: RetrainingParts, jobs: JobQueue, payload: Mapping[str, Any]) -> str:
    try:
        return jobs.enqueue(KIND, payload, exclusive=True).id
    except AlreadyRunning as running:
        job = jobs.get(str(running.context["running_id"]))
        if job.status == "running" and job.lease_until is not None and job.lease_until > parts.clock.now():
            raise
        return job.id


def _saved(config: Config, model: Any) -> Path:
    """The model as a SavedModel in the cache folder, named by its weights."""
    import shutil

    import tensorflow as tf

    folder = config.cache_folder / "given_yamnet" / _weights_digest(model)
    if not (folder / "saved_model.pb").is_file():
        partial = folder.with_suffix(f".{os.getpid()}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        tf.saved_model.save(model, str(partial))
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    return folder


def _weights_digest(model: Any) -> str:
    import tensorflow as tf

    digest, found = hashlib.sha256(), 0
    # What hub.load returns has no list of its variables: they hang somewhere below it.
    parts = tf.train.TrackableView(model).descendants() if hasattr(model, "_trackable_children") else []
    for part in parts:
        if isinstance(part, tf.Variable):
            digest.update(f"{part.name} {part.shape} {part.dtype.name}".encode())
            digest.update(part.numpy().tobytes())
            found += 1
    if not found or not callable(model):
        raise InvalidInput(
            f"yamnet_model must be a handle, a folder or a loaded SavedModel, not {type(model).__name__}",
            hint="Pass None to use the configured embedder.",
        )
    return digest.hexdigest()[:32]
