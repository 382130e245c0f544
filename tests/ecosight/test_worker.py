"""The worker: jobs done, failed, given back and taken up again; with real kills."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from ecosight.errors import Cancelled, EcosightError, InvalidInput, NotEnoughData, Refused, Unavailable
from ecosight.heart import Heart
from ecosight.ports import Progress
from ecosight.state import Database, Job, JobQueue
from ecosight.state.jobs import WORKERS_LOST
from ecosight.testing import ManualClock, ProgressConformance
from ecosight.worker import Farewell, run_worker

WORKER = """
import sys, threading, time
from ecosight.logs import configure_logging
from ecosight.state import JobQueue, open_database
from ecosight.worker import run_worker

configure_logging(json_lines=True)  # to standard error; here standard output is read

def handle(job, progress):
    with progress.task("count", 600, "ticks") as task:
        for tick in range(600):
            progress.checkpoint()
            print("tick", tick, flush=True)
            time.sleep(0.02)
            task.advance()
    return {"by": "the first"}

queue = JobQueue(open_database(sys.argv[1]), lease_seconds=float(sys.argv[2]))
print("done", run_worker(queue, {"count": handle}, once=True, stop=threading.Event()), flush=True)
"""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def queue(database: Database) -> JobQueue:
    return JobQueue(database, lease_seconds=1.0, max_attempts=3, retry_seconds=0.01)


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@contextmanager
def first_worker(database_url: str, lease_seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A worker process in the middle of its job."""
    command = [sys.executable, "-c", WORKER, database_url, str(lease_seconds)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "tick 0\n"
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()


def finish(job: Job, progress: Progress) -> dict[str, Any]:
    return {"by": "the second", "attempt": job.attempt}


class TestHeart(ProgressConformance):
    @pytest.fixture
    def progress(self, queue: JobQueue, stop: threading.Event) -> Iterator[Heart]:
        queue.enqueue("fit", {})
        lease = queue.claim("worker", ["fit"])
        assert lease is not None
        with Heart(lease, stop) as heart:
            yield heart


def test_a_worker_does_what_is_queued_and_returns(queue: JobQueue, stop: threading.Event) -> None:
    jobs = [queue.enqueue("fit", {"number": number}) for number in range(3)]
    other = queue.enqueue("other", {})
    done = run_worker(queue, {"fit": lambda job, _: dict(job.payload)}, once=True, stop=stop)
    assert done == 3
    assert [queue.get(job.id).result for job in jobs] == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert queue.get(other.id).status == "queued"


def test_a_worker_waits_for_jobs_until_it_is_stopped(queue: JobQueue, stop: threading.Event) -> None:
    def handle(job: Job, progress: Progress) -> dict[str, Any]:
        stop.set()
        return {}

    timer = threading.Timer(0.3, lambda: queue.enqueue("fit", {}))
    timer.start()
    assert run_worker(queue, {"fit": handle}, once=False, stop=stop) == 1
    timer.join()


def test_the_row_shows_how_far_the_job_is(queue: JobQueue, stop: threading.Event) -> None:
    job = queue.enqueue("fit", {})
    seen: list[Any] = []

    def handle(job: Job, progress: Progress) -> dict[str, Any]:
        with progress.task("fit", 10, "epochs") as task:
            time.sleep(0.02)
            task.advance(4, loss=np.float32(0.5), note=Path("best"))
            deadline = time.monotonic() + 10
            while not (shown := queue.get(job.id).progress) and time.monotonic() < deadline:
                time.sleep(0.02)
            seen.append(shown)
            task.advance(6)
        return {}

    run_worker(queue, {"fit": handle}, once=True, stop=stop)
    [shown] = seen
    assert shown["eta_s"] >= 0
    assert {**shown, "eta_s": 0} == {
        "task": "fit",
        "done": 4,
        "total": 10,
        "unit": "epochs",
        "eta_s": 0,
        "figures": {"loss": 0.5, "note": "best"},
    }
    assert queue.get(job.id).progress["done"] == 10  # the last word is written too


@pytest.mark.parametrize("error", [InvalidInput("no such label"), Refused("the gate"), NotEnoughData("two classes")])
def test_an_error_that_would_only_repeat_is_final(queue: JobQueue, stop: threading.Event, error: Exception) -> None:
    def handle(job: Job, progress: Progress) -> dict[str, Any]:
        raise error

    job = queue.enqueue("fit", {})
    assert run_worker(queue, {"fit": handle}, once=True, stop=stop) == 1
    failed = queue.get(job.id)
    assert (failed.status, failed.attempt) == ("failed", 1)
    assert failed.error is not None
    assert failed.error["message"] == str(error)


@pytest.mark.parametrize("error", [Unavailable("registry"), ConnectionError("reset"), MemoryError()])
def test_other_errors_are_tried_again_until_the_last_attempt(
    queue: JobQueue, stop: threading.Event, error: Exception
) -> None:
    def handle(job: Job, progress: Progress) -> dict[str, Any]:
        raise error

    job = queue.enqueue("fit", {})
    assert run_worker(queue, {"fit": handle}, once=True, stop=stop) == 1
    assert (queue.get(job.id).status, queue.get(job.id).attempt) == ("failed", 3)


def test_a_second_attempt_may_succeed(queue: JobQueue, stop: threading.Event) -> None:
    def handle(job: Job, progress: Progress) -> dict[str, Any]:
        if job.attempt == 1:
            raise Unavailable("registry")
        return {"attempt": job.attempt}

    job = queue.enqueue("fit", {})
    run_worker(queue, {"fit": handle}, once=True, stop=stop)
    assert (queue.get(job.id).status, queue.get(job.id).result) == ("succeeded", {"attempt": 2})
    assert queue.get(job.id).error is None


def test_a_result_that_is_no_json_is_the_handlers_fault(queue: JobQueue, stop: threading.Event) -> None:
    job = queue.enqueue("fit", {})
    run_worker(queue, {"fit": lambda job, _: {"array": np.zeros(2)}}, once=True, stop=stop)
    failed = queue.get(job.id)
    assert failed.status == "failed"
    assert failed.error is not None
    assert "TypeError" in failed.error["message"]


def test_a_cancelled_job_stops_at_its_next_checkpoint(queue: JobQueue, stop: threading.Event) -> None:
    def handle(job: Job, progress: Progress) -> dict[str, Any]:
        queue.cancel(job.id)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            progress.checkpoint()
            time.sleep(0.02)
        raise AssertionError("never cancelled")

    job = queue.enqueue("fit", {})
    assert run_worker(queue, {"fit": handle}, once=True, stop=stop) == 0
    assert queue.get(job.id).status == "cancelled"


def test_a_handler_may_give_up_by_itself(queue: JobQueue, stop: threading.Event) -> None:
    def handle(job: Job, progress: Progress) -> dict[str, Any]:
        raise Cancelled("no more samples wanted")

    job = queue.enqueue("fit", {})
    run_worker(queue, {"fit": handle}, once=True, stop=stop)
    assert queue.get(job.id).status == "failed"


def test_an_interrupted_worker_gives_its_job_back(queue: JobQueue, stop: threading.Event) -> None:
    def handle(job: Job, progress: Progress) -> dict[str, Any]:
        raise KeyboardInterrupt

    job = queue.enqueue("fit", {})
    with pytest.raises(KeyboardInterrupt):
        run_worker(queue, {"fit": handle}, once=True, stop=stop)
    assert (queue.get(job.id).status, queue.get(job.id).attempt) == ("queued", 0)


class Outlived:
    """A job over which as many workers died as one job may cost, each leaving its lease to run out."""

    def __init__(self, database: Database) -> None:
        self.clock = ManualClock()
        self.queue = JobQueue(database, clock=self.clock, lease_seconds=30)
        self.job_id = self.queue.enqueue("fit", {}).id
        for number in range(WORKERS_LOST):
            assert self.queue.claim(f"worker {number}", ["fit"]) is not None
            self.clock.advance(31)

    @property
    def job(self) -> Job:
        return self.queue.get(self.job_id)

    def run(self, farewell: Farewell | None) -> int:
        farewells = {} if farewell is None else {"fit": farewell}
        stop = threading.Event()
        return run_worker(self.queue, {"fit": finish}, once=True, stop=stop, farewells=farewells)


@pytest.fixture
def outlived(database: Database) -> Outlived:
    return Outlived(database)


def test_a_job_given_up_is_not_done_but_closed_and_then_failed(outlived: Outlived) -> None:
    seen: list[tuple[str, str, str]] = []
    assert outlived.run(lambda job, error: seen.append((job.id, outlived.job.status, error.code))) == 1
    assert seen == [(outlived.job_id, "running", "unavailable")]
    assert (outlived.job.status, outlived.job.result) == ("failed", None)
    assert outlived.job.error is not None
    assert "workers died" in outlived.job.error["message"]
    assert outlived.run(None) == 0


def test_a_job_given_up_that_leaves_nothing_behind_needs_no_farewell(outlived: Outlived) -> None:
    assert outlived.run(None) == 1
    assert outlived.job.status == "failed"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Unavailable("the registry is away")])
