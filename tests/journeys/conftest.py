"""What journeys share: a fresh project, and servers of it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from project_kit import Project, Server, kill


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh project: fast trainings, short leases."""
    (tmp_path / "config.yaml").write_text(
        "training: {epochs: 12, batch_size: 16}\n"
        "dataset: {augmentation: false}\n"
        "retraining: {lease_seconds: 2, min_new_samples: 6}\n"
        "serving: {poll_seconds: 0.2}\n"
        "evaluation: {bootstrap_samples: 100}\n",
        "utf-8",
    )
    return Project(tmp_path)


@pytest.fixture
def serve(project: Project) -> Iterator[Callable[..., Server]]:
    """Starts servers of the project on free ports, and stops them."""
    servers: list[Server] = []

    def start() -> Server:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = project.start("serve", "--port", str(port), log="server.log")
        server = Server(process, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False))
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.http.close()
        if server.process.poll() is None:
            server.process.terminate()
            try:
                server.process.wait(30)
            except subprocess.TimeoutExpired:
                kill(server.process)
        if server.process.stdout:
            server.process.stdout.close()
