"""Runs jobs: in this process, in a worker process, or by a supervisor that starts one when there is work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.errors import AlreadyRunning, EcosightError
from ecosight.ids import new_id
from ecosight.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecosight.ports import Progress
    from ecosight.state.jobs import JobQueue
    from ecosight.state.retrainings import RetrainingRecord
    from ecosight.worker import Farewell, Handler
    from pipeline.wiring import Workbench

__all__ = ["WorkerSupervisor", "farewells", "handlers", "run_worker_process", "train_here"]


def handlers(bench: Workbench) -> Mapping[str, Handler]:
    """What this project's workers can do, by the kind of job. Nothing heavy is opened before there is a job."""
    from training.running import KIND, retrain_handler

    return {KIND: lambda job, progress: retrain_handler(bench.retraining)(job, progress)}


def farewells(bench: Workbench) -> Mapping[str, Farewell]:
    """What this project's workers do with a job that is given up, by its kind."""
    from training.running import KIND, retrain_farewell

    return {KIND: lambda job, error: retrain_farewell(bench.retraining)(job, error)}


def run_worker_process(bench: Workbench, *, once: bool) -> int:
    """Work until told to stop (SIGTERM, SIGINT), or until no job waits; the exit code."""
    from ecosight.worker import run_worker

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_worker(bench.jobs, handlers(bench), once=once, stop=stop, farewells=farewells(bench))
    return 0


def train_here(bench: Workbench, payload: dict[str, Any], *, progress: Progress) -> RetrainingRecord:
    """Queue a training and see it through in this process; one that a dead worker left behind is gone on with.

    Raises: AlreadyRunning: a living worker has one. EcosightError: what the training failed with.
    """
    from training.running import run_here

    try:
        return run_here(bench.retraining, bench.jobs, payload, progress=progress)
    except AlreadyRunning as running:
        _await_a_dead_worker(bench, running)
        return run_here(bench.retraining, bench.jobs, payload, progress=progress)


def _await_a_dead_worker(bench: Workbench, running: AlreadyRunning) -> None:
    """Return once the job's lease ran out. Raises what it was given: the lease was renewed, its worker lives."""
    job_id = str(running.context["running_id"])
    print(f"job {job_id} is unfinished; waiting to see whether its worker lives", file=sys.stderr)
    first = bench.jobs.get(job_id)
    while True:
        job = bench.jobs.get(job_id)
        if job.status != "running" or job.lease_until is None or job.lease_until < bench.clock.now():
            return
        if job.lease_until != first.lease_until:
            raise running
        bench.clock.sleep(0.2)


class WorkerSupervisor:
    """Starts a worker process whenever a job waits and none of its own is running.

    Training needs TensorFlow and gigabytes; a server must not. So the work happens in a process that ends
    when there is nothing left to do. A supervisor that dies leaves its worker running: leases keep it honest.
    """

    def __init__(self, queue: JobQueue, *, config_file: Path | None, poll_seconds: float = 1.0) -> None:
        self._queue, self._config_file, self._poll_seconds = queue, config_file, poll_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="worker-supervisor", daemon=True)
        self._child: subprocess.Popen[bytes] | None = None
        self._log = get_logger("pipeline").bind(supervisor=new_id("sup"))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the worker to give its job back at the next checkpoint, and wait for it."""
        self._stop.set()
        self._thread.join()
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(timeout=20)
            except subprocess.TimeoutExpired:  # mid-step; the lease expires and another worker resumes
                self._child.kill()
                self._child.wait()

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                if (self._child is None or self._child.poll() is not None) and self._queue.pending():
                    self._child = self._spawn()
            except EcosightError as error:  # the database is away for a moment; jobs wait in it
                self._log.warning("worker_not_started", error=error.message)

    def _spawn(self) -> subprocess.Popen[bytes]:
        place = [] if self._config_file is None else ["--config", str(self._config_file)]
        command = [sys.executable, "-m", "pipeline", *place, "worker", "--once"]
        self._log.info("worker_started")
        # Its own session: a Ctrl-C in the server's terminal reaches the server, which then stops the worker in order.
        return subprocess.Popen(command, env=os.environ.copy(), stdin=subprocess.DEVNULL, start_new_session=True)
