"""The main job from end to end, offline: every step runs the real command or speaks to the real server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ecosight.errors import Conflict, EcosightError, Unavailable
from ecosight.plugins import load_plugin
from pipeline.demo_client import DemoClient, SteadyLoad, free_port
from pipeline.demo_summary import DemoSummary

__all__ = ["run_demo"]

MODALITY = "sound"
MARKER = ".ecosight-demo"
THRESHOLD = 100
"""New recordings that start the retraining: the default."""


def run_demo(folder: Path, *, quiet: bool = False) -> DemoSummary:
    """Make sounds, ingest, train, serve, ask, upload until the trigger fires, retrain, swap under load.

    Args:
        folder: where the demo lives afterwards; an earlier demo there is replaced.
        quiet: prints nothing on the way.
    Raises: Conflict: the folder holds something else. EcosightError: a step failed; the log files are named.
    """
    began = time.monotonic()
    say = _silent if quiet else _Steps().say
    folder = folder.resolve()
    _clear(folder)

    say("making a small sound set by synthesis")
    demo_set = load_plugin("ecosight.demos", MODALITY)(folder)
    config_file = _write_config(folder, demo_set.group_pattern)
    summary = DemoSummary(folder=folder, config_file=config_file, threshold=THRESHOLD)

    say("ingesting it as the first dataset version")
    summary.ingest = _ecosight(config_file, "ingest", str(demo_set.start), "--message", "first recordings")
    say("training and registering the first model (TensorFlow takes some seconds to start)")
    summary.first = _ecosight(config_file, "train", "--reason", "first training")

    say("serving it over HTTP")
    port = free_port()
    with _server(config_file, port, folder / "server.log"):
        client = DemoClient(f"http://127.0.0.1:{port}")
        client.wait_until_ready(timeout_s=60)
        say("sending clips, and telling the truth about the answers")
        summary.asked = client.ask_and_tell(demo_set.clips)
        say("uploading new recordings until the trigger fires, with clients asking all the while")
        with SteadyLoad(client.address, [path for path, _ in demo_set.clips], clients=4) as load:
            summary.uploads = client.upload_until_retraining(demo_set.later)
            say(f"retraining in a worker process (job {summary.uploads['job_id']})")
            summary.second = client.wait_for_job(summary.uploads["job_id"], timeout_s=300)["result"]
            if summary.second["verdict"] == "promoted":
                say(f"the gate let model {summary.second['model_version']} in; waiting for the swap")
                summary.swap_s = client.wait_for_version(summary.second["model_version"], timeout_s=60)
                load.run_on(seconds=1.5)
        summary.load = load.figures()
        summary.status = client.status()
    summary.took_s = time.monotonic() - began
    return summary


class _Steps:
    """Numbers the steps and shows when each began."""

    def __init__(self) -> None:
        self._began, self._count = time.monotonic(), 0

    def say(self, sentence: str) -> None:
        self._count += 1
        print(f"[{time.monotonic() - self._began:5.1f} s] {self._count}. {sentence}", flush=True)


def _silent(sentence: str) -> None:
    return None


def _clear(folder: Path) -> None:
    """Make an empty demo folder; never remove anything but an earlier demo."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise Conflict(f"{folder} holds something that is no demo", hint="Choose another: --folder elsewhere.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


def _write_config(folder: Path, group_pattern: str) -> Path:
    settings = {
        "project": {"name": "demo", "root": str(folder / "project"), "modality": MODALITY},
        "sound": {"embedder": "logmel"},
        # One varied copy of each sound, not two: a demo should show augmentation, not make anybody wait for it.
        "dataset": {"group_pattern": group_pattern, "augmentation_variants": 1},
        "training": {"epochs": 60, "batch_size": 16},
        "retraining": {"min_new_samples": THRESHOLD},
        "serving": {"poll_seconds": 0.3},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
    return path


def _ecosight(config_file: Path, *arguments: str) -> dict[str, Any]:
    """Run the command as a user would, and return its JSON."""
    command = [sys.executable, "-m", "pipeline", "--config", str(config_file), *arguments, "--json"]
    with (config_file.parent / "commands.log").open("ab") as log:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, check=False)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        answer = {"error": {"message": f"`ecosight {' '.join(arguments)}` ended with {done.returncode}"}}
    if done.returncode != 0:
        told = answer.get("error", {})
        raise EcosightError(told.get("message", "a step failed"), hint=told.get("hint") or f"See {log.name}.")
    return answer


@contextmanager
def _server(config_file: Path, port: int, log_path: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "pipeline", "--config", str(config_file), "serve", "--port", str(port)]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
        except EcosightError as error:
            if process.poll() is not None:
                raise Unavailable(f"the server ended with {process.returncode}", hint=f"See {log_path}.") from error
            raise
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
