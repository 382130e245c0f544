"""What a training leaves in MLflow, and the gate: run, registered version, decision, aliases, tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.ports import Progress, Servable
from ecosight.values import ModelRef
from training import judging
from training.candidate import Candidate
from training.judging import LabelledPart
from training.parts import RetrainingParts
from training.plan import Plan, WorkFolder

if TYPE_CHECKING:
    from dataset.versions import DatasetVersion
    from evaluation.classification import ClassificationReport
    from evaluation.gates import GateDecision
    from evaluation.predictions import Predictions
    from evaluation.speed import SpeedReport

__all__ = ["begin_run", "decide", "log_results", "log_verdict", "measure", "publish", "settle"]

GATE_FILE = "gate.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The gate's decision about a version, the champion that it was compared with, and its speed where measured.

    Attributes:
        rollout_id: under way when it was decided. Until its end the rollout says who answers, and its end moves the
            alias: a model that came between would be lost, or be what a rollback goes back to, unseen by any client.
    """

    ref: ModelRef
    champion: ModelRef | None
    decision: GateDecision
    speed: SpeedReport | None = None
    rollout_id: str = ""

    @property
    def promotes(self) -> bool:
        """Whether the version becomes champion."""
        return self.decision.promote and not self.rollout_id

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it does or does not, the gravest first."""
        return (*waits_for(self.decision, self.rollout_id), *self.decision.reasons)


def waits_for(decision: GateDecision, rollout_id: str) -> tuple[str, ...]:
    """The sentence that tells why a model that passed the gate does not become champion; none, where it does."""
    if not (decision.promote and rollout_id):
        return ()
    return (f"rollout {rollout_id} is under way: it moves the champion, so this model waits as challenger",)


def measure(
    parts: RetrainingParts, servable: Servable, version: DatasetVersion, progress: Progress
) -> tuple[ClassificationReport, Predictions]:
    """Measure a servable model on the raw files of the version's test part; see ``judging.measure``."""
    return judging.measure(parts, servable, _test_part(parts, version), progress)


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
            **_augmentation_params(plan),
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
            "augmented_rows": candidate.variants,
        }
    )
    tracker.log_json(report.as_dict(), "evaluation/report.json")
    tracker.log_json(dict(candidate.parity), "evaluation/parity.json")
    tracker.log_json(candidate.calibration.as_dict(), "evaluation/calibration.json")
    if parts.config.evaluation.generate_plots:
        from evaluation.plots import write_plots

        tracker.log_figures(write_plots(report, work.empty("plots"), history=dict(candidate.history)))


def _augmentation_params(plan: Plan) -> dict[str, Any]:
    """The recipe under the names of the run's params: ``augmentation_variants`` alone where nothing is varied."""
    told = {f"augmentation_{name}": value for name, value in plan.augmentation.items()}
    if "techniques" in plan.augmentation:
        told["augmentation_techniques"] = ",".join(plan.augmentation["techniques"])
    return told


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
    measured: tuple[ClassificationReport, Predictions],
    work: WorkFolder,
    progress: Progress,
) -> Verdict:
    """Compare with the champion on the same test part, and keep the decision before anything follows from it.

    A decision of an earlier attempt stands, unless somebody else became champion in the meantime.
    """
    champion = parts.registry.champion()
    known = _known_verdict(work, ref)
    if known is not None and champion in (known.champion, ref):
        return known
    judged = judging.judge(
        parts,
        parts.registry.fetch(ref),
        measured,
        champion,
        _test_part(parts, version),
        progress,
        min_accuracy=plan.min_accuracy,
    )
    active = parts.rollouts.active()
    rollout_id = active.id if active is not None else ""
    verdict = Verdict(ref=ref, champion=champion, decision=judged.decision, speed=judged.speed, rollout_id=rollout_id)
    work.write(GATE_FILE, _verdict_document(verdict))
    return verdict


def settle(
    parts: RetrainingParts,
    plan: Plan,
    verdict: Verdict,
    candidate: Candidate,
    report: ClassificationReport,
    work: WorkFolder,
) -> None:
    """Carry the decision out: record it, tag run and version, and last of all move the alias if it says so."""
    word, reasons = ("promoted" if verdict.promotes else "rejected"), "; ".join(verdict.reasons)
    parts.tracker.log_json(_verdict_document(verdict), "decisions/gate.json")
    log_verdict(parts, report, verdict.decision, verdict.speed, work.empty("page"))
    tags = {"ecosight.verdict": word, "ecosight.gate_reasons": reasons}
    parts.registry.register(candidate.folder, run_id=parts.tracker.run.run_id, tags=tags)
    parts.tracker.set_tags({**tags, "ecosight.model_version": verdict.ref.version})
    if verdict.promotes and parts.registry.champion() != verdict.ref:
        parts.registry.set_alias("champion", verdict.ref, by=plan.job_id, why=reasons)


def log_verdict(
    parts: RetrainingParts,
    report: ClassificationReport,
    decision: GateDecision,
    speed: SpeedReport | None,
    folder: Path,
) -> None:
    """What is known only after the gate: the speed, and the page with the decision on it, in place of the one before.

    Args:
        folder: an empty one, for what is uploaded.
    """
    if speed is not None:
        parts.tracker.log_metrics(speed.metrics())
        parts.tracker.log_json(speed.as_dict(), "evaluation/speed.json")
    if parts.config.evaluation.generate_plots:
        from evaluation.plots import write_page

        parts.tracker.log_figures([write_page(report, folder, decision=decision, speed=speed)])


def _test_part(parts: RetrainingParts, version: DatasetVersion) -> LabelledPart:
    return LabelledPart(
        entries=version.part("test"), blobs=parts.blobs, caveats=version.caveats, version=version.ref.digest
    )


def _verdict_document(verdict: Verdict) -> dict[str, Any]:
    return {
        "candidate": asdict(verdict.ref),
        "champion": None if verdict.champion is None else asdict(verdict.champion),
        "decision": verdict.decision.as_dict(),
        "speed": None if verdict.speed is None else verdict.speed.as_dict(),
        "rollout_id": verdict.rollout_id,
    }


def _known_verdict(work: WorkFolder, ref: ModelRef) -> Verdict | None:
    from evaluation.gates import replay_gate
    from evaluation.speed import SpeedReport

    known = work.read(GATE_FILE)
    if known is None or known["candidate"] != asdict(ref):
        return None
    champion = None if known["champion"] is None else ModelRef(**known["champion"])
    speed = None if known.get("speed") is None else SpeedReport.from_dict(known["speed"])
    decision = replay_gate(known["decision"]["evidence"])
    rollout_id = known.get("rollout_id", "")
    return Verdict(ref=ref, champion=champion, decision=decision, speed=speed, rollout_id=rollout_id)


def _figures(report: ClassificationReport) -> Mapping[str, str]:
    values = {"accuracy": report.accuracy.value, "macro_f1": report.macro_f1.value, "ece": report.ece.value}
    return {name: f"{value:.4f}" for name, value in values.items() if value is not None}
