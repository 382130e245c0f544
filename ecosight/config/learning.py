"""Sections about learning: when to train, how to fit and tune, what a model must reach."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ecosight.config.gates import GateRule
from ecosight.config.section import Section

__all__ = ["RetrainingSection", "TrainingSection", "TuningSection", "EvaluationSection"]


class RetrainingSection(Section):
    min_new_samples: int = Field(100, ge=1)
    """Distinct recordings accepted since the last training that start the next one."""
    automatic: bool = True
    """Whether an upload that reaches the threshold starts a retraining by itself."""
    schedule: str | None = None
    """Cron expression (minute hour day month weekday, UTC), or None."""
    min_accuracy: float = Field(0.0, ge=0, le=1)
    """A model below this test accuracy never becomes champion."""
    lease_seconds: float = Field(30.0, gt=0)
    """A job whose worker was not heard of for so long is taken up by another."""
    max_attempts: int = Field(3, ge=1)
    """How often a job is tried before its errors count as failure; a worker that was killed costs no try."""


class TrainingSection(Section):
    epochs: int = Field(100, ge=1)
    """Most epochs of one training."""
    batch_size: int = Field(64, ge=1)
    """Samples of one step."""
    learning_rate: float = Field(0.001, gt=0)
    """Learning rate at the start."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """Optimizer."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay (adamw)."""
    scheduler: Literal["plateau", "cosine", "none"] = "cosine"
    """How the learning rate falls."""
    scheduler_patience: int = Field(7, ge=1)
    """Epochs without improvement before the plateau schedule lowers the rate."""
    early_stopping: bool = True
    """Whether training stops when validation no longer improves."""
    patience: int = Field(30, ge=1)
    """Epochs without improvement before training stops."""
    hidden_units: list[int] | None = None
    """Widths of the head's hidden layers; default: 512, 256, 128, 64 from 1,000 training samples on, below that 512."""
    dropout: list[float] | None = None
    """Dropout after each hidden layer; default: 0.5, 0.4, 0.3, 0.2, or 0.5. Given together with the widths."""
    num_gpus: int = Field(0, ge=0)
    """GPUs to train on; 0 takes the CPU."""
    mixed_precision: bool = False
    """Whether to compute in 16 bits where that is safe."""
    gradient_accumulation: int = Field(1, ge=1)
    """Batches whose gradients are added before one step of the optimizer."""

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        if len(self.hidden_units or []) != len(self.dropout or []):
            raise ValueError("hidden_units and dropout need one value each for every hidden layer")
        return self


class TuningSection(Section):
    n_trials: int = Field(100, ge=1)
    """Trials of one study."""
    timeout: float | None = Field(3600, gt=0)
    """Seconds after which no new trial begins."""
    pruning: bool = True
    """Whether hopeless trials are stopped early."""
    parallel_trials: int = Field(1, ge=1)
    """Trials at the same time."""


class EvaluationSection(Section):
    metrics: list[str] = Field(["accuracy", "macro_f1", "precision", "recall", "f1", "ece"])
    """Metrics that are shown first."""
    benchmark_fps: bool = False
    """Whether speed is measured too."""
    speed_seconds: float = Field(5.0, gt=0, le=600)
    """About how long each of the three processes times the model when speed is measured."""
    generate_plots: bool = True
    """Whether figures are drawn."""
    bootstrap_samples: int = Field(1000, ge=100, le=100_000)
    """Resamples behind each 95% interval."""
    accuracy_margin: float = Field(0.01, ge=0, le=1)
    """A candidate may be this much less accurate than the champion on the same test part."""
    class_margin: float = Field(0.10, ge=0, le=1)
    """No class's recall may fall by more than this."""
    gates: list[GateRule] | None = None
    """Rules that a candidate must keep, instead of those two margins; docs/evaluation.md lists their kinds."""
