"""Registers a servable model that was made elsewhere: verified, measured, judged by the same gate as a trained one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.artifact import open_artifact
from ecosight.errors import Conflict

if TYPE_CHECKING:
    from dataset.versions import DatasetVersion
    from ecosight.ports import Progress, Servable
    from ecosight.values import ModelRef
    from evaluation.classification import ClassificationReport
    from evaluation.gate import GateDecision
    from pipeline.wiring import Workbench

__all__ = ["enrol"]


def enrol(bench: Workbench, folder: Path, *, reason: str, dry_run: bool, progress: Progress) -> dict[str, Any]:
    """Register a sealed servable folder; the gate decides whether it becomes champion.

    Args:
        dry_run: measure and judge, and change nothing.
    Returns: sentence, verdict, reasons, accuracy, and the version (None for a dry run).
    Raises: IntegrityError: not a sealed artifact, or it answers its own examples otherwise than recorded.
        NotFound: there is no dataset version to measure it on. Conflict: another champion came in meanwhile.
    """
    description = open_artifact(folder)
    servable = bench.modality.load_servable(folder)
    servable.warm()
    version = bench.datasets.get(None)
    report = _measure(bench, servable, version, progress)
    champion = bench.registry.champion()
    decision = _judge(bench, report, champion, version, progress)
    verdict = "promoted" if decision.promote else "rejected"
    ref = None if dry_run else _register(bench, folder, description, version, report, decision, champion, reason)
    told = "would be " if dry_run else f"is registered as {ref}: "
    return {
        "sentence": f"{folder} {told}{verdict}",
        "verdict": verdict,
        "reasons": list(decision.reasons),
        "accuracy": report.accuracy.value,
        "model_version": None if ref is None else ref.version,
    }


def _measure(bench: Workbench, servable: Servable, version: DatasetVersion, progress: Progress) -> ClassificationReport:
    from training.publishing import measure

    return measure(bench.retraining, servable, version, progress)


def _judge(
    bench: Workbench,
    report: ClassificationReport,
    champion: ModelRef | None,
    version: DatasetVersion,
    progress: Progress,
) -> GateDecision:
    from evaluation.gate import decide_gate

    rival = None
    if champion is not None:
        servable = bench.modality.load_servable(bench.registry.fetch(champion))
        rival = _measure(bench, servable, version, progress)
    settings = bench.config.evaluation
    return decide_gate(
        report,
        rival,
        accuracy_margin=settings.accuracy_margin,
        class_margin=settings.class_margin,
        min_accuracy=bench.config.retraining.min_accuracy,
    )


def _register(
    bench: Workbench,
    folder: Path,
    description: dict[str, Any],
    version: DatasetVersion,
    report: ClassificationReport,
    decision: GateDecision,
    champion: ModelRef | None,
    reason: str,
) -> ModelRef:
    from training.publishing import metrics_of_test

    tracker, registry = bench.tracker, bench.registry
    verdict = "promoted" if decision.promote else "rejected"
    # The tag makes a second try after a crash go on with the same run.
    tags = {"ecosight.job_id": f"register:{description['digest']}", "ecosight.reason": reason}
    with tracker.start_run(run_name=f"register {folder.name}", tags=tags) as run:
        tracker.log_metrics(metrics_of_test(report))
        tracker.log_json(report.as_dict(), "evaluation/report.json")
        tracker.log_json(decision.as_dict(), "decisions/gate.json")
        ref = registry.register(folder, run_id=run.run_id, tags={"ecosight.verdict": verdict})
        registry.set_alias("challenger", ref, by="register", why=reason)
        if decision.promote:
            if registry.champion() not in (champion, ref):
                raise Conflict("another model became champion meanwhile", hint="Register once more.")
            registry.set_alias("champion", ref, by="register", why="; ".join(decision.reasons))
    return ref
