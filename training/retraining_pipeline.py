"""Retraining for those who call it from Python: ask whether it is due, do it, get the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.config import Config, load_config
from ecosight.ports import Progress, Servable
from ecosight.progress import terminal_progress
from training.parts import RetrainingParts, open_parts
from training.trigger import look_at_trigger

if TYPE_CHECKING:
    from ecosight.state.jobs import JobQueue
    from ecosight.state.retrainings import RetrainingRecord

__all__ = ["ModelRetrainingPipeline", "metrics_of"]


class ModelRetrainingPipeline:
    """The retraining of one project.

    Args:
        config: a configuration, the file that holds it, or None for ``config.yaml`` in the current folder and the
            environment over the defaults.
        parts, jobs: opened already by the caller; made from the configuration where they are None.
        progress: None shows a bar on a terminal and JSON lines elsewhere.
    Not thread-safe: one retraining at a time, here and in all other processes of the project.
    """

    def __init__(
        self,
        config: Config | Path | str | None = None,
        *,
        parts: RetrainingParts | None = None,
        jobs: JobQueue | None = None,
        progress: Progress | None = None,
    ) -> None:
        if parts is None or jobs is None:
            opened, queue = open_parts(config if isinstance(config, Config) else load_config(config))
            parts, jobs = parts or opened, jobs or queue
        self.parts, self.jobs = parts, jobs
        self.progress = progress or terminal_progress()

    def check_retraining_trigger(self, min_new_samples: int | None = None) -> tuple[bool, int]:
        """Whether to retrain now, and how many distinct recordings were accepted since the last training.

        Args:
            min_new_samples: threshold, >= 1; None: the configured one (100 unless changed).
        """
        threshold = self.parts.config.retraining.min_new_samples if min_new_samples is None else min_new_samples
        decision = look_at_trigger(self.parts.samples, self.parts.retrainings, threshold)
        return decision.due, decision.new_samples

    def retrain_model(
        self,
        yamnet_model: Any = None,
        epochs: int | None = None,
        *,
        reason: str = "manual",
        min_accuracy: float | None = None,
    ) -> tuple[Servable, dict[str, Any]]:
        """Train on all accepted recordings; measure, register, and promote the model if the gate lets it in.

        Args:
            yamnet_model: None: the configured embedder. Else YAMNet, from a tensorflow_hub handle, from a folder with
                its SavedModel, or as ``hub.load`` returned it.
            epochs: most epochs; None: the configured number.
            min_accuracy: a model below this test accuracy is registered but not promoted.
        Returns: the model, which answers ``model.predict([model.prepare(file_bytes)])`` with calibrated probabilities
            in the order of ``model.labels``, whether it was promoted or not; and the figures of ``metrics_of``.
        Raises: AlreadyRunning: a retraining is under way. As ``run_retraining``.
        """
        from training.running import run_here, with_yamnet

        parts = self.parts if yamnet_model is None else with_yamnet(self.parts, yamnet_model)
        wished = {"reason": reason, "epochs": epochs, "min_accuracy": min_accuracy}
        payload = {key: value for key, value in wished.items() if value is not None}
        record = run_here(parts, self.jobs, payload, progress=self.progress)
        assert record.model_version is not None
        model = parts.registry.fetch(parts.registry.get(record.model_version))
        return parts.modality.load_servable(model), metrics_of(parts, record)


def metrics_of(parts: RetrainingParts, record: RetrainingRecord) -> dict[str, Any]:
    """A finished training as figures: ``test_accuracy``, ``test_macro_f1``, ``test_recall/<label>``, … and the facts
    beside them (verdict, reasons, model_version, run_id, dataset, sample_counts, epochs_trained, history)."""
    facts = {
        "verdict": record.verdict,
        "reasons": list(record.reasons),
        "job_id": record.job_id,
        "run_id": record.run_id,
        "model_version": record.model_version,
        "dataset": record.dataset,
        "sample_counts": dict(record.sample_counts),
        "total_samples": record.total_samples,
        "new_samples": record.new_samples,
        "num_classes": len(record.sample_counts),
        "epochs_trained": record.epochs_trained,
        "duration_s": record.duration_s,
        "history": {name: list(curve) for name, curve in record.history.items()},
    }
    runs = parts.tracker.experiments.runs(parts.tracker.experiment_name)
    measured = next((run.metrics for run in runs if run.run_id == record.run_id), {})
    figures = {name: value for name, value in measured.items() if name.startswith("test_")}
    return {"test_accuracy": record.accuracy, "test_macro_f1": record.macro_f1} | figures | facts
