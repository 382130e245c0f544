"""The site of the rollout benchmark: a project with two trained models, real servers over it, and clients.

Servers (``rollout_server.py``) and clients (``rollout_load.py``, ``serving_load.py``) are processes of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from ecosight.rollouts import CANDIDATE
from modalities.sound.demo import write_demo
from pipeline.wiring import open_workbench

__all__ = ["Project", "Site", "make_models"]

HERE = Path(__file__).parent
STALE_S = 1.0


class Project:
    """A project with two trained models, and the clips to ask about."""

    def __init__(self, folder: Path, clips: list[str], rps: float) -> None:
        self.folder, self.clips, self.rps = folder, clips, rps

    def copy(self, name: str) -> Project:
        """The same models in a project that shares nothing with this one."""
        folder = self.folder.parent / f"{self.folder.name}-{name}"
        shutil.copytree(self.folder, folder)
        settings = json.loads((folder / "config.yaml").read_text())
        settings["project"]["root"] = str(folder / "project")
        (folder / "config.yaml").write_text(json.dumps(settings))
        return Project(folder, self.clips, self.rps)

    @contextmanager
    def servers(self, *kinds: str) -> Iterator[Site]:
        """Servers of these kinds (see rollout_server.py), ready."""
        ports = [_free_port() for _ in kinds]
        groups = []
        with ExitStack() as stack:
            for kind, port in zip(kinds, ports, strict=True):
                command = [sys.executable, "-m", "benchmarks.rollout_server", str(self.folder / "config.yaml")]
                log = stack.enter_context((self.folder / f"server-{port}.log").open("wb"))
                process = subprocess.Popen(
                    [*command, str(port), kind], stdout=log, stderr=log, cwd=HERE.parent, start_new_session=True
                )
                groups.append(process.pid)
                stack.callback(process.wait, 60)
                stack.callback(process.terminate)
            for port in ports:
                _wait_until_ready(port)
            yield Site(self, ports, groups)


class Site:
    """The servers of a project, and what one asks them."""

    def __init__(self, project: Project, ports: list[int], groups: list[int]) -> None:
        self._folder, self._clips, self._rps = project.folder, project.clips, project.rps
        self._ports, self._groups = ports, groups
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", timeout=60, trust_env=False)

    @contextmanager
    def load(self) -> Iterator[list[list[Any]]]:
        """Clients in a process of their own; the list is filled when it ends."""
        ports = ",".join(map(str, self._ports))
        command = [sys.executable, str(HERE / "rollout_load.py"), str(self._rps), ports, *self._clips]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        rows: list[list[Any]] = []
        try:
            time.sleep(3)
            yield rows
        finally:
            out, _ = process.communicate()
            rows.extend(json.loads(out))

    def halt(self) -> None:
        """Servers and their workers take no time of the machine until they go on."""
        for group in self._groups:
            os.killpg(group, signal.SIGSTOP)

    def go_on(self) -> None:
        for group in self._groups:
            os.killpg(group, signal.SIGCONT)
        time.sleep(1.5)  # what fell due in the meantime is done

    def throughput(self, seconds: int) -> float:
        """Requests a second of the first server, 32 at once, without pause."""
        port = str(self._ports[0])
        command = [sys.executable, str(HERE / "serving_load.py"), "127.0.0.1", port, "32", str(seconds)]
        done = subprocess.run([*command, *self._clips], stdout=subprocess.PIPE, check=True)
        return float(json.loads(done.stdout)["rps"])

    def get(self, path: str) -> dict[str, Any]:
        answer = self._http.get(path)
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(path, json=body)
        if answer.is_error:
            sys.exit(f"POST {path}: {answer.status_code} {answer.text}")
        told: dict[str, Any] = answer.json()
        return told

    def other(self) -> str:
        """The version that is not champion."""
        champion = self.get("/routing")["routing"]["arms"][0]["model"]["version"]
        return "1" if str(champion) == "2" else "2"

    def wait(self, rollout_id: str, *states: str, timeout_s: float = 60) -> dict[str, Any]:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            rollout: dict[str, Any] = self.get(f"/rollouts/{rollout_id}")["rollout"]
            if rollout["state"] in states:
                return rollout
            time.sleep(0.3)
        sys.exit(f"rollout {rollout_id} stays {rollout['state']}: {rollout['outcome']}")

    def unlatch(self) -> None:
        for incident in self.get("/incidents")["incidents"]:
            if not incident.get("unlatched_by"):
                self._http.post(f"/incidents/{incident['id']}/unlatch", json={})

    def stale(self, rows: list[list[Any]]) -> int:
        """Answers by a model that no routing of the last second before the answer names."""
        epochs = self._epochs()
        stale = 0
        for _sent, answered, status, version, _variant in rows:
            if status != "200":
                continue
            ends = [*(at for at, _ in epochs[1:]), float("inf")]
            lately = [
                versions
                for (at, versions), end in zip(epochs, ends, strict=True)
                if at <= answered and end >= answered - STALE_S
            ]
            stale += version not in set().union(*lately)
        return stale

    def _epochs(self) -> list[tuple[float, set[str]]]:
        """When each routing began, and the versions that it lets answer."""
        with open_workbench(self._folder / "config.yaml") as bench:
            history = bench.routings.history(limit=100_000)
        return [(each.made_at.timestamp(), {arm.model.version for arm in each.arms if arm.weight}) for each in history]

    def met_by_candidate(self, rollout_id: str) -> list[datetime]:
        """When the candidate was to answer, in order."""
        with open_workbench(self._folder / "config.yaml") as bench:
            exposures, _ = bench.exposures.since(rollout_id, 0, limit=1_000_000)
        return sorted(each.at for each in exposures if each.intended == CANDIDATE)

    def complaints(self) -> list[str]:
        """What the servers logged as errors."""
        lines = [line for log in self._folder.glob("server-*.log") for line in log.read_text("utf-8").splitlines()]
        return [line for line in lines if '"error"' in line or "Traceback" in line][:5]


def make_models(folder: Path, yamnet: str) -> list[str]:
    """Two versions in the registry, of which one is champion. Returns: clips to ask with."""
    sounds = write_demo(folder)
    settings: dict[str, Any] = {
        "project": {"name": "benchmark", "root": str(folder / "project")},
        "serving": {"run_jobs": False},
        "dataset": {"group_pattern": sounds.group_pattern},
    }
    if yamnet:
        settings["sound"] = {"embedder": "yamnet", "yamnet_model": yamnet}
    (folder / "config.yaml").write_text(json.dumps(settings))  # JSON is YAML
    _ecosight(folder, "ingest", str(sounds.start))
    _ecosight(folder, "train")
    for path, label in sounds.later[:40]:
        (folder / "more" / label).mkdir(parents=True, exist_ok=True)
        path.rename(folder / "more" / label / path.name)
    _ecosight(folder, "ingest", str(folder / "more"))
    _ecosight(folder, "train")
    return [str(path) for path, _ in sounds.clips]


def _ecosight(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pipeline", "--config", str(folder / "config.yaml"), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent)
    if done.returncode != 0:
        sys.exit(f"{arguments[0]} failed:\n{done.stdout}\n{done.stderr[-3000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_ready(port: int) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    sys.exit("a server was not ready within two minutes")