def test_a_farewell_that_was_cut_short_is_said_again_by_the_next_worker(
    outlived: Outlived, error: BaseException
) -> None:
    said: list[str] = []

    def farewell(job: Job, _: EcosightError) -> None:
        said.append(job.id)
        if len(said) == 1:
            raise error

    with suppress(KeyboardInterrupt):
        assert outlived.run(farewell) == 0
    assert outlived.job.status == "running"
    assert outlived.run(farewell) == 0  # it still is the first one's
    outlived.clock.advance(31)
    assert outlived.run(farewell) == 1
    assert said == [outlived.job_id] * 2
    assert outlived.job.status == "failed"


def test_a_farewell_that_is_broken_does_not_keep_the_job(outlived: Outlived) -> None:
    def farewell(job: Job, _: EcosightError) -> None:
        raise KeyError("of ours")

    assert outlived.run(farewell) == 1
    assert outlived.job.status == "failed"
    assert outlived.job.error is not None
    assert "workers died" in outlived.job.error["message"]


def test_the_handler_of_sigterm_is_put_back(queue: JobQueue, stop: threading.Event) -> None:
    before = signal.getsignal(signal.SIGTERM)
    run_worker(queue, {"fit": finish}, once=True, stop=stop)
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_gives_the_job_back_and_ends_the_worker(
    queue: JobQueue, database_url: str, stop: threading.Event
) -> None:
    job = queue.enqueue("count", {})
    with first_worker(database_url, lease_seconds=60) as worker:
        worker.terminate()
        assert worker.wait(timeout=10) == 0
    given_back = queue.get(job.id)
    assert (given_back.status, given_back.attempt, given_back.worker) == ("queued", 0, None)
    run_worker(queue, {"count": finish}, once=True, stop=stop)
    assert queue.get(job.id).result == {"by": "the second", "attempt": 1}


