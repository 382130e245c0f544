"""A retraining from accepted samples to the gate's verdict: every step once, however often it is begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecosight.errors import Cancelled, Conflict, EcosightError, InputError, NotEnoughData, NotFound, Refused, from_dict
from ecosight.logs import get_logger
from ecosight.ports import Progress
from ecosight.progress import NullProgress
from training.augmentation import check_recipe, plan_augmentation
from training.candidate import Candidate, check_enough, make_candidate
from training.parts import RetrainingParts, open_parts
from training.plan import Plan, WorkFolder
from training.settings import FitSettings, head_options
from training.trigger import TriggerDecision, check_trigger, decide_trigger, look_at_trigger

if TYPE_CHECKING:
    from dataset.versions import DatasetVersion
    from ecosight.state.retrainings import RetrainingRecord
    from evaluation.classification import ClassificationReport
    from training.publishing import Verdict

__all__ = [
    "RetrainingParts",
    "TriggerDecision",
    "check_trigger",
    "decide_trigger",
    "give_up",
    "open_parts",
    "record_failure",
    "run_retraining",
]

FINAL = (InputError, Refused, NotEnoughData)
"""Errors that another attempt would only repeat, as the worker sees it."""


def run_retraining(
    parts: RetrainingParts,
    *,
    job_id: str,
    reason: str,
    epochs: int | None = None,
    min_accuracy: float | None = None,
    dataset: str | int | None = None,
    last_attempt: bool = True,
    progress: Progress | None = None,
) -> RetrainingRecord:
    """Train, measure, register and judge one model.

    Killed at any moment and called again with the same ``job_id``, it goes on where it was and leaves one dataset
    version, one run, one registered version, one row of history and the right aliases.

    Args:
        epochs, min_accuracy: instead of the configured ones; those of the first attempt count.
        dataset: a version to train on as it is; None: the newest one together with all accepted samples.
        last_attempt: False leaves no row behind when an error may pass (a store that is away), since the same job
            will be tried again.
    Returns: the row of the history. Verdict ``promoted`` or ``rejected``.
    Raises: NotEnoughData: a class or a part lacks samples. Refused: the parity check failed. Unavailable: a store or
        device. Cancelled: to be gone on with. Those but Cancelled leave a row with the verdict ``failed``, so that
        the trigger does not fire again at once; called once more for such a job, it raises the same error.
    """
    told = _recorded(parts, job_id)
    work = WorkFolder(parts.config.work_folder, job_id)
    if told is not None:
        work.remove()
        return _told_again(told)
    wish = _Wish(job_id=job_id, reason=reason, epochs=epochs, min_accuracy=min_accuracy, dataset=dataset)
    try:
        record = _retrain(parts, work, wish, progress or NullProgress())
        parts.retrainings.add(record)
    except Cancelled:
        raise
    except Exception as error:
        if last_attempt or isinstance(error, FINAL):
            _try_to_record(parts, job_id, reason, error)
        raise
    work.remove()
    return record


def record_failure(parts: RetrainingParts, *, job_id: str, reason: str, error: Exception) -> None:
    """Leave the row of a job that came to nothing; its samples count as seen. A row that is there stays."""
    from ecosight.state.leases import error_row
    from ecosight.state.retrainings import RetrainingRecord

    work, now = WorkFolder(parts.config.work_folder, job_id), parts.clock.now()
    plan = work.known_plan()
    outcome: dict[str, Any] = {"verdict": "failed", "reasons": [str(error)], "error": error_row(error)}
    if plan is not None:
        record = _record(parts, plan, parts.datasets.get(plan.dataset_digest), outcome)
    else:
        counts = parts.samples.counts_by_label()
        record = RetrainingRecord(
            job_id=job_id,
            started_at=now,
            finished_at=now,
            reason=reason,
            sample_counts=counts,
            total_samples=sum(counts.values()),
            **outcome,
        )
    parts.retrainings.add(record)
    work.remove()


def give_up(parts: RetrainingParts, *, job_id: str, reason: str, error: EcosightError) -> None:
    """Close what a job began whose workers died too often: its row says so, its run has failed, no folder is left.

    May be killed and called again. Raises: Unavailable: a store; what lies in it is still to be closed.
    """
    record_failure(parts, job_id=job_id, reason=reason, error=error)
    parts.tracker.fail_run_of_job(job_id, error)


def _try_to_record(parts: RetrainingParts, job_id: str, reason: str, error: Exception) -> None:
    try:
        record_failure(parts, job_id=job_id, reason=reason, error=error)
    except EcosightError as second:  # the stores are away too: the first error is the one to tell
        get_logger("training").warning("the failure could not be recorded", job=job_id, error=second.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the caller asked for; the plan is made of it once."""

    job_id: str
    reason: str
    epochs: int | None
    min_accuracy: float | None
    dataset: str | int | None


