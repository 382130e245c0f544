"""Runs jobs of the queue, one at a time, keeping their leases alive."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ecosight.errors import Cancelled, EcosightError, InputError, NotEnoughData, Refused, Unavailable
from ecosight.heart import Heart
from ecosight.ids import new_id
from ecosight.logs import get_logger
from ecosight.ports import Progress
from ecosight.state.columns import to_json
from ecosight.state.jobs import Job, JobQueue, Lease

__all__ = ["Farewell", "Handler", "run_worker"]

Handler = Callable[[Job, Progress], Mapping[str, Any]]
Farewell = Callable[[Job, EcosightError], None]
"""Puts in order what a job left behind over which too many workers died. Called again if it dies itself."""

POLL_S = 0.25
SETTLE_FOR_S = 60.0
"""How long a finished job is held on to while the database is away; then it is left to be done again."""

FINAL = (InputError, Refused, NotEnoughData)
"""Errors that another attempt would only repeat."""


def run_worker(
    queue: JobQueue,
    handlers: Mapping[str, Handler],
    *,
    once: bool,
    stop: threading.Event,
    progress: Progress | None = None,
    farewells: Mapping[str, Farewell] | None = None,
) -> int:
    """Do jobs until told to stop.

    A handler gets the job and a progress whose ``checkpoint`` raises Cancelled once the worker shall stop or
    the job was cancelled or taken over. On a stop the job goes back to the queue, its attempt not counted.

    Args:
        handlers: what to do, by the kind of job; each returns a JSON-serialisable result.
        once: return when no job of these kinds is queued any more, instead of waiting for the next.
        stop: ends the worker; SIGTERM sets it too, if this is the main thread.
        progress: shown what the jobs report, beside their rows.
        farewells: by the kind of job, what to do before one is given up.
    Returns: how many jobs were finished, well or badly.
    Raises: Unavailable: the database cannot be used (with ``once``; else the worker waits for it).
    """
    worker = f"{socket.gethostname()}:{os.getpid()}:{new_id('worker')}"
    kinds = list(handlers)
    finished = 0
    with _sigterm_sets(stop):
        while not stop.is_set():
            try:
                lease = queue.claim(worker, kinds)
                if lease is not None and lease.given_up is not None:
                    finished += _give_up(lease, lease.given_up, (farewells or {}).get(lease.job.kind), stop)
                    continue
                if lease is not None:
                    finished += _run(lease, handlers[lease.job.kind], stop, progress)
                    continue
                if once and queue.next_retry_s(kinds) is None:
                    break
            except Unavailable as error:
                if once:
                    raise
                get_logger("worker").warning("the worker waits for the database", error=error.message)
            stop.wait(POLL_S)
    return finished


def _run(lease: Lease, handler: Handler, stop: threading.Event, progress: Progress | None) -> bool:
    """Do one job. Returns whether it is finished, as opposed to given back, lost or to be tried again."""
    job = lease.job
    log = get_logger("worker").bind(job=job.id, kind=job.kind, attempt=job.attempt)
    log.info("job begins")
    with Heart(lease, stop, progress) as heart:
        try:
            result = handler(job, heart)
            to_json(result)  # a result that cannot be written is the handler's fault, told as such
        except Cancelled as error:
            return _stopped(lease, heart, stop, error, log)
        except Exception as error:
            again = not isinstance(error, FINAL) and job.attempt < job.max_attempts
            log.exception("job failed", again=again)
            return _settle(lease.fail, error, again) and not again
        except BaseException:  # the process ends (Ctrl-C, sys.exit), the job does not
            _settle(lease.release)
            raise
        done = _settle(_succeed, lease, heart, result)
    log.info("job done" if done else "job lost")
    return done


def _give_up(lease: Lease, error: EcosightError, farewell: Farewell | None, stop: threading.Event) -> bool:
    """Fail a job over which too many workers died. Returns whether it is finished."""
    job = lease.job
    log = get_logger("worker").bind(job=job.id, kind=job.kind)
    log.error("job given up", error=error.message)
    with Heart(lease, stop):
        try:
            if farewell is not None:
                farewell(job, error)
        except Unavailable as second:  # the lease runs out, and another worker tries again
            log.warning("the job given up could not be recorded yet", error=second.message)
            return False
        except Exception:
            log.exception("the job given up could not be recorded")
        return _settle(lease.fail, error, False)


def _stopped(lease: Lease, heart: Heart, stop: threading.Event, error: Cancelled, log: Any) -> bool:
    if heart.lost is not None:
        log.warning("job lost", error=error.message)
        return False
    if stop.is_set():
        _settle(lease.release)
        log.info("job given back")
        return False
    return _settle(lease.fail, error, False)  # the handler's own decision


def _succeed(lease: Lease, heart: Heart, result: Mapping[str, Any]) -> None:
    lease.heartbeat(heart.shown())
    lease.succeed(result)


def _settle(write: Callable[..., None], *arguments: Any) -> bool:
    """Write a job's end, patiently. Returns False when the job is no longer this worker's."""
    deadline = time.monotonic() + SETTLE_FOR_S
    while True:
        try:
            write(*arguments)
            return True
        except Cancelled:
            return False
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)


@contextmanager
def _sigterm_sets(stop: threading.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()
        if callable(before):
            before(number, frame)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
