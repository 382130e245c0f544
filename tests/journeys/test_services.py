"""Grown by configuration alone: PostgreSQL, S3 and an MLflow server in place of local files, the same commands."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from project_kit import TONES_HZ, Project, Server, clip, write_clips


@pytest.fixture
def mlflow_server(tmp_path: Path) -> Iterator[str]:
    """A tracking server of our own on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
    command += ["--artifacts-destination", str(tmp_path / "server-artifacts")]
    with (tmp_path / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(900):
            try:
                if httpx.get(f"{address}/health", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                assert server.poll() is None, (tmp_path / "mlflow.log").read_text()
            time.sleep(0.1)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def test_the_same_commands_run_on_postgresql_s3_and_an_mlflow_server(
    project: Project,
    serve: Callable[[], Server],
    postgres_url: str,
    s3_endpoint: str,
    mlflow_server: str,
) -> None:
    project.environment |= {
        "ECOSIGHT__DATABASE__URL": postgres_url,
        "ECOSIGHT__STORAGE__BACKEND": "s3",
        "ECOSIGHT__STORAGE__S3_BUCKET": "ecosight-tests",
        "ECOSIGHT__STORAGE__S3_ENDPOINT_URL": s3_endpoint,
        "ECOSIGHT__STORAGE__S3_REGION": "us-east-1",
        "ECOSIGHT__MLFLOW__TRACKING_URI": mlflow_server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    count = write_clips(project.folder / "sounds", each=15)
    checks = {check["name"]: check["ok"] for check in project.run("doctor")["checks"]}
    assert all(checks.values()), checks
    assert project.run("ingest", "sounds")["accepted"] == count
    first = project.run("train")
    assert first["verdict"] == "promoted"
    server = serve()
    server.wait_until("/health/ready")
    answer = server.http.post("/predict", files={"file": ("x.wav", clip("low", 999))}).json()
    assert answer["predicted_class"] in TONES_HZ
    assert answer["model_version"] == first["model_version"]
    told = {"prediction_id": answer["prediction_id"], "true_label": "low"}
    assert server.http.post("/feedback", json=told).status_code == 200
    local = project.folder / "ecosight_data"
    assert not (local / "ecosight.db").exists()
    assert not (local / "mlflow.db").exists()
    assert not list(local.glob("blobs/**/*"))
