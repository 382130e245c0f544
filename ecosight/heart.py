"""The heart of a running job: keeps its lease alive, and shows its progress in the job's row."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ecosight.errors import Cancelled, Unavailable
from ecosight.logs import get_logger
from ecosight.ports import Progress, Task
from ecosight.progress import NullProgress
from ecosight.state.leases import Lease

__all__ = ["Heart"]

SHOW_EVERY_S = 1.0


class Heart:
    """A ``Progress`` for a handler, and a thread that beats while the block runs.

    The handler's thread only changes numbers in memory; the thread writes them, so work never waits for the
    database. ``checkpoint`` raises Cancelled when the worker shall stop or the lease was lost.

    Args:
        watched_by: is told all that the handler reports, for whoever sits before this process.
    Attributes:
        lost: why the lease is gone (cancelled, or taken over), or None.
    """

    def __init__(self, lease: Lease, stop: threading.Event, watched_by: Progress | None = None) -> None:
        self._lease, self._stop = lease, stop
        self._watched_by: Progress = NullProgress() if watched_by is None else watched_by
        self._task: _JobTask | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heart-{lease.job.id}", daemon=True)
        self.lost: Cancelled | None = None

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._thread.join()

    @contextmanager
    def task(self, name: str, total: int, unit: str) -> Iterator[Task]:
        with self._watched_by.task(name, total, unit) as watched:
            self._task = _JobTask(name, total, unit, watched)
            yield self._task

    def checkpoint(self) -> None:
        self._watched_by.checkpoint()
        if self.lost is not None:
            raise self.lost
        if self._stop.is_set():
            raise Cancelled("the worker is stopping", hint="Another worker will go on with the job.")

    def shown(self) -> dict[str, Any] | None:
        """The progress as the job's row shows it; None before the first task."""
        return None if self._task is None else self._task.row()

    def _beat(self) -> None:
        written: dict[str, Any] | None = None
        beaten = time.monotonic()
        every_s = self._lease.lease_seconds / 3
        while self.lost is None and not self._over.wait(min(every_s, SHOW_EVERY_S)):
            shown = self.shown()
            if shown == written and time.monotonic() - beaten < every_s - SHOW_EVERY_S / 2:
                continue
            try:
                self._lease.heartbeat(shown)
                written, beaten = shown, time.monotonic()
            except Cancelled as error:
                self.lost = error
            except Unavailable as error:
                # Nobody else can take the job through a database that is away; fencing covers the rest.
                get_logger("worker").warning("no heartbeat", job=self._lease.job.id, error=error.message)


class _JobTask:
    def __init__(self, name: str, total: int, unit: str, watched: Task) -> None:
        self._name, self._total, self._unit = name, total, unit
        self._watched = watched
        self._done, self._figures = 0, {}  # type: int, dict[str, Any]
        self._began = time.monotonic()
        self._advanced_s = 0.0

    def advance(self, units: int = 1, **figures: Any) -> None:
        self._done += units
        self._figures = figures or self._figures
        self._advanced_s = time.monotonic() - self._began
        self._watched.advance(units, **figures)

    def row(self) -> dict[str, Any]:
        done = self._done
        # As of the last advance, so that a row changes only when the work has.
        left_s = self._advanced_s / done * (self._total - done) if done else None
        return {
            "task": self._name,
            "done": done,
            "total": self._total,
            "unit": self._unit,
            "eta_s": None if left_s is None else round(left_s, 1),
            "figures": json.loads(json.dumps(self._figures, default=_plain)),
        }


def _plain(value: Any) -> Any:
    """NumPy's numbers are not JSON's; a figure of any other kind is shown as its text."""
    return value.item() if hasattr(value, "item") else str(value)
