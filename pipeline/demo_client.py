"""The demo's clients: they speak HTTP to the server as anyone would, and count what they got."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from ecosight.errors import EcosightError, Unavailable

__all__ = ["DemoClient", "SteadyLoad", "free_port"]


def free_port() -> int:
    """A port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class DemoClient:
    """One client of one server."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._http = httpx.Client(base_url=address, timeout=30, trust_env=False)

    def wait_until_ready(self, *, timeout_s: float) -> None:
        """Wait until a model is loaded and warm. Raises Unavailable with the server's own reason."""
        reason = "no answer"
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                answer = self._http.get("/health/ready")
                if answer.status_code == 200:
                    return
                reason = answer.text
            except httpx.TransportError as error:
                reason = str(error)
            time.sleep(0.2)
        raise Unavailable(f"the server was not ready in {timeout_s:.0f} s: {reason}")

    def ask_and_tell(self, clips: Sequence[tuple[Path, str]]) -> dict[str, Any]:
        """Classify each clip, then tell the truth about it; how many were right."""
        right, took = 0, []
        for path, truth in clips:
            answer = self._checked(self._http.post("/predict", files={"file": (path.name, path.read_bytes())}))
            right += answer["predicted_class"] == truth
            took.append(answer["processing_time"])
            told = {"prediction_id": answer["prediction_id"], "true_label": truth}
            self._checked(self._http.post("/feedback", json=told))
        return {"clips": len(clips), "right": right, "median_ms": round(1000 * sorted(took)[len(took) // 2], 1)}

    def upload_until_retraining(self, recordings: Sequence[tuple[Path, str]]) -> dict[str, Any]:
        """Upload labelled recordings until the server says that a retraining began."""
        counts: Counter[str] = Counter()
        for path, label in recordings:
            sent = {"file": (path.name, path.read_bytes())}
            answer = self._checked(self._http.post("/upload", files=sent, data={"class_name": label}))
            counts[answer["status"]] += 1
            if answer.get("job_id"):
                return {"job_id": answer["job_id"], **counts}
        raise EcosightError(f"{sum(counts.values())} uploads did not start a retraining: {dict(counts)}")

    def wait_for_job(self, job_id: str, *, timeout_s: float) -> dict[str, Any]:
        """Follow a job to its end. Raises EcosightError: it failed, or took too long."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            job = self._checked(self._http.get(f"/jobs/{job_id}"))
            if job["status"] == "succeeded":
                return job
            if job["status"] in ("failed", "cancelled"):
                raise EcosightError(f"the retraining {job['status']}: {job.get('error')}")
            time.sleep(0.3)
        raise EcosightError(f"the retraining did not end in {timeout_s:.0f} s")

    def wait_for_version(self, version: str, *, timeout_s: float) -> float:
        """Wait until the server answers with this model version; the seconds that took."""
        began = time.monotonic()
        while time.monotonic() - began < timeout_s:
            if str(self.status()["model_version"]) == str(version):
                return time.monotonic() - began
            time.sleep(0.05)
        raise EcosightError(f"model version {version} was not served within {timeout_s:.0f} s")

    def status(self) -> dict[str, Any]:
        return self._checked(self._http.get("/status"))

    def _checked(self, answer: httpx.Response) -> dict[str, Any]:
        body: dict[str, Any] = answer.json()
        if answer.is_error:
            told = body.get("error", {})
            raise EcosightError(told.get("message", answer.text), hint=told.get("hint", ""))
        return body


class SteadyLoad:
    """Several clients that ask without pause, from entering the context to leaving it."""

    def __init__(self, address: str, clips: Sequence[Path], *, clients: int) -> None:
        self._address, self._clips = address, [(path.name, path.read_bytes()) for path in clips]
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._versions: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._took_ms: list[float] = []
        self._threads = [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(clients)]

    def __enter__(self) -> SteadyLoad:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def run_on(self, *, seconds: float) -> None:
        """Let the clients ask for a while longer."""
        self._stop.wait(seconds)

    def figures(self) -> dict[str, Any]:
        """Requests, failures by kind, answers by model version, and the 99th percentile in milliseconds."""
        with self._lock:
            ordered = sorted(self._took_ms)
            return {
                "requests": len(ordered) + sum(self._failed.values()),
                "failed": dict(self._failed),
                "answers_by_version": dict(self._versions),
                "p50_ms": round(ordered[len(ordered) // 2], 1) if ordered else None,
                "p99_ms": round(ordered[int(len(ordered) * 0.99)], 1) if ordered else None,
            }

    def _ask(self, offset: int) -> None:
        with httpx.Client(base_url=self._address, timeout=30, trust_env=False) as http:
            turn = offset
            while not self._stop.is_set():
                began = time.perf_counter()
                try:
                    answer = http.post("/predict", files={"file": self._clips[turn % len(self._clips)]})
                    failure = None if answer.status_code == 200 else str(answer.status_code)
                except httpx.TransportError as error:
                    failure = type(error).__name__
                with self._lock:
                    if failure:
                        self._failed[failure] += 1
                    else:
                        self._took_ms.append(1000 * (time.perf_counter() - began))
                        self._versions[str(answer.json()["model_version"])] += 1
                turn += 1
                self._stop.wait(0.04)
