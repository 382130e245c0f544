"""A job's row as a value, and the lease by which one worker at a time may work on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import RowMapping, select, update

from ecosight.errors import Cancelled, EcosightError
from ecosight.ports import Clock
from ecosight.state.database import Database
from ecosight.state.schema import jobs

__all__ = ["Job", "Lease", "Status", "error_row", "job_from"]

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A piece of work as the database knows it.

    Attributes:
        attempt: how often it was begun anew after an error; a worker that stopped or died costs none.
        progress: what the worker last said: task, done, total, unit, eta_s, figures.
        lease_until: when the job may be taken from a worker that is not heard of any more.
    """

    id: str
    kind: str
    payload: Mapping[str, Any]
    status: Status
    attempt: int
    max_attempts: int
    created_at: datetime
    worker: str | None = None
    progress: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lease_until: datetime | None = None

    @property
    def finished(self) -> bool:
        return self.status not in ("queued", "running")


class Lease:
    """The right to work on a job and to finish it. Thread-safe; made by ``JobQueue.claim``.

    Every write names the worker and the fence, a number that each claim raises. So once the job was taken
    over or cancelled, the old holder's writes change nothing, whatever its clock or its pauses were:
    two leases never finish the same job.

    Attributes:
        given_up: why nobody shall try this job again, or None. Its holder is to fail it with that, not to do it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        job: Job,
        *,
        fence: int,
        lease_seconds: float,
        retry_seconds: float,
        given_up: EcosightError | None = None,
    ) -> None:
        self.job = job
        self.given_up = given_up
        self._database, self._clock, self._fence = database, clock, fence
        self.lease_seconds = lease_seconds
        self._retry_seconds = retry_seconds

    def heartbeat(self, progress: Mapping[str, Any] | None = None) -> None:
        """Keep the lease for another while, and show how far the work is.

        Raises: Cancelled: the job was cancelled or taken over. Unavailable: the database is away; try again.
        """
        shown = {} if progress is None else {"progress": dict(progress)}
        self._write(lease_until=self._clock.now() + timedelta(seconds=self.lease_seconds), **shown)

    def succeed(self, result: Mapping[str, Any]) -> None:
        """Finish the job. Raises: as ``heartbeat``; the result is not written then."""
        self._write(status="succeeded", result=dict(result), error=None, **self._finish())

    def fail(self, error: Exception, retry: bool) -> None:
        """Give up this attempt.

        Args:
            retry: whether another attempt may help; there is one, after a pause, if any is left.
        Raises: as ``heartbeat``.
        """
        if not retry or self.job.attempt >= self.job.max_attempts:
            self._write(status="failed", error=error_row(error), **self._finish())
            return
        pause = timedelta(seconds=self._retry_seconds * 2 ** (self.job.attempt - 1))
        self._write(
            status="queued",
            error=error_row(error),
            worker=None,
            lease_until=None,
            not_before=self._clock.now() + pause,
        )

    def release(self) -> None:
        """Give the job back unfinished, for any worker to go on with; the attempt is not counted.

        Raises: as ``heartbeat``.
        """
        self._write(status="queued", worker=None, lease_until=None, attempt=self.job.attempt - 1)

    def _finish(self) -> dict[str, Any]:
        return {"finished_at": self._clock.now(), "lease_until": None}

    def _write(self, **values: Any) -> None:
        mine = (
            (jobs.c.id == self.job.id)
            & (jobs.c.status == "running")
            & (jobs.c.worker == self.job.worker)
            & (jobs.c.attempt == self.job.attempt)
            & (jobs.c.fence == self._fence)
        )
        with self._database.begin() as connection:
            if connection.execute(update(jobs).where(mine).values(**values)).rowcount:
                return
            status = connection.execute(select(jobs.c.status).where(jobs.c.id == self.job.id)).scalar()
        why = "was cancelled" if status == "cancelled" else "was taken over by another worker"
        raise Cancelled(f"job {self.job.id} {why}", hint="Nothing needs to be done.", job_id=self.job.id)


def job_from(row: RowMapping) -> Job:
    """The job of a row."""
    return Job(**{name: row[name] for name in Job.__dataclass_fields__})


def error_row(error: Exception) -> dict[str, Any]:
    """Any error as the JSON object that a job's row shows."""
    if isinstance(error, EcosightError):
        told = error.as_dict()
    else:
        told = EcosightError(f"{type(error).__name__}: {error}", hint="The worker's log has the traceback.").as_dict()
    plain: dict[str, Any] = json.loads(json.dumps(told, default=str))
    return plain
