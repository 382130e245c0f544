"""A registered model answers in a clean process, without EcoSight and without TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from mlflow_integration.tracker import MLflowTracker, ModelRegistry

CLEAN_PROCESS = Path(__file__).with_name("clean_process.py")
ALL_THE_SAME = {"one clip": True, "several": True, "of several lengths": True, "at another rate": True}
SOUND_MODEL = Path(__file__).with_name("sound_model.py")


def promote_and_ask(folder: Path, database: Path, servable: Path) -> dict[str, Any]:
    """Make the artifact champion of a store below ``folder``, and hear what a clean process says about it."""
    (folder / "mlflow.db").write_bytes(database.read_bytes())
    store = f"sqlite:///{folder / 'mlflow.db'}"
    tracker = MLflowTracker(store, "sounds")
    registry = ModelRegistry(store, "sound", folder / "cache")
    with tracker.start_run() as run:
        registry.set_alias("champion", registry.register(servable, run_id=run.run_id))
    (folder / "elsewhere").mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ECOSIGHT", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-I", str(CLEAN_PROCESS), str(servable)],
        cwd=folder / "elsewhere",
        env=environment | {"MLFLOW_TRACKING_URI": store},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, servable: Path, empty_database: Path) -> dict[str, Any]:
    return promote_and_ask(tmp_path_factory.mktemp("store with a space"), empty_database, servable)


def test_a_real_sound_model_answers_exactly_as_it_does_in_the_server(tmp_path: Path, empty_database: Path) -> None:
    made = subprocess.run([sys.executable, str(SOUND_MODEL), str(tmp_path)], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    told = promote_and_ask(tmp_path, empty_database, tmp_path / "model")
    assert told["same"] == ALL_THE_SAME
    assert told["columns"] == ["low", "high"]
    assert told["forbidden"] == []


def test_it_answers_exactly_as_the_artifact_itself(told: dict[str, Any]) -> None:
    assert told["same"] == ALL_THE_SAME


def test_it_needs_nothing_of_ours_and_no_tensorflow(told: dict[str, Any]) -> None:
    assert told["forbidden"] == []


def test_its_answer_has_one_column_for_each_label(told: dict[str, Any]) -> None:
    assert told["columns"] == ["dog_bark", "gun_shot", "engine idling"]
    assert told["dtypes"] == ["float32"]


def test_input_of_another_type_or_shape_is_refused(told: dict[str, Any]) -> None:
    assert told["refused"] == {"float64": True, "1-D": True, "list": True, "3-D": True}


def test_its_signature_is_that_of_the_artifact(told: dict[str, Any]) -> None:
    signature = {part: json.loads(text) for part, text in told["signature"].items()}
    assert signature["inputs"] == [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, -1]}}]
    assert [(each["name"], each["type"]) for each in signature["outputs"]] == [
        ("dog_bark", "float"),
        ("gun_shot", "float"),
        ("engine idling", "float"),
    ]
    assert signature["params"] == [{"name": "sample_rate", "default": 16000, "shape": None, "type": "long"}]


def test_it_brings_a_small_example_and_says_what_it_is(told: dict[str, Any]) -> None:
    assert told["example"] == [1, 4000]
    assert told["example_answered"] == [1, 3]
    assert told["metadata"]["ecosight_labels"] == ["dog_bark", "gun_shot", "engine idling"]
    assert told["metadata"]["ecosight_embedder"]["name"] == "logmel"
    assert len(told["metadata"]["ecosight_digest"]) == 64


def test_its_files_name_no_place_on_this_machine_and_hold_no_pickle(store: str, servable: Path, tmp_path: Path) -> None:
    tracker = MLflowTracker(store, "sounds")
    with tracker.start_run():
        tracker.log_model(servable, "model")
    (entry,) = (tmp_path / "mlartifacts").rglob("MLmodel")
    text = entry.read_text("utf-8").replace(tmp_path.as_uri(), "")
    assert "/work" not in text
    assert "tmp/" not in text
    assert str(Path(__file__).parents[2]) not in text
    assert [path.name for path in entry.parent.rglob("*.pkl")] == []
    requirements = (entry.parent / "requirements.txt").read_text("utf-8").split()
    assert [line.split("==")[0] for line in requirements] == ["mlflow", "numpy>=2", "onnxruntime", "pandas"]


def test_scratch_folders_of_killed_processes_are_swept(
    store: str, servable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    old, young = tmp_path / "scratch" / "ecosight-model-old", tmp_path / "scratch" / "ecosight-model-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
    long_ago = time.time() - 7200
    os.utime(old, (long_ago, long_ago))
    tracker = MLflowTracker(store, "sounds")
    with tracker.start_run():
        tracker.log_model(servable, "model")
    assert list((tmp_path / "scratch").iterdir()) == [young]