def _retrain(parts: RetrainingParts, work: WorkFolder, wish: _Wish, progress: Progress) -> RetrainingRecord:
    from training import publishing

    work.sweep()
    plan = work.plan(lambda: _plan(parts, wish))
    version = parts.datasets.get(plan.dataset_digest)
    warnings = check_enough(version)
    _check_embedder(parts, plan)
    check_recipe(parts.config, plan.augmentation)
    tags = {"ecosight.job_id": plan.job_id, "ecosight.reason": plan.reason}
    with parts.tracker.start_run(run_name=f"{version.ref} {plan.job_id}", tags=tags) as run:
        publishing.begin_run(parts, plan, version)
        candidate = make_candidate(parts, plan, version, work, progress)
        progress.checkpoint()
        servable = parts.modality.load_servable(candidate.folder)
        measured = publishing.measure(parts, servable, version, progress)
        report, _ = measured
        progress.checkpoint()
        publishing.log_results(parts, candidate, report, work)
        ref = publishing.publish(parts, candidate, report, plan)
        verdict = publishing.decide(parts, plan, version, ref, measured, work, progress)
        publishing.settle(parts, plan, verdict, candidate, report, work)
        run_id = run.run_id
    outcome = _outcome(candidate, report, verdict, run_id, warnings)
    return _record(parts, plan, version, outcome)


def _plan(parts: RetrainingParts, wish: _Wish) -> Plan:
    """Fix what is trained on, and how."""
    config, embedder = parts.config, parts.modality.embedder()
    trigger = look_at_trigger(parts.samples, parts.retrainings, config.retraining.min_new_samples)
    version = _version(parts, wish.reason) if wish.dataset is None else parts.datasets.get(wish.dataset)
    return Plan(
        job_id=wish.job_id,
        reason=wish.reason,
        started_at=parts.clock.now(),
        dataset_digest=version.ref.digest,
        new_samples=_new_samples(parts, version),
        embedder={"name": embedder.name, "digest": embedder.digest},
        settings=FitSettings.from_config(config, epochs=wish.epochs),
        head=head_options(config, len(version.part("train"))),
        seed=config.project.seed,
        min_accuracy=config.retraining.min_accuracy if wish.min_accuracy is None else wish.min_accuracy,
        trigger=trigger.as_dict(),
        augmentation=plan_augmentation(config),
    )


def _version(parts: RetrainingParts, reason: str) -> DatasetVersion:
    """The newest version with every accepted sample in it; a new one only if one is missing there."""
    labelled = [sample for sample in parts.samples.all() if sample.label is not None]
    head = parts.datasets.head()
    known = frozenset() if head is None else head.sample_ids
    missing = [sample for sample in labelled if sample.id not in known]
    if head is not None and not missing:
        return head
    return parts.datasets.commit(missing, message=f"{len(missing)} samples for training: {reason}")


def _new_samples(parts: RetrainingParts, version: DatasetVersion) -> int:
    last = parts.retrainings.latest()
    if last is None or not last.dataset_digest:
        return max(0, len(version.entries) - (last.total_samples if last else 0))
    try:
        return len(version.sample_ids - parts.datasets.get(last.dataset_digest).sample_ids)
    except NotFound:  # the dataset was begun anew since then
        return len(version.entries)


def _check_embedder(parts: RetrainingParts, plan: Plan) -> None:
    embedder = parts.modality.embedder()
    if embedder.digest != plan.embedder["digest"]:
        raise Conflict(
            f"job {plan.job_id} began with the embedder {plan.embedder['name']} {plan.embedder['digest'][:12]}, "
            f"now {embedder.name} {embedder.digest[:12]} is configured",
            hint="Set the old one to finish the job, or start another.",
        )


def _outcome(
    candidate: Candidate, report: ClassificationReport, verdict: Verdict, run_id: str, warnings: list[str]
) -> dict[str, Any]:
    return {
        "verdict": "promoted" if verdict.promotes else "rejected",
        "reasons": [*verdict.reasons, *warnings],
        "epochs_trained": candidate.epochs_trained,
        "accuracy": report.accuracy.value,
        "macro_f1": report.macro_f1.value,
        "model_version": verdict.ref.version,
        "model_digest": verdict.ref.digest,
        "run_id": run_id,
        "history": candidate.history,
    }


def _record(
    parts: RetrainingParts, plan: Plan, version: DatasetVersion, outcome: Mapping[str, Any]
) -> RetrainingRecord:
    from ecosight.state.retrainings import RetrainingRecord

    finished = parts.clock.now()
    return RetrainingRecord(
        job_id=plan.job_id,
        started_at=plan.started_at,
        finished_at=finished,
        duration_s=max(0.0, (finished - plan.started_at).total_seconds()),
        reason=plan.reason,
        new_samples=plan.new_samples,
        dataset=str(version.ref),
        dataset_version=version.ref.version,
        dataset_digest=version.ref.digest,
        sample_counts=dict(version.class_counts),
        total_samples=len(version.entries),
        **outcome,
    )


def _recorded(parts: RetrainingParts, job_id: str) -> RetrainingRecord | None:
    return next((record for record in parts.retrainings.history() if record.job_id == job_id), None)


def _told_again(record: RetrainingRecord) -> RetrainingRecord:
    """The record of a finished job; the error of a failed one, with the class it had."""
    if record.verdict == "failed":
        raise from_dict(record.error or {"message": f"job {record.job_id} failed"})
    return record
