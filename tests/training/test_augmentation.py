"""A training learns from variants of its training part, from nothing else, and makes each of them once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_kit import Project, open_project

from ecosight.errors import Cancelled, Conflict, NotFound, UnreadableMedia
from ecosight.progress import NullProgress
from training.augmentation import plan_augmentation, variant_rows

ON: dict[str, Any] = {
    "augmentation": True,
    "augmentation_variants": 2,
    "augmentation_techniques": ["volume_up/volume_down", "time_shift"],
}


class Watching(NullProgress):
    """Counts the units of each task; stops the work when it was asked so often whether to go on."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.totals: dict[str, int] = {}
        self.left = stop_after

    def task(self, name: str, total: int, unit: str) -> Any:
        self.totals[name] = self.totals.get(name, 0) + total
        return super().task(name, total, unit)

    def checkpoint(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Cancelled("stopped by the test")


def cached_keys(project: Project) -> set[str]:
    """The keys of all features that are kept."""
    (file,) = (project.parts.config.cache_folder / "features").glob("*.sqlite")
    with closing(sqlite3.connect(file)) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM features")}


@pytest.fixture
def augmented(new_project: Callable[..., Project]) -> Project:
    made = new_project(dataset=ON)
    made.accept(10)
    return made


def test_a_training_learns_from_variants_of_the_training_part_and_its_run_tells_the_recipe(augmented: Project) -> None:
    watching = Watching()
    record = augmented.retrain(progress=watching)
    version = augmented.parts.datasets.get(record.dataset)
    train = {entry.sample_id for entry in version.part("train")}
    variants = {key for key in cached_keys(augmented) if "/" in key}
    assert {key.split("/")[0] for key in variants} == train
    assert len(variants) == watching.totals["augmenting"] == 2 * len(train)
    (run,) = augmented.runs()
    assert run.params["augmentation_variants"] == "2"
    assert run.params["augmentation_techniques"] == "volume_up/volume_down,time_shift"
    assert run.params["augmentation_recipe"] == plan_augmentation(augmented.parts.config)["recipe"]
    assert run.metrics["augmented_rows"] == 2 * len(train)
    folder = augmented.parts.registry.fetch(augmented.versions()[0].ref)
    facts = augmented.parts.modality.load_servable(folder).info["facts"]
    assert facts["augmentation"]["recipe"] == run.params["augmentation_recipe"]
    assert version.sample_ids == {sample.id for sample in augmented.parts.samples.all()}  # no variant became one

    again = Watching()
    later = augmented.retrain("job_2", progress=again)
    assert "augmenting" not in again.totals
    assert "embedding" not in again.totals
    assert later.history == record.history


def test_a_training_that_was_stopped_among_the_variants_goes_on_there_and_gives_the_same_model(
    tmp_path: Path, template: Path
) -> None:
    many = {**ON, "augmentation_variants": 4}
    whole, stopped = (open_project(tmp_path / name, template, dataset=many) for name in ("whole", "stopped"))
    for project in (whole, stopped):
        project.accept(12)
    expected = whole.retrain()
    made, watching = 0, Watching()
    for stop_after in (3, 4, 5, 6):
        with pytest.raises(Cancelled):
            stopped.retrain(progress=Watching(stop_after))
        made = max(made, sum("/" in key for key in cached_keys(stopped)))
    found = stopped.retrain(progress=watching)
    assert found.history == expected.history
    graphs = [each.parts.registry.fetch(each.versions()[0].ref) / "model.onnx" for each in (whole, stopped)]
    assert graphs[0].read_bytes() == graphs[1].read_bytes()
    assert made > 0
    assert watching.totals.get("augmenting", 0) == whole.runs()[0].metrics["augmented_rows"] - made


def test_a_kind_of_sample_without_techniques_is_trained_without_variants(new_project: Callable[..., Project]) -> None:
    config = new_project(dataset=ON).parts.config
    other = config.model_copy(update={"project": config.project.model_copy(update={"modality": "smell"})})
    assert plan_augmentation(other) == {"variants": 0}


def test_an_unknown_technique_is_told_before_anything_is_trained(new_project: Callable[..., Project]) -> None:
    project = new_project(dataset={**ON, "augmentation_techniques": ["pitch_upp"]})
    project.accept(10)
    with pytest.raises(NotFound, match="pitch_upp"):
        project.retrain()
    assert project.runs() == []


def test_a_job_does_not_go_on_with_other_techniques(augmented: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from modalities.sound.augmentation import SoundMedium

    with pytest.raises(Cancelled):
        augmented.retrain(progress=Watching(0))
    monkeypatch.setattr(SoundMedium, "identity", "sound 2")
    with pytest.raises(Conflict, match="techniques of augmentation that are others now"):
        augmented.retrain()


def test_a_variant_that_nobody_could_ask_about_is_replaced_by_its_sample(augmented: Project) -> None:
    class Strict:
        """Refuses one file, as the real one refuses what became silent."""

        def __init__(self, modality: Any) -> None:
            self.modality, self.refused = modality, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.modality, name)

        def inspect(self, data: bytes) -> Any:
            self.refused += self.refused == 0
            if self.refused == 1:
                self.refused = 2
                raise UnreadableMedia("it is silent")
            return self.modality.inspect(data)

    version = augmented.parts.datasets.commit(list(augmented.parts.samples.all()), message="all")
    parts = replace(augmented.parts, modality=Strict(augmented.parts.modality))
    planned = plan_augmentation(parts.config)
    rows = variant_rows(parts, version, planned, NullProgress())
    assert rows is not None
    embedder = parts.modality.embedder()
    train = sorted(entry.sample_id for entry in version.part("train"))
    own = np.repeat(embedder.embed([parts.blobs.get(each) for each in train]), planned["variants"], axis=0)
    same = np.isclose(rows.x, own, atol=1e-4).all(axis=1)
    assert same.sum() == 1
