"""A real servable artifact, small enough to be made in every test, and real MLflow stores."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecosight.artifact import seal_artifact
from mlflow_integration.connection import Connection

LABELS = ["dog_bark", "gun_shot", "engine idling"]

RUNTIME = '''
"""Probabilities from the power of a clip; imports NumPy and ONNX Runtime alone."""
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime


@dataclass
class Model:
    labels: tuple
    session: object

    def predict_batch(self, waveforms, *, sample_rate=16_000):
        rows = []
        for clip in waveforms:
            power = np.float32(np.mean(np.square(np.asarray(clip, np.float32))) * sample_rate / 16_000)
            rows.append(self.session.run(None, {"power": np.full((1, 1), power, np.float32)})[0][0])
        return np.stack(rows)


def load(folder):
    folder = Path(folder)
    labels = tuple(json.loads((folder / "servable.json").read_text())["labels"])
    return Model(labels, onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"]))
'''


def write_servable(folder: Path, *, slope: float = 1.0) -> str:
    """A sealed artifact; another slope gives another model. Returns its digest."""
    import onnx
    from onnx import TensorProto, helper

    folder.mkdir(parents=True)
    weights = (np.array([[3.0, -2.0, 1.0]]) * slope).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["power", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "tiny",
        [helper.make_tensor_value_info("power", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.ravel())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "runtime.py").write_text(RUNTIME, "utf-8")
    waveforms = np.random.default_rng(0).normal(size=(2, 6000)).astype(np.float32)
    np.savez(folder / "examples.npz", waveforms=waveforms, lengths=np.array([5000, 6000]))
    return seal_artifact(folder, description())


def description() -> dict[str, Any]:
    return {
        "modality": "sound",
        "labels": LABELS,
        "embedder": {"name": "logmel", "digest": "e" * 64, "note": "no pretrained weights"},
        "temperature": 1.0,
        "sample_rate_hz": 16000,
        "input": {"dtype": "float32", "shape": [-1, -1], "parameters": {"sample_rate": 16000}},
        "requirements": ["numpy>=2", "onnxruntime"],
        "examples": "examples.npz",
        "parity": {"reference": "tensorflow", "engine": "onnxruntime", "samples": 2, "max_probability_error": 1e-6},
        "facts": {"dataset": "main@v1"},
    }


@pytest.fixture(scope="session")
def servable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sealed artifact. Read only: it is shared."""
    folder = tmp_path_factory.mktemp("made") / "tiny model"
    write_servable(folder)
    return folder


@pytest.fixture(scope="session")
def other_servable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "other"
    write_servable(folder, slope=2.0)
    return folder


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with nothing in it, made once: migrations take seconds."""
    file = tmp_path_factory.mktemp("template") / "mlflow.db"
    with Connection(f"sqlite:///{file}").talking() as client:
        client.search_experiments()
    return file


@pytest.fixture
def store(tmp_path: Path, empty_database: Path) -> str:
    """The URI of a fresh embedded store."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"
