"""The face of training: train a model on a dataset version, watch it, stop it early, take it up again.

As a script: ``python training/orchestrator.py --config config.yaml --dataset v1.1.0 --gpus 1``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.config import Config, load_config
from ecosight.errors import EcosightError, InvalidInput, exit_code
from ecosight.ports import Progress
from ecosight.progress import terminal_progress
from training.checkpoints import CheckpointManager
from training.retraining_pipeline import ModelRetrainingPipeline, metrics_of
from training.schedules import LearningRateScheduler
from training.stopping import EarlyStopping

if TYPE_CHECKING:
    from ecosight.state.retrainings import RetrainingRecord

__all__ = [
    "CheckpointManager",
    "EarlyStopping",
    "LearningRateScheduler",
    "ModelRetrainingPipeline",
    "TrainingJob",
    "TrainingOrchestrator",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One training that is finished.

    Attributes:
        settings: what was asked for, beside the configuration.
        record: its row of the history.
        metrics: as ``retrain_model`` returns them.
    """

    settings: Mapping[str, Any]
    record: RetrainingRecord
    metrics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.record.job_id

    @property
    def run_id(self) -> str | None:
        """The MLflow run."""
        return self.record.run_id

    @property
    def model_version(self) -> str | None:
        return self.record.model_version

    @property
    def verdict(self) -> str:
        """``promoted`` or ``rejected``."""
        return self.record.verdict


class TrainingOrchestrator:
    """Trains models of one project, one at a time, on one device.

    Args:
        num_gpus: 0 trains on the CPU, 1 on the first GPU; None: as configured. Several are not available yet.
        mixed_precision: compute in bfloat16 with float32 weights; None: as configured.
        gradient_accumulation: batches whose gradients are added before one step; None: as configured.
        config: a configuration, the file that holds it, or None for ``config.yaml`` and the environment.
        pipeline: opened already by the caller; its configuration counts then.
    """

    def __init__(
        self,
        num_gpus: int | None = None,
        mixed_precision: bool | None = None,
        gradient_accumulation: int | None = None,
        *,
        config: Config | Path | str | None = None,
        pipeline: ModelRetrainingPipeline | None = None,
        progress: Progress | None = None,
    ) -> None:
        given = {
            "num_gpus": num_gpus,
            "mixed_precision": mixed_precision,
            "gradient_accumulation": gradient_accumulation,
        }
        self.settings = {name: value for name, value in given.items() if value is not None}
        self._progress = progress or terminal_progress()
        self._pipeline = pipeline or ModelRetrainingPipeline(
            config if isinstance(config, Config) else load_config(config), progress=self._progress
        )

    def train(self, config: Mapping[str, Any] | None = None) -> TrainingJob:
        """Train, measure, register, and promote the model if the gate lets it in.

        Args:
            config: ``dataset`` (a version: 3, ``v3``, ``main@v3`` or a tag such as ``v1.0.0``; without it, the newest
                together with all accepted samples), ``model`` (the registered model's name, or the modality's),
                ``reason``, and any key of the configuration's section ``training``.
        Raises: InvalidInput: an unknown key or model. NotFound: no such dataset version. Unavailable: the device.
            AlreadyRunning: another training is under way. As ``run_retraining``.
        """
        from training.devices import training_device
        from training.running import run_here, with_training

        settings = dict(config or {})
        self._check_model(settings.pop("model", None))
        payload: dict[str, Any] = {key: settings.pop(key) for key in ("dataset", "reason") if key in settings}
        parts = self._pipeline.parts
        parts = replace(parts, config=with_training(parts.config, self.settings | settings))
        training_device(parts.config.training.num_gpus)
        if "dataset" in payload:
            payload["dataset"] = parts.datasets.get(payload["dataset"]).ref.digest
        record = run_here(parts, self._pipeline.jobs, {"reason": "train", **payload}, progress=self._progress)
        return TrainingJob(settings=dict(config or {}), record=record, metrics=metrics_of(parts, record))

    def _check_model(self, model: str | None) -> None:
        config = self._pipeline.parts.config
        known = (config.model_name, config.project.modality)
        if model is not None and model not in known:
            raise InvalidInput(
                f"this project does not train a model {model!r}",
                hint=f"It trains {known[0]!r}, a classifier head for {known[1]}; leave `model` out, or name that.",
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on a dataset version from the command line; the exit code."""
    parser = argparse.ArgumentParser(description="Train, measure and register a model; the gate decides on promotion.")
    parser.add_argument("--config", type=Path, help="configuration file (default: ./config.yaml)")
    parser.add_argument("--dataset", help="dataset version, such as main@v3 or v1.1.0 (default: all accepted samples)")
    parser.add_argument("--gpus", type=int, help="0 trains on the CPU, 1 on the first GPU (default: as configured)")
    parser.add_argument("--epochs", type=int, help="most epochs (default: as configured)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    wished = {"dataset": options.dataset, "epochs": options.epochs}
    try:
        orchestrator = TrainingOrchestrator(num_gpus=options.gpus, config=options.config)
        job = orchestrator.train({key: value for key, value in wished.items() if value is not None})
    except EcosightError as error:
        print(json.dumps({"error": error.as_dict()}) if options.json else _told(error), file=sys.stderr)
        return exit_code(error)
    print(json.dumps(job.metrics, default=str) if options.json else _sentence(job))
    return 0


def _told(error: EcosightError) -> str:
    return f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else "")


def _sentence(job: TrainingJob) -> str:
    reasons = "".join(f"\n  {reason}" for reason in job.record.reasons)
    return f"{job.verdict}: model {job.model_version} on {job.record.dataset}, run {job.run_id}{reasons}"


if __name__ == "__main__":
    sys.exit(main())
