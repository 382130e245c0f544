"""Versions, the aliases that decide who serves, and the files behind them."""

from __future__ import annotations

import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ecosight.artifact import open_artifact
from ecosight.config import Config
from ecosight.errors import IntegrityError, InvalidInput, NotFound
from ecosight.values import DatasetRef, ModelRef
from mlflow_integration.connection import Connection
from mlflow_integration.opening import fetch_model
from mlflow_integration.tracker import MLflowTracker, ModelRegistry


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 5, 1, 12, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        return None


@pytest.fixture
def registry(store: str, tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(store, "sound.model", tmp_path / "cache", clock=StoppedClock())


def finished_run(store: str, **tags: str) -> str:
    tracker = MLflowTracker(store, "sounds")
    with tracker.start_run(tags=tags) as run:
        tracker.log_dataset(DatasetRef(name="main", version=3, digest="d" * 64), {"a": 1}, {"train": 1})
    return run.run_id


def test_before_the_first_registration_there_is_nothing(registry: ModelRegistry) -> None:
    assert registry.champion() is None
    assert registry.alias("anybody") is None
    assert registry.versions() == []
    with pytest.raises(NotFound):
        registry.get(1)


def test_one_version_for_each_run_and_digest(
    registry: ModelRegistry, store: str, servable: Path, other_servable: Path
) -> None:
    one, two = finished_run(store), finished_run(store)
    first = registry.register(servable, run_id=one, tags={"accuracy": 0.9})
    assert registry.register(servable, run_id=one, tags={"accuracy": 0.9}) == first
    second = registry.register(other_servable, run_id=one)
    third = registry.register(servable, run_id=two)
    assert [first.version, second.version, third.version] == ["1", "2", "3"]
    assert first.digest == third.digest == open_artifact(servable)["digest"] != second.digest
    assert [version.ref for version in registry.versions()] == [third, second, first]
    assert registry.get(2) == second


def test_a_model_is_fetched_by_any_of_its_names(
    registry: ModelRegistry, store: str, servable: Path, tmp_path: Path
) -> None:
    ref = registry.register(servable, run_id=finished_run(store))
    registry.set_alias("champion", ref)
    told = {"tracking_uri": store, "model_name": "sound.model"}
    config = Config(mlflow=told, project={"root": tmp_path / "project"})  # type: ignore[arg-type]
    for name in ("1", "champion", "models:/sound.model/1", "models:/sound.model@champion"):
        assert open_artifact(fetch_model(config, name))["digest"] == ref.digest
    for name in ("2", "nobody", "model_v2.pt", "models:/sound.model/2"):
        with pytest.raises(NotFound):
            fetch_model(config, name)


def test_a_version_carries_its_facts_and_a_description_for_people(
    registry: ModelRegistry, store: str, servable: Path
) -> None:
    run_id = finished_run(store, **{"ecosight.job_id": "job_7"})
    ref = registry.register(servable, run_id=run_id, tags={"accuracy": 0.91234, "macro_f1": 0.9})
    (version,) = registry.versions()
    assert version.run_id == run_id
    assert version.tags == {
        "ecosight.digest": ref.digest,
        "ecosight.dataset": "main@v3",
        "ecosight.embedder": "logmel",
        "ecosight.job_id": "job_7",
        "ecosight.labels": "dog_bark, gun_shot, engine idling",
        "accuracy": "0.91234",
        "macro_f1": "0.9",
    }
    for line in (
        "Tells apart **3 classes**: dog_bark, gun_shot, engine idling.",
        "- embedder: logmel (no pretrained weights)",
        "- dataset: main@v3",
        "- test accuracy: 0.912",
        'model = mlflow.pyfunc.load_model("models:/sound.model@champion")',
        "model.predict(samples, params={'sample_rate': 16000})  # samples: float32 (any, any)",
    ):
        assert line in version.description.splitlines()


def test_registering_again_completes_tags_that_were_missing(
    registry: ModelRegistry, store: str, servable: Path
) -> None:
    run_id = finished_run(store)
    registry.register(servable, run_id=run_id)
    registry.register(servable, run_id=run_id, tags={"accuracy": 0.9})
    assert [version.tags["accuracy"] for version in registry.versions()] == ["0.9"]


def test_a_damaged_artifact_is_not_registered(
    registry: ModelRegistry, store: str, servable: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(servable, tmp_path / "copy")
    (copy / "model.onnx").write_bytes(b"other bytes")
    with pytest.raises(IntegrityError):
        registry.register(copy, run_id=finished_run(store))
    with pytest.raises(NotFound):
        registry.register(servable, run_id="0" * 32)
    assert registry.versions() == []


def test_a_new_champion_leaves_the_way_back(
    registry: ModelRegistry, store: str, servable: Path, other_servable: Path
) -> None:
    run_id = finished_run(store)
    old, new = (registry.register(folder, run_id=run_id) for folder in (servable, other_servable))
    registry.set_alias("champion", old, why="the first model")
    assert registry.alias("previous") is None
    registry.set_alias("challenger", new)
    for _ in range(2):
        registry.set_alias("champion", new, by="gate", why="no worse than before")
        assert registry.champion() == new
        assert registry.alias("previous") == old, "setting it twice does not lose the way back"
    shown = {version.ref: (version.aliases, version.stage) for version in registry.versions()}
    assert shown == {new: (("challenger", "champion"), "Production"), old: (("previous",), "Archived")}
    audit = {key: text for key, text in registry.versions()[0].tags.items() if ".alias.champion." in key}
    assert audit == {
        "ecosight.alias.champion.by": "gate",
        "ecosight.alias.champion.why": "no worse than before",
        "ecosight.alias.champion.at": "2026-05-01T12:00:00.000Z",
    }


def test_an_alias_can_be_taken_away(registry: ModelRegistry, store: str, servable: Path) -> None:
    ref = registry.register(servable, run_id=finished_run(store))
    registry.set_alias("challenger", ref)
    for _ in range(2):
        registry.remove_alias("challenger")
        assert registry.alias("challenger") is None
    assert registry.versions()[0].stage == "Archived"


def test_a_challenger_that_is_champion_stays_in_production(
    registry: ModelRegistry, store: str, servable: Path, other_servable: Path
) -> None:
    run_id = finished_run(store)
    one, two = (registry.register(folder, run_id=run_id) for folder in (servable, other_servable))
    for alias in ("challenger", "champion"):
        registry.set_alias(alias, one)
    registry.set_alias("challenger", two)
    assert [(version.ref, version.stage) for version in registry.versions()] == [(two, "Staging"), (one, "Production")]


def test_an_alias_needs_a_version(registry: ModelRegistry, store: str, servable: Path) -> None:
    ref = registry.register(servable, run_id=finished_run(store))
    with pytest.raises(NotFound):
        registry.set_alias("champion", ModelRef(name=ref.name, version="9", digest=ref.digest))
    with pytest.raises(InvalidInput):
        registry.set_alias("latest", ref)
    with pytest.raises(InvalidInput):
        registry.set_alias("champion", ModelRef(name="other", version="1", digest=ref.digest))
    assert registry.champion() is None


def test_a_uri_names_a_version(registry: ModelRegistry, store: str, servable: Path) -> None:
    ref = registry.register(servable, run_id=finished_run(store))
    registry.set_alias("champion", ref)
    assert registry.resolve("models:/sound.model/1") == registry.resolve("models:/sound.model@champion") == ref
    for uri, error in {
        "models:/sound.model@nobody": NotFound,
        "models:/sound.model/2": NotFound,
        "models:/other/1": NotFound,
        "runs:/sound.model/1": InvalidInput,
    }.items():
        with pytest.raises(error):
            registry.resolve(uri)


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:b"])
def test_a_model_name_that_mlflow_refuses_is_refused_at_once(store: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        ModelRegistry(store, name, tmp_path)


def test_what_is_fetched_is_what_was_registered(
    registry: ModelRegistry, store: str, servable: Path, tmp_path: Path
) -> None:
    ref = registry.register(servable, run_id=finished_run(store))
    registry.set_alias("champion", ref)
    folder = registry.fetch(ref)
    assert folder == tmp_path / "cache" / "models" / ref.digest
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in servable.iterdir()
    }
    assert registry.fetch("models:/sound.model@champion") == folder


def test_a_cached_model_needs_no_store(registry: ModelRegistry, store: str, servable: Path, tmp_path: Path) -> None:
    ref = registry.register(servable, run_id=finished_run(store))
    folder = registry.fetch(ref)
    unreachable = ModelRegistry("http://127.0.0.1:9", "sound.model", tmp_path / "cache")
    assert unreachable.fetch(ref) == folder


@pytest.mark.parametrize("damage", ["changed", "missing", "description"])
def test_a_damaged_cached_model_is_fetched_again(
    registry: ModelRegistry, store: str, servable: Path, damage: str
) -> None:
    ref = registry.register(servable, run_id=finished_run(store))
    folder = registry.fetch(ref)
    if damage == "changed":
        (folder / "model.onnx").write_bytes(b"flipped")
    elif damage == "missing":
        (folder / "runtime.py").unlink()
    else:
        (folder / "servable.json").write_text("{")
    assert open_artifact(registry.fetch(ref))["digest"] == ref.digest
    assert [path.name for path in folder.parent.iterdir()] == [ref.digest]


def test_files_damaged_in_the_store_are_never_handed_out(
    registry: ModelRegistry, store: str, servable: Path, tmp_path: Path
) -> None:
    ref = registry.register(servable, run_id=finished_run(store))
    for model in (tmp_path / "mlartifacts").rglob("model.onnx"):
        model.write_bytes(b"flipped")
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        registry.fetch(ref)
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_a_version_made_elsewhere_is_not_served(registry: ModelRegistry, store: str) -> None:
    with Connection(store).talking() as client:
        client.create_registered_model("sound.model")
        client.create_model_version("sound.model", "s3://bucket/model")
        client.set_registered_model_alias("sound.model", "champion", "1")
    champion = registry.champion()
    assert champion == ModelRef(name="sound.model", version="1", digest="")
    with pytest.raises(IntegrityError, match="no digest"):
        registry.fetch(champion)


def test_many_fetch_at_once_and_all_get_a_whole_model(
    registry: ModelRegistry, store: str, servable: Path, tmp_path: Path
) -> None:
    ref = registry.register(servable, run_id=finished_run(store))
    registries = [ModelRegistry(store, "sound.model", tmp_path / "cache") for _ in range(8)]
    digests = []

    def fetch(one: ModelRegistry) -> None:
        digests.append(open_artifact(one.fetch(ref))["digest"])

    threads = [threading.Thread(target=fetch, args=(one,)) for one in registries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests == [ref.digest] * 8
    assert [path.name for path in (tmp_path / "cache" / "models").iterdir()] == [ref.digest]


def test_the_cache_keeps_what_was_used_last(
    registry: ModelRegistry, store: str, servable: Path, other_servable: Path, tmp_path: Path
) -> None:
    run_id = finished_run(store)
    one, two = (registry.register(folder, run_id=run_id) for folder in (servable, other_servable))
    assert registry.prune_cache(1) == []
    registry.fetch(one)
    time.sleep(0.02)
    registry.fetch(two)
    time.sleep(0.02)
    registry.fetch(one)
    left_behind = tmp_path / "cache" / "models" / ".incoming-1-abc"
    left_behind.mkdir()
    assert registry.prune_cache(1) == [two.digest]
    assert {path.name for path in left_behind.parent.iterdir()} == {one.digest, left_behind.name}, (
        "somebody may be fetching right now"
    )


def test_a_version_that_a_twin_made_as_well_is_taken_back(
    registry: ModelRegistry, store: str, servable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was thought dead registers the same model between our look and our own version."""
    run_id = finished_run(store)
    twin = ModelRegistry(store, "sound.model")
    facts, made = registry._facts, []

    def beaten(*args: Any) -> dict[str, str]:
        made.append(twin.register(servable, run_id=run_id))
        return facts(*args)

    monkeypatch.setattr(registry, "_facts", beaten)
    assert registry.register(servable, run_id=run_id) == made[0]
    assert [version.ref for version in registry.versions()] == made


def test_asking_for_the_champion_takes_milliseconds(registry: ModelRegistry, store: str, servable: Path) -> None:
    registry.set_alias("champion", registry.register(servable, run_id=finished_run(store)))
    began = time.perf_counter()
    for _ in range(20):
        registry.champion()
    assert (time.perf_counter() - began) / 20 < 0.05
