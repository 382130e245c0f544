"""Real parts for the serving tests: stores on SQLite, the sound modality, two small compiled models, a real server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from dataset.intake import Intake
from ecosight.artifact import DESCRIPTION_FILE
from ecosight.blobs import LocalBlobs
from ecosight.clock import SystemClock
from ecosight.config import load_config
from ecosight.errors import Unavailable
from ecosight.state.database import open_database
from ecosight.state.jobs import JobQueue
from ecosight.state.predictions import PredictionLog
from ecosight.state.retrainings import RetrainingLog
from ecosight.state.samples import SampleStore
from ecosight.values import ModelRef
from modalities.sound import SoundModality
from serving import ServingParts, serve_in_thread

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the tests import the helpers that lie beside them


class Registry:
    """A registry in memory over artifact folders: what a server sees of one, with a champion that tests move."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self._folders = folders
        self.version: str | None = None
        self.reachable = True
        self.fetched: list[str] = []

    def promote(self, version: str | None) -> None:
        self.version = version

    def champion(self) -> ModelRef | None:
        self.check()
        return None if self.version is None else self.ref(self.version)

    def ref(self, version: str) -> ModelRef:
        description = json.loads((self._folders[version] / DESCRIPTION_FILE).read_text("utf-8"))
        return ModelRef(name="test", version=version, digest=description["digest"])

    def fetch(self, model: ModelRef) -> Path:
        self.check()
        self.fetched.append(model.version)
        return self._folders[model.version]

    def add(self, version: str, folder: Path) -> None:
        self._folders[version] = folder

    def check(self) -> None:
        if not self.reachable:
            raise Unavailable("the registry cannot be reached", hint="Wait.")


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Artifacts "1" (low, mid, high) and "2" (with the class top besides), made once in a process of their own."""
    folder = tmp_path_factory.mktemp("models")
    done = subprocess.run([sys.executable, str(HERE / "make_models.py"), str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return {"1": folder / "one", "2": folder / "two"}


@pytest.fixture
def registry(model_folders: dict[str, Path]) -> Registry:
    made = Registry(dict(model_folders))
    made.promote("1")
    return made


Serve = Callable[..., "Served"]


class Served:
    """A server that runs, and a client of it."""

    def __init__(self, parts: ServingParts, url: str, client: httpx.Client) -> None:
        self.parts, self.url, self.http = parts, url, client

    def predict(self, data: bytes, name: str = "clip.wav", **fields: str) -> httpx.Response:
        return self.http.post("/predict", files={"file": (name, data)}, data=fields)

    def upload(self, data: bytes, label: str, name: str = "clip.wav", **fields: str) -> httpx.Response:
        return self.http.post("/upload", files={"file": (name, data)}, data={"class_name": label, **fields})


def build_parts(stack: ExitStack, root: Path, registry: Registry, given: dict[str, Any]) -> ServingParts:
    """Parts over real stores; ``given`` holds sections of the configuration, and parts to take instead."""
    sections = {name: given.pop(name) for name in ("serving", "security", "retraining", "sound") if name in given}
    serving = {"port": 0, "poll_seconds": 0.05, "run_jobs": False, **sections.pop("serving", {})}
    config = load_config(project={"root": str(root)}, serving=serving, **sections)
    config.root.mkdir(exist_ok=True)
    database = open_database(config.database_url)
    stack.callback(database.close)
    predictions = PredictionLog(database, config.spool_folder)
    stack.callback(predictions.close)
    modality, samples, clock = SoundModality(config), SampleStore(database), SystemClock()

    def trigger() -> tuple[bool, int]:
        count = samples.count()
        return count >= config.retraining.min_new_samples, count

    parts: dict[str, Any] = {
        "config": config,
        "clock": clock,
        "source": registry,
        "modality": modality,
        "intake": Intake(modality, LocalBlobs(config.blob_folder), samples, group_pattern=None, clock=clock),
        "samples": samples,
        "predictions": predictions,
        "jobs": JobQueue(database),
        "retrainings": RetrainingLog(database),
        "check_trigger": trigger,
        "store_checks": {"database": database.check, "registry": registry.check},
    }
    return ServingParts(**{**parts, **given})


def starter(stack: ExitStack, root: Path, registry: Registry) -> Serve:
    """Starts real servers on free ports until the stack is closed; keywords as for ``build_parts``."""

    def start(*, environ: dict[str, str] | None = None, **given: Any) -> Served:
        parts = build_parts(stack, root, registry, given)
        url = stack.enter_context(serve_in_thread(parts, environ=environ or {}))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=20, trust_env=False))
        return Served(parts, url, client)

    return start


@pytest.fixture
def make_parts(tmp_path: Path, registry: Registry) -> Iterator[Callable[..., ServingParts]]:
    with ExitStack() as stack:
        yield lambda **given: build_parts(stack, tmp_path / "root", registry, given)


@pytest.fixture
def serve(tmp_path: Path, registry: Registry) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield starter(stack, tmp_path / "root", registry)


@pytest.fixture(scope="module")
def module_serve(tmp_path_factory: pytest.TempPathFactory, model_folders: dict[str, Path]) -> Iterator[Serve]:
    """As ``serve``, for a server that all tests of a module share."""
    registry = Registry(dict(model_folders))
    registry.promote("1")
    with ExitStack() as stack:
        yield starter(stack, tmp_path_factory.mktemp("shared"), registry)


@pytest.fixture
def broken_model(model_folders: dict[str, Path], tmp_path: Path) -> Path:
    """An artifact with one byte of its graph changed."""
    folder = tmp_path / "broken"
    shutil.copytree(model_folders["2"], folder)
    graph = bytearray((folder / "model.onnx").read_bytes())
    graph[len(graph) // 2] ^= 0xFF
    (folder / "model.onnx").write_bytes(graph)
    return folder
