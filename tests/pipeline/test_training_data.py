"""What an incident tells about the training data of both models."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dataset.versions import DatasetRepository
from ecosight.blobs import LocalBlobs
from ecosight.clock import SystemClock
from ecosight.errors import NotFound
from ecosight.state import Database
from ecosight.state.refs import DatabaseRefs
from ecosight.values import ModelRef, Sample
from pipeline.training_data import dataset_diff

OLD = ModelRef(name="birds", version="1", digest="a" * 64)
NEW = ModelRef(name="birds", version="2", digest="b" * 64)


class Registry:
    """What the registry knows of both models."""

    def __init__(self, before: str, after: str) -> None:
        self._named = {OLD: before, NEW: after}

    def versions(self) -> list[Any]:
        return [
            SimpleNamespace(ref=ref, tags={"ecosight.dataset": name} if name else {})
            for ref, name in self._named.items()
        ]


@pytest.fixture
def datasets(database: Database, tmp_path: Path) -> DatasetRepository:
    """Two versions: the second has a class more, and one sample has another label."""
    made = DatasetRepository(
        LocalBlobs(tmp_path / "blobs"),
        DatabaseRefs(database),
        name="main",
        ratios={"train": 0.7, "val": 0.15, "test": 0.15},
        seed=7,
        clock=SystemClock(),
    )
    made.commit([a_sample(number, "owl" if number < 6 else "fox") for number in range(10)], message="first")
    made.commit(
        [a_sample(0, "fox"), *(a_sample(number, "engine") for number in range(10, 13))], message="engines, a mistake"
    )
    return made


def a_sample(number: int, label: str) -> Sample:
    return Sample(
        id=f"{number:064x}",
        medium="sound",
        label=label,
        group=f"group-{number}",
        source="test",
        size_bytes=1,
        captured_at=SystemClock().now(),
    )


def diff(datasets: DatasetRepository, before: str, after: str) -> dict[str, Any]:
    registry: Any = Registry(before, after)
    return dict(dataset_diff(registry, datasets, OLD, NEW))


def test_counts_of_each_class_and_samples_that_came_and_went(datasets: DatasetRepository) -> None:
    assert diff(datasets, "main@v1", "main@v2") == {
        "before": "main@v1",
        "after": "main@v2",
        "classes": {
            "engine": {"before": 0, "after": 3},
            "fox": {"before": 4, "after": 5},
            "owl": {"before": 6, "after": 5},
        },
        "added": 3,
        "removed": 0,
        "relabelled": 1,
    }
    assert diff(datasets, "main@v2", "main@v1")["removed"] == 3


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("", "main@v2", "the registry does not say which dataset version birds/1 learned from"),
        ("main@v1", "other@v9", "birds/2 learned from other@v9, and this project holds 'main' only"),
    ],
)
def test_what_is_not_known_says_why(datasets: DatasetRepository, before: str, after: str, why: str) -> None:
    told = diff(datasets, before, after)
    assert told["unknown"] == why
    assert "classes" not in told


def test_a_version_that_is_gone_is_an_error_that_the_report_tells(datasets: DatasetRepository) -> None:
    with pytest.raises(NotFound, match="no version"):
        diff(datasets, "main@v1", "main@v9")


def test_a_model_that_learned_on_a_branch_is_told_of_that_branch(datasets: DatasetRepository) -> None:
    datasets.branches.create("night", datasets.resolve("v1"))
    made, _ = datasets.extend([a_sample(99, "owl")], message="night", branch="night")
    name = str(made.ref)
    assert name == "main@night:v2"
    found = diff(datasets, "main@v1", name)
    assert (found["after"], found["added"], found["classes"]["owl"]) == (name, 1, {"before": 6, "after": 7})
