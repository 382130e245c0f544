"""Runs jobs of the queue, one at a time, keeping their leases alive."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ecosight.errors import Cancelled, InputError, NotEnoughData, Refused, Unavailable
from ecosight.ids import new_id
from ecosight.logs import get_logger
from ecosight.ports import Progress, Task
from ecosight.state.jobs import Job, JobQueue
from ecosight.state.leases import Lease

__all__ = ["Handler", "run_worker"]

Handler = Callable[[Job, Progress], Mapping[str, Any]]

POLL_S = 0.25
SHOW_EVERY_S = 1.0
SETTLE_FOR_S = 60.0
"""How long a finished job is held on to while the database is away; then it is left to be done again."""

FINAL = (InputError, Refused, NotEnoughData)
"""Errors that another attempt would only repeat."""

_log = get_logger("worker")


def run_worker(queue: JobQueue, handlers: Mapping[str, Handler], *, once: bool, stop: threading.Event) -> int:
    """Do jobs until told to stop.

    A handler gets the job and a progress whose ``checkpoint`` raises Cancelled once the worker shall stop or
    the job was cancelled or taken over; on a stop the job goes back to the queue, its attempt not counted.

    Args:
        handlers: what to do, by the kind of job.
        once: return when nothing is left to do now, instead of waiting for more.
        stop: set by whoever wants the worker to end; SIGTERM sets it too if this is the main thread.
    Returns: how many jobs were finished, well or badly.
    Raises: Unavailable: the database cannot be used (with ``once``; else the worker waits for it).
    """
    worker = f"{socket.gethostname()}:{os.getpid()}:{new_id('worker')}"
    finished = 0
    with _sigterm_sets(stop):
        while not stop.is_set():
            lease = _claim(queue, worker, list(handlers), once=once)
            if lease is not None:
                finished += _run(lease, handlers[lease.job.kind], stop)
            elif once and not _retry_is_near(queue, list(handlers)):
                break
            else:
                stop.wait(POLL_S)
    return finished


def _claim(queue: JobQueue, worker: str, kinds: list[str], *, once: bool) -> Lease | None:
    try:
        return queue.claim(worker, kinds)
    except Unavailable as error:
        if once:
            raise
        _log.warning("the worker waits for the database", error=error.message)
        return None


def _retry_is_near(queue: JobQueue, kinds: list[str]) -> bool:
    return queue.next_retry_s(kinds) is not None


def _run(lease: Lease, handler: Handler, stop: threading.Event) -> bool:
    """Do one job. Returns whether it is finished, as opposed to given back or lost."""
    job = lease.job
    log = _log.bind(job=job.id, kind=job.kind, attempt=job.attempt)
    log.info("job begins")
    with _Heart(lease, stop) as heart:
        try:
            result = handler(job, heart)
        except Cancelled as error:
            if heart.lost:
                log.warning("job lost", error=error.message)
                return False
            if stop.is_set():
                _settle(lease.release)
                log.info("job given back")
                return False
            return _settle(lambda: lease.fail(error, retry=False))
        except Exception as error:
            retry = not isinstance(error, FINAL)
            log.exception("job failed", retry=retry)
            # The name of an except clause is unbound at its end, before the heart stops.
            failure = error
            return _settle(lambda: lease.fail(failure, retry=retry)) and not _again(lease, retry)
        except BaseException:  # KeyboardInterrupt, SystemExit: the process ends, the job does not
            _settle(lease.release)
            raise
        done = _settle(lambda: _succeed(lease, heart, result))
    log.info("job done" if done else "job lost")
    return done


def _again(lease: Lease, retry: bool) -> bool:
    return retry and lease.job.attempt < lease.job.max_attempts


def _succeed(lease: Lease, heart: _Heart, result: Mapping[str, Any]) -> None:
    lease.heartbeat(heart.shown())
    lease.succeed(result)
