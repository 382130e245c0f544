"""Runs jobs: in this process, in a worker process, or by a supervisor that starts one when there is work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.errors import AlreadyRunning, Cancelled, EcosightError
from ecosight.ids import new_id
from ecosight.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ecosight.ports import Progress
    from ecosight.state.jobs import Job, JobQueue
    from pipeline.wiring import Workbench

__all__ = ["WorkerSupervisor", "handlers", "run_job_here", "run_worker_process"]


def handlers(bench: Workbench) -> Mapping[str, Callable[[Job, Progress], dict[str, Any]]]:
    """What this project's workers can do, by the kind of job."""

    def retrain(job: Job, progress: Progress) -> dict[str, Any]:
        from training.retraining import run_retraining

        payload = job.payload
        record = run_retraining(
            bench.retraining,
            job_id=job.id,
            reason=payload.get("reason", "manual"),
            epochs=payload.get("epochs"),
            min_accuracy=payload.get("min_accuracy"),
            last_attempt=job.attempt >= job.max_attempts,
            progress=progress,
        )
        return record.as_dict()

    return {"retrain": retrain}


def run_worker_process(bench: Workbench, *, once: bool) -> int:
    """Work until told to stop (SIGTERM, SIGINT), or until no job waits; the exit code."""
    from ecosight.worker import run_worker

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_worker(bench.jobs, handlers(bench), once=once, stop=stop)
    return 0


def run_job_here(bench: Workbench, kind: str, payload: dict[str, Any], *, progress: Progress) -> dict[str, Any]:
    """Queue a job and see it through in this process; a worker that was faster is followed instead.

    A job of this kind that was left behind by a dead worker is gone on with, in place of a new one.

    Returns: the job's result.
    Raises: AlreadyRunning: a living worker has one of this kind. EcosightError: what the job failed with.
    """
    from ecosight.worker import run_worker

    try:
        job_id = bench.jobs.enqueue(kind, payload, exclusive=True).id
    except AlreadyRunning as running:
        job_id = _left_behind(bench, running)
    while True:
        run_worker(bench.jobs, handlers(bench), once=True, stop=threading.Event(), progress=progress)
        job = bench.jobs.get(job_id)
        if job.status == "succeeded":
            return dict(job.result or {})
        if job.status in ("failed", "cancelled"):
            raise _error_of(job)
        bench.clock.sleep(0.5)


def _left_behind(bench: Workbench, running: AlreadyRunning) -> str:
    """The unfinished job's id once its worker is known to be dead: its lease ran out and was not renewed."""
    job_id = str(running.context["running_id"])
    print(f"job {job_id} is unfinished; waiting to see whether its worker lives", file=sys.stderr)
    first = bench.jobs.get(job_id)
    while True:
        job = bench.jobs.get(job_id)
        if job.status != "running" or job.lease_until is None or job.lease_until < bench.clock.now():
            return job_id
        if job.lease_until != first.lease_until:
            raise running
        bench.clock.sleep(0.2)


def _error_of(job: Job) -> EcosightError:
    """The error that a job's row describes, with the class it had when it was raised."""
    from ecosight import errors

    if job.status == "cancelled":
        return Cancelled(f"job {job.id} was cancelled")
    told = job.error or {}
    for name in errors.__all__:
        found = getattr(errors, name)
        if isinstance(found, type) and issubclass(found, EcosightError) and found.code == told.get("code"):
            return found(told.get("message", ""), hint=told.get("hint", ""), job_id=job.id)
    return EcosightError(told.get("message", f"job {job.id} failed"), hint=told.get("hint", ""), job_id=job.id)


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
