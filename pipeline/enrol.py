"""Registers a servable model that was made elsewhere: verified, measured, judged by the same gate as a trained one."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ecosight.artifact import open_artifact
from ecosight.errors import Conflict

if TYPE_CHECKING:
    from ecosight.ports import Progress
    from ecosight.values import ModelRef
    from evaluation.classification import ClassificationReport
    from pipeline.wiring import Workbench
    from training.judging import Judgement

__all__ = ["enrol"]


def enrol(bench: Workbench, folder: Path, *, reason: str, dry_run: bool, progress: Progress) -> dict[str, Any]:
    """Register a sealed servable folder; the gate decides whether it becomes champion.

    Args:
        dry_run: measure and judge, and change nothing.
    Returns: sentence, verdict, reasons, accuracy, and the version (None for a dry run).
    Raises: IntegrityError: not a sealed artifact, or it answers its own examples otherwise than recorded.
        NotFound: there is no dataset version to measure it on. Conflict: another champion came in meanwhile.
    """
    from training.judging import LabelledPart, judge, measure
    from training.publishing import waits_for

    description = open_artifact(folder)
    servable = bench.modality.load_servable(folder)
    servable.warm()
    version = bench.datasets.get(None)
    test = LabelledPart(
        entries=version.part("test"), blobs=bench.blobs, caveats=version.caveats, version=version.ref.digest
    )
    measured = measure(bench.retraining, servable, test, progress)
    champion, report = bench.registry.champion(), measured[0]
    least = bench.config.retraining.min_accuracy
    judged = judge(bench.retraining, folder, measured, champion, test, progress, min_accuracy=least)
    decision = judged.decision
    active = bench.rollouts.active()
    waits = waits_for(decision, active.id if active is not None else "")
    verdict = "promoted" if decision.promote and not waits else "rejected"
    ref = None if dry_run else _register(bench, folder, description, report, judged, champion, reason, verdict)
    told = "would be " if dry_run else f"is registered as {ref}: "
    return {
        "sentence": f"{folder} {told}{verdict}",
        "verdict": verdict,
        "reasons": [*waits, *decision.reasons],
        "accuracy": report.accuracy.value,
        "model_version": None if ref is None else ref.version,
    }


def _register(
    bench: Workbench,
    folder: Path,
    description: dict[str, Any],
    report: ClassificationReport,
    judged: Judgement,
    champion: ModelRef | None,
    reason: str,
    verdict: str,
) -> ModelRef:
    from training.publishing import log_verdict, metrics_of_test

    tracker, registry, decision = bench.tracker, bench.registry, judged.decision
    # The tag makes a second try after a crash go on with the same run.
    tags = {"ecosight.job_id": f"register:{description['digest']}", "ecosight.reason": reason}
    with TemporaryDirectory() as made, tracker.start_run(run_name=f"register {folder.name}", tags=tags) as run:
        tracker.log_metrics(metrics_of_test(report))
        tracker.log_json(report.as_dict(), "evaluation/report.json")
        tracker.log_json(decision.as_dict(), "decisions/gate.json")
        if bench.config.evaluation.generate_plots:
            from evaluation.plots import write_plots

            tracker.log_figures(write_plots(report, Path(made), history=None))
        log_verdict(bench.retraining, report, decision, judged.speed, Path(made))
        ref = registry.register(folder, run_id=run.run_id, tags={"ecosight.verdict": verdict})
        registry.set_alias("challenger", ref, by="register", why=reason)
        if verdict == "promoted":
            if registry.champion() not in (champion, ref):
                raise Conflict("another model became champion meanwhile", hint="Register once more.")
            registry.set_alias("champion", ref, by="register", why="; ".join(decision.reasons))
    return ref
