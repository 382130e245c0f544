"""A registered model answers in a clean process, without EcoSight and without TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlflow_integration.tracker import MLflowTracker, ModelRegistry

CLEAN_PROCESS = """
import importlib.util, json, sys, warnings
warnings.simplefilter("error")  # a load must not nag those who use the model
warnings.filterwarnings("ignore", "The ``noload`` loader strategy")
warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType")

OURS = {"ecosight", "modalities", "dataset", "evaluation", "mlflow_integration", "training", "serving", "pipeline"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in OURS | {"tensorflow", "keras"}:
            raise ModuleNotFoundError(f"{name} is not installed here")

sys.meta_path.insert(0, Blocker())

import mlflow
import numpy as np
from pathlib import Path

model = mlflow.pyfunc.load_model("models:/sound@champion")
folder = Path(sys.argv[1])
spec = importlib.util.spec_from_file_location("runtime_of_the_artifact", folder / "runtime.py")
runtime = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = runtime
spec.loader.exec_module(runtime)
reference = runtime.load(folder)

random = np.random.default_rng(1)
clip, clips = (random.normal(size=(n, 8000)).astype(np.float32) for n in (1, 3))
ragged = np.empty(2, object)
ragged[:] = [clip[0, :5000], clip[0, :7000]]
same = {
    "one clip": np.array_equal(model.predict(clip), reference.predict_batch(clip)),
    "several": np.array_equal(model.predict(clips), reference.predict_batch(clips)),
    "of several lengths": np.array_equal(model.predict(ragged), reference.predict_batch(list(ragged))),
    "at another rate": np.array_equal(
        model.predict(clips, params={"sample_rate": 8000}), reference.predict_batch(clips, sample_rate=8000)
    ),
}

def refused(value):
    try:
        model.predict(value)
    except mlflow.exceptions.MlflowException as error:
        return "does not match" in str(error) or "input of type" in str(error)
    return False

answer = model.predict(clips)
print(json.dumps({
    "same": same,
    "columns": list(answer.columns),
    "dtypes": sorted({str(dtype) for dtype in answer.dtypes}),
    "refused": {
        "float64": refused(clip.astype(float)), "1-D": refused(clip[0]), "list": refused(clip.tolist()),
        "3-D": refused(clip[None]),
    },
    "signature": model.metadata.signature.to_dict(),
    "metadata": model.metadata.metadata,
    "example": model.input_example.shape,
    "example_answered": model.predict(model.input_example).shape,
    "ours": sorted(name for name in sys.modules if name.partition(".")[0] in OURS | {"tensorflow", "keras"}),
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, servable: Path, empty_database: Path) -> dict[str, Any]:
    """What the clean process has to say about the champion."""
    folder = tmp_path_factory.mktemp("store with a space")
    (folder / "mlflow.db").write_bytes(empty_database.read_bytes())
    store = f"sqlite:///{folder / 'mlflow.db'}"
    tracker = MLflowTracker(store, "sounds")
    registry = ModelRegistry(store, "sound", folder / "cache")
    with tracker.start_run() as run:
        registry.set_alias("champion", registry.register(servable, run_id=run.run_id))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ECOSIGHT", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-I", "-c", CLEAN_PROCESS, str(servable)],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=environment | {"MLFLOW_TRACKING_URI": store},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_it_answers_exactly_as_the_artifact_itself(told: dict[str, Any]) -> None:
    assert told["same"] == {"one clip": True, "several": True, "of several lengths": True, "at another rate": True}


def test_it_needs_nothing_of_ours_and_no_tensorflow(told: dict[str, Any]) -> None:
    assert told["ours"] == []


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
