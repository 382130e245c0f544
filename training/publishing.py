"""What a training leaves in MLflow, and the gate: run, registered version, decision, aliases, tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ecosight.ports import Progress, Servable
from ecosight.values import ModelRef
from training.candidate import Candidate
from training.parts import RetrainingParts
from training.plan import Plan, WorkFolder

if TYPE_CHECKING:
    from dataset.versions import DatasetVersion
    from evaluation.classification import ClassificationReport
    from evaluation.gate import GateDecision

__all__ = ["begin_run", "decide", "log_results", "measure", "publish", "settle"]

GATE_FILE = "gate.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The gate's decision about a version, and the champion that it was compared with."""

    ref: ModelRef
    champion: ModelRef | None
    decision: GateDecision


def measure(
    parts: RetrainingParts, servable: Servable, version: DatasetVersion, progress: Progress
) -> ClassificationReport:
    """Measure a servable model on the raw files of the version's test part."""
    from evaluation.evaluator import ModelEvaluator

    return ModelEvaluator(
        servable,
        version.part("test"),
        parts.blobs,
        bootstrap_samples=parts.config.evaluation.bootstrap_samples,
        seed=parts.config.project.seed,
    ).evaluate(progress)


def begin_run(parts: RetrainingParts, plan: Plan, version: DatasetVersion) -> None:
    """What is known before training, so that a failed run shows it too."""
    tracker = parts.tracker
    tracker.log_params(
        {
            **plan.settings.as_dict(),
            **plan.head,
            "seed": plan.seed,
            "dataset": str(version.ref),
            "dataset_digest": version.ref.digest,
            "embedder": plan.embedder["name"],
            "embedder_digest": plan.embedder["digest"],
            "modality": parts.modality.name,
        }
    )
    counts = {part: dict(sorted(Counter(e.label for e in version.part(part)).items())) for part in version.part_counts}
    tracker.log_dataset(version.ref, version.class_counts, counts, source=version.message)
    tracker.log_environment(seed=plan.seed)
    tracker.log_json(dict(plan.trigger), "decisions/trigger.json")


def log_results(parts: RetrainingParts, candidate: Candidate, report: ClassificationReport, work: WorkFolder) -> None:
    """Learning curves, figures of the test part, parity, calibration and plots."""
    tracker = parts.tracker
    tracker.log_history(candidate.history)
    tracker.log_metrics(metrics_of_test(report))
    tracker.log_metrics(
        {
            "best_epoch": candidate.best_epoch,
            "epochs_trained": candidate.epochs_trained,
            "temperature": candidate.calibration.temperature,
            "parity_max_probability_error": candidate.parity["max_probability_error"],
        }
    )
    tracker.log_json(report.as_dict(), "evaluation/report.json")
    tracker.log_json(dict(candidate.parity), "evaluation/parity.json")
    tracker.log_json(candidate.calibration.as_dict(), "evaluation/calibration.json")
    if parts.config.evaluation.generate_plots:
        from evaluation.plots import write_plots

        tracker.log_figures(write_plots(report, work.empty("plots"), history=dict(candidate.history)))


def metrics_of_test(report: ClassificationReport) -> dict[str, float]:
    """The report's figures under the names of the run's metrics: ``test_accuracy``, ``test_recall/<label>``, …"""
    named = {f"test_{name}": value for name, value in report.metrics().items()}
    for name in ("accuracy", "macro_f1"):
        estimate = getattr(report, name)
        if estimate.low is not None and estimate.high is not None:
            named |= {f"test_{name}_low": estimate.low, f"test_{name}_high": estimate.high}
    return named


def publish(parts: RetrainingParts, candidate: Candidate, report: ClassificationReport, plan: Plan) -> ModelRef:
    """Register the artifact as the run's version and make it the challenger."""
    tags = {"ecosight.reason": plan.reason, **_figures(report)}
    ref = parts.registry.register(candidate.folder, run_id=parts.tracker.run.run_id, tags=tags)
    held = parts.registry.alias("challenger")
    if held is None or held.version != ref.version:
        parts.registry.set_alias("challenger", ref, by=plan.job_id, why=plan.reason)
    return ref


def decide(
    parts: RetrainingParts,
    plan: Plan,
    version: DatasetVersion,
    ref: ModelRef,
    report: ClassificationReport,
    work: WorkFolder,
    progress: Progress,
) -> Verdict:
    """Compare with the champion on the same test part, and keep the decision before anything follows from it.

    A decision of an earlier attempt stands, unless somebody else became champion in the meantime.
    """
    from evaluation.gate import decide_gate

    champion = parts.registry.champion()
    known = _known_verdict(work, ref)
    if known is not None and champion in (known.champion, ref):
        return known
    rival = None
    if champion is not None:
        servable = parts.modality.load_servable(parts.registry.fetch(champion))
        rival = measure(parts, servable, version, progress)
    settings = parts.config.evaluation
    decision = decide_gate(
        report,
        rival,
        accuracy_margin=settings.accuracy_margin,
        class_margin=settings.class_margin,
        min_accuracy=plan.min_accuracy,
    )
    verdict = Verdict(ref=ref, champion=champion, decision=decision)
    work.write(GATE_FILE, _verdict_document(verdict))
    return verdict


def settle(parts: RetrainingParts, plan: Plan, verdict: Verdict, candidate: Candidate) -> None:
    """Carry the decision out: record it, tag run and version, and last of all move the alias if it says so."""
    decision = verdict.decision
    word, reasons = ("promoted" if decision.promote else "rejected"), "; ".join(decision.reasons)
    parts.tracker.log_json(_verdict_document(verdict), "decisions/gate.json")
    tags = {"ecosight.verdict": word, "ecosight.gate_reasons": reasons}
    parts.registry.register(candidate.folder, run_id=parts.tracker.run.run_id, tags=tags)
    parts.tracker.set_tags({**tags, "ecosight.model_version": verdict.ref.version})
    if decision.promote and parts.registry.champion() != verdict.ref:
        parts.registry.set_alias("champion", verdict.ref, by=plan.job_id, why=reasons)


def _verdict_document(verdict: Verdict) -> dict[str, Any]:
    return {
        "candidate": asdict(verdict.ref),
        "champion": None if verdict.champion is None else asdict(verdict.champion),
        "decision": verdict.decision.as_dict(),
    }


def _known_verdict(work: WorkFolder, ref: ModelRef) -> Verdict | None:
    from evaluation.gate import replay_gate

    known = work.read(GATE_FILE)
    if known is None or known["candidate"] != asdict(ref):
        return None
    champion = None if known["champion"] is None else ModelRef(**known["champion"])
    return Verdict(ref=ref, champion=champion, decision=replay_gate(known["decision"]["evidence"]))


def _figures(report: ClassificationReport) -> Mapping[str, str]:
    values = {"accuracy": report.accuracy.value, "macro_f1": report.macro_f1.value, "ece": report.ece.value}
    return {name: f"{value:.4f}" for name, value in values.items() if value is not None}
