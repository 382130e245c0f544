"""The same work against a real tracking server, which serves a store that was embedded before."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ecosight.artifact import open_artifact
from ecosight.errors import NotFound
from ecosight.values import DatasetRef, ModelRef
from mlflow_integration.connection import QUIET, Connection
from mlflow_integration.tracker import MLflowTracker, ModelRegistry

START_S = 90


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory, empty_database: Path, servable: Path) -> tuple[Path, str]:
    """A folder whose embedded store has a champion already, and the run behind it."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(empty_database, folder / "mlflow.db")
    tracker = MLflowTracker(f"sqlite:///{folder / 'mlflow.db'}", "embedded")
    registry = ModelRegistry(tracker.tracking_uri, "embedded")
    with tracker.start_run("before the server") as run:
        tracker.log_json({"accuracy": 0.9}, "evaluation/report.json")
        registry.set_alias("champion", registry.register(servable, run_id=run.run_id))
    return folder, run.run_id


@pytest.fixture(scope="module")
def server(before: tuple[Path, str]) -> Iterator[str]:
    """`mlflow server` on a free port."""
    folder, _ = before
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "uploaded")]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder, start_new_session=True)
        try:
            wait_for(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def wait_for(uri: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            if httpx.get(f"{uri}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    pytest.fail(f"the tracking server was not up in {START_S} s")


def test_what_was_embedded_is_served_and_shown(
    server: str, before: tuple[Path, str], servable: Path, tmp_path: Path
) -> None:
    _, run_id = before
    registry = ModelRegistry(server, "embedded", tmp_path)
    champion = registry.champion()
    assert champion == ModelRef(name="embedded", version="1", digest=open_artifact(servable)["digest"])
    assert open_artifact(registry.fetch(champion))["digest"] == champion.digest
    page = httpx.get(f"{server}/")
    assert page.status_code == 200
    assert "<title>MLflow</title>" in page.text
    shown = httpx.get(
        f"{server}/get-artifact", params={"run_uuid": run_id, "path": "evaluation/report.json"}, timeout=30
    )
    assert shown.json() == {"accuracy": 0.9}


@pytest.fixture
def usual_logging() -> Iterator[None]:
    """MLflow's log as in a process that meets it through this room; here another file of tests may have been first."""
    log = logging.getLogger("mlflow")
    before = log.level
    log.setLevel(QUIET["MLFLOW_LOGGING_LEVEL"])
    yield
    log.setLevel(before)


@pytest.mark.usefixtures("usual_logging")
def test_a_training_over_http_is_recorded_once_and_registered_once(
    server: str, servable: Path, other_servable: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker = MLflowTracker(server, "over http")
    registry = ModelRegistry(server, "remote", tmp_path / "cache")
    assert registry.champion() is None
    tags = {"ecosight.job_id": "job_1"}
    for _ in range(2):
        with tracker.start_run("training", tags=tags) as run:
            tracker.log_params({f"setting_{index}": index for index in range(100)})
            tracker.log_history({"loss": [1.0 / (step + 1) for step in range(1000)], "odd": [float("nan"), 2.0]})
            tracker.log_dataset(DatasetRef(name="main", version=1, digest="d" * 64), {"a": 1}, {"train": 1, "test": 1})
            tracker.log_environment(seed=7)
            first = registry.register(servable, run_id=run.run_id, tags={"accuracy": 0.9})
            second = registry.register(other_servable, run_id=run.run_id)
            registry.set_alias("champion", first)
    registry.set_alias("champion", second, why="better")
    assert (registry.champion(), registry.alias("previous")) == (second, first)
    assert [(version.ref, version.stage) for version in registry.versions()] == [
        (second, "Production"),
        (first, "Archived"),
    ]
    (summary,) = tracker.experiments.runs("over http")
    assert (summary.run_id, summary.status, len(summary.params)) == (run.run_id, "FINISHED", 100)
    with Connection(server).talking() as client:
        assert Counter(point.step for point in client.get_metric_history(run.run_id, "loss")) == Counter(range(1000))
        assert len(client.get_metric_history(run.run_id, "odd")) == 2
        assert len(client.get_run(run.run_id).inputs.dataset_inputs) == 2
    assert open_artifact(registry.fetch(second))["digest"] == second.digest
    assert capfd.readouterr() == ("", ""), "no links, no bars, no log lines"


def test_files_are_registered_over_http_as_documented(server: str, tmp_path: Path) -> None:
    weights = tmp_path / "yolov8n.pt"
    weights.write_bytes(b"some weights")
    tracker = MLflowTracker(tracking_uri=server, experiment_name="yolov8_training")
    with tracker.start_run(run_name="yolov8n_v1"):
        uri = tracker.log_model(model_path=weights, artifact_path="model")
    ref = tracker.register_model(model_uri=uri, model_name="yolov8n", stage="staging")
    assert tracker.register_model(model_uri=uri, model_name="yolov8n", stage="staging") == ref
    assert ModelRegistry(server, "yolov8n").alias("challenger") == ref


def test_what_the_server_does_not_know_is_not_found(server: str) -> None:
    registry = ModelRegistry(server, "embedded")
    assert registry.alias("nobody") is None
    assert ModelRegistry(server, "unknown").champion() is None
    with pytest.raises(NotFound):
        registry.get(99)
    with pytest.raises(NotFound):
        registry.resolve("models:/embedded@nobody")
    registry.check()
