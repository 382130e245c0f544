"""A project used as a user would use it: the command, a server, and recordings that tell classes apart."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile

TONES_HZ = {"low": 220.0, "middle": 880.0, "high": 3200.0}


def clip(label: str, number: int) -> bytes:
    """A recording of 0.6 s: a tone that names the class, in noise that makes each one its own."""
    rng = np.random.default_rng([number, *label.encode()])
    seconds = np.arange(int(0.6 * 16000)) / 16000
    tone = np.sin(2 * np.pi * TONES_HZ[label] * rng.uniform(0.9, 1.1) * seconds)
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.3 * tone + rng.normal(0, 0.05, seconds.size), 16000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def write_clips(folder: Path, *, each: int, first: int = 0) -> int:
    """A folder for each class; the number of files written."""
    for label in TONES_HZ:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + each):
            (folder / label / f"{number:03d}.wav").write_bytes(clip(label, number))
    return each * len(TONES_HZ)


@dataclass
class Project:
    """One project in a folder of its own, used through the command as a user would."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, log: str = "commands.log") -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        with (self.folder / log).open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "pipeline", *arguments],
                cwd=self.folder,
                env=os.environ | self.environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    def run(self, *arguments: str, expect: int = 0) -> Any:
        """Run a command to its end and return its JSON."""
        process = self.start(*arguments, "--json")
        out, _ = process.communicate(timeout=300)
        log = (self.folder / "commands.log").read_text("utf-8", "replace")
        assert process.returncode == expect, f"{arguments}: {process.returncode}\n{out}\n{log[-3000:]}"
        return json.loads(out)


def kill(process: subprocess.Popen[Any]) -> None:
    """kill -9 the whole group, whatever it is doing."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


@dataclass
class Server:
    """A running `ecosight serve`."""

    process: subprocess.Popen[str]
    http: httpx.Client

    def wait_until(self, path: str, *, timeout_s: float = 90) -> None:
        deadline = time.monotonic() + timeout_s
        last = "no answer"
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the server ended"
            try:
                answer = self.http.get(path)
                if answer.status_code == 200:
                    return
                last = answer.text
            except httpx.TransportError as error:
                last = str(error)
            time.sleep(0.1)
        raise AssertionError(f"{path} was not 200 in {timeout_s} s: {last}")

    def wait_until_job(self, job_id: str, *, timeout_s: float = 180) -> dict[str, Any]:
        """Wait until a job has succeeded, and return it."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            job: dict[str, Any] = self.http.get(f"/jobs/{job_id}").json()
            assert job["status"] not in ("failed", "cancelled"), job
            if job["status"] == "succeeded":
                return job
            time.sleep(0.2)
        raise AssertionError(f"{job_id} did not end in {timeout_s} s")

    def wait_for_version(self, version: str, *, timeout_s: float = 30) -> None:
        """Wait until the server answers with this model version."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if str(self.http.get("/status").json()["model_version"]) == str(version):
                return
            time.sleep(0.1)
        raise AssertionError(f"version {version} was not served in {timeout_s} s")
