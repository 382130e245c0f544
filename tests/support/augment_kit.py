"""A project with short recordings in groups, to be augmented. Also run as a script, in a process that is killed."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from dataset.augmenting import DatasetAugmenter, Medium, Recipe, open_medium
from dataset.ingest import IngestReport, ingest
from ecosight.config import Config
from ecosight.progress import NullProgress
from pipeline.wiring import Workbench

LABELS = ("dog", "owl")
RATE_HZ = 8_000


def recording(label: str, group: int, take: int, seconds: float = 0.4) -> bytes:
    """A take of an event: a tone with noise."""
    rng = np.random.default_rng([LABELS.index(label), group, take])
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    samples = 0.3 * np.sin(2 * np.pi * (300 + 500 * LABELS.index(label) + 9 * group) * time)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples + rng.normal(0, 0.03, len(time)), RATE_HZ, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def noise(seed: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(seed).normal(0, 0.02, 6_000), RATE_HZ, format="WAV")
    return buffer.getvalue()


def write_recordings(folder: Path, *, groups: int, first: int = 0, takes: int = 2) -> Path:
    for label in LABELS:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for group in range(first, first + groups):
            for take in range(takes):
                (folder / label / f"{group:02d}-t{take}.wav").write_bytes(recording(label, group, take))
    return folder


class AugmentedProject:
    """A project over one folder, its recordings ingested, and its medium."""

    def __init__(self, root: Path) -> None:
        self.bench = Workbench(
            Config(
                project={"root": root / "project"},  # type: ignore[arg-type]
                dataset={"group_pattern": r"^(.+)-t\d"},  # type: ignore[arg-type]
            )
        )
        self.bench.config.root.mkdir(parents=True, exist_ok=True)
        self.medium: Medium = open_medium(self.bench.config)

    def add(self, source: Path) -> IngestReport:
        return ingest(
            source,
            intake=self.bench.intake,
            repository=self.bench.datasets,
            message="more",
            progress=NullProgress(),
            extensions=self.bench.modality.extensions,
        )

    @property
    def version(self) -> Any:
        return self.bench.datasets.get()

    def augmenter(self, recipe: Recipe | None = None, **options: Any) -> DatasetAugmenter:
        version = options.pop("version", None) or self.version
        return DatasetAugmenter(version, self.bench.blobs, self.medium, recipe, **options)


def contents(folder: Path) -> dict[str, bytes]:
    """All that a user sees in a folder of variants."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".augmenting" not in path.parts
    }


if __name__ == "__main__":
    project = AugmentedProject(Path(sys.argv[1]))
    print("ready", flush=True)
    project.augmenter().materialise(Path(sys.argv[2]), NullProgress(), workers=int(sys.argv[3]))
    print("done", flush=True)
