"""What the tests of training share: a small project, and recordings that tell classes apart."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dataset.intake import Intake
from ecosight.config import load_config
from ecosight.progress import NullProgress
from ecosight.state.jobs import JobQueue
from training.parts import RetrainingParts, open_parts
from training.retraining import run_retraining

TONES_HZ = {"low": 220.0, "middle": 880.0, "high": 3200.0}


def clip(label: str, number: int, *, noise: float = 0.05) -> bytes:
    """A recording of 0.6 s: a tone that names the class, in noise that makes each one its own."""
    import soundfile

    rng = np.random.default_rng([number, *label.encode()])
    seconds = np.arange(int(0.6 * 16000)) / 16000
    tone = np.sin(2 * np.pi * TONES_HZ[label] * rng.uniform(0.9, 1.1) * seconds)
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.3 * tone + rng.normal(0, noise, seconds.size), 16000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


@dataclass(frozen=True, kw_only=True)
class Project:
    """One project in a folder of its own."""

    parts: RetrainingParts
    jobs: JobQueue

    def accept(self, each: int, *, first: int = 0, labels: tuple[str, ...] = tuple(TONES_HZ)) -> int:
        """Take in recordings of every label, as an upload would; how many."""
        intake = Intake(
            self.parts.modality, self.parts.blobs, self.parts.samples, group_pattern=None, clock=self.parts.clock
        )
        for label in labels:
            for number in range(first, first + each):
                intake.accept(clip(label, number), label=label, source=f"{label}-{number}.wav", origin="upload")
        return each * len(labels)

    def retrain(self, job_id: str = "job_1", **arguments: Any) -> Any:
        return run_retraining(self.parts, job_id=job_id, reason="test", **{"progress": NullProgress(), **arguments})

    def runs(self) -> list[Any]:
        return self.parts.tracker.experiments.runs(self.parts.tracker.experiment_name)

    def versions(self) -> list[Any]:
        return self.parts.registry.versions()


def make_template(folder: Path) -> Path:
    """A project's empty databases, for ``open_project`` to copy."""
    made = open_project(folder)
    made.runs()
    return folder


def open_project(folder: Path, template: Path | None = None, **sections: dict[str, Any]) -> Project:
    """A project whose trainings take a second or two; one that is there is opened again."""
    if template is not None and not (folder / "project").exists():
        (folder / "project").mkdir(parents=True)
        for name in ("ecosight.db", "mlflow.db"):
            shutil.copy(template / "project" / name, folder / "project" / name)
    settings: dict[str, dict[str, Any]] = {
        "project": {"root": str(folder / "project")},
        "training": {"epochs": 8, "batch_size": 16, "learning_rate": 0.01, "hidden_units": [16], "dropout": [0.1]},
        "evaluation": {"bootstrap_samples": 100, "generate_plots": False},
        "retraining": {"min_new_samples": 6, "lease_seconds": 5},
        "dataset": {"augmentation": False},  # for all tests but those that are about it
    }
    for name, values in sections.items():
        settings[name] = {**settings.get(name, {}), **values}
    parts, jobs = open_parts(load_config(**settings))
    return Project(parts=parts, jobs=jobs)
