"""Test parts whose truth is known, and the smallest honest servable: samples that say their own probabilities."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ecosight.blobs import LocalBlobs
from ecosight.errors import UnreadableMedia

Case = tuple[NDArray[np.int64], NDArray[np.float64], list[str], list[str]]


@dataclass(frozen=True)
class Row:
    sample_id: str
    label: str
    group: str
    source: str = ""


class Echo:
    """A servable over JSON files such as ``{"fox": 0.9, "owl": 0.1}``; counts its batches."""

    engine = "echo"
    digest = "e" * 64

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.info: dict[str, Any] = {}
        self.batches: list[int] = []

    def prepare(self, data: bytes) -> list[float]:
        try:
            said = json.loads(data)
            return [said.get(label, 0.0) for label in self.labels]
        except ValueError as error:
            raise UnreadableMedia("the file is no JSON", hint="Write JSON.") from error

    def predict(self, prepared: Sequence[list[float]]) -> NDArray[np.float32]:
        self.batches.append(len(prepared))
        return np.array(prepared, np.float32).reshape(len(prepared), len(self.labels))

    def warm(self) -> None:
        return None


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def random_case() -> Callable[..., Case]:
    """Truth, probabilities, labels and groups of a classifier that is right most of the time."""

    def make(samples: int = 300, classes: int = 4, groups: int = 60, *, seed: int = 0, skill: float = 2.5) -> Case:
        rng = np.random.default_rng(seed)
        truth = rng.integers(classes, size=samples)
        odds = rng.normal(0, 1, (samples, classes))
        odds[np.arange(samples), truth] += skill
        table = np.exp(odds)
        table /= table.sum(axis=1, keepdims=True)
        return truth, table, [f"c{n}" for n in range(classes)], [f"g{n}" for n in rng.integers(groups, size=samples)]

    return make


@pytest.fixture
def make_servable() -> Callable[..., Echo]:
    return Echo


@pytest.fixture
def put(blobs: LocalBlobs) -> Callable[..., Row]:
    """Store a sample that says its probabilities, and return its entry."""

    def store(label: str, said: dict[str, float], group: str, source: str = "") -> Row:
        data = json.dumps(said | {"//": f"{label} {group} {source}"}).encode()
        return Row(sample_id=blobs.put(data), label=label, group=group, source=source)

    return store