def test_a_job_whose_worker_was_killed_is_taken_up_again(
    queue: JobQueue, database_url: str, stop: threading.Event
) -> None:
    job = queue.enqueue("count", {}, exclusive=True)
    with first_worker(database_url, lease_seconds=1) as worker:
        worker.kill()
        worker.wait()
    assert queue.get(job.id).status == "running"  # nobody knows yet
    timer = threading.Timer(10, stop.set)
    timer.start()
    while not queue.get(job.id).finished and not stop.is_set():
        run_worker(queue, {"count": finish}, once=True, stop=stop)
        time.sleep(0.05)
    timer.cancel()
    assert queue.get(job.id).result == {"by": "the second", "attempt": 1}
    assert len(queue.jobs()) == 1


def test_a_worker_that_was_frozen_past_its_lease_finishes_nothing(
    queue: JobQueue, database_url: str, stop: threading.Event
) -> None:
    job = queue.enqueue("count", {})
    with first_worker(database_url, lease_seconds=1) as worker:
        worker.send_signal(signal.SIGSTOP)
        while not queue.pending():
            time.sleep(0.05)
        run_worker(queue, {"count": finish}, once=True, stop=stop)
        worker.send_signal(signal.SIGCONT)
        assert worker.stdout is not None
        last = worker.stdout.read().splitlines()[-1]
    assert last == "done 0"
    assert queue.get(job.id).result == {"by": "the second", "attempt": 1}
