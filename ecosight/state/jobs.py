"""Durable jobs: a table of leases and attempts in the operational database.

A worker claims a job for a while and keeps the lease alive by heartbeats. When it dies, the lease runs out
and another worker takes the job up again. Leases run by the wall clock: a clock that jumps forward may have
a job taken from a living worker, one that jumps back delays the taking over by the size of the jump. Either
costs time only, since every write of a lease is fenced (see ``Lease``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, RowMapping, case, func, select, update

from ecosight.clock import SystemClock
from ecosight.errors import AlreadyRunning, InvalidInput, NotFound, Unavailable
from ecosight.ids import new_id
from ecosight.ports import Clock
from ecosight.state.database import Database, insert_or_ignore
from ecosight.state.leases import Job, Lease, Status, job_from
from ecosight.state.schema import jobs

if TYPE_CHECKING:
    from ecosight.config import Config

__all__ = ["Job", "JobQueue", "Lease", "Status", "open_queue"]

WORKERS_LOST = 50
"""Claims after which a job whose worker died is given up. A kill, a power cut or a rolling restart is not the job's
fault, so they cost no attempt; a job that eats all memory ends here. The lease that a worker gets of it then is for
failing it, so that what the job leaves behind is put in order by somebody who may die over it too."""


class JobQueue:
    """The queue. Thread-safe, and safe across processes and machines.

    Args:
        lease_seconds: a job whose worker was not heard of for so long is taken up by another.
        max_attempts: after so many that ended in an error the job has failed. A worker's death costs none.
        retry_seconds: the pause before a second attempt; it doubles with each further one.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock | None = None,
        lease_seconds: float = 30.0,
        max_attempts: int = 3,
        retry_seconds: float = 1.0,
    ) -> None:
        self._database = database
        self._clock: Clock = SystemClock() if clock is None else clock
        self._lease_seconds, self._max_attempts = lease_seconds, max_attempts
        self._retry_seconds = retry_seconds

    def enqueue(self, kind: str, payload: Mapping[str, Any], *, exclusive: bool = False, key: str | None = None) -> Job:
        """Add a job.

        Args:
            payload: JSON-serialisable.
            exclusive: at most one unfinished job of this kind; a kind is always exclusive, or never.
            key: the same key of the same kind again returns the first job, whatever became of it.
        Raises: AlreadyRunning: exclusive, and one is unfinished; ``running_id`` in the context names it.
        """
        job_id = new_id("job")
        row = self._new_row(job_id, kind, payload, exclusive, key)
        while True:
            # The unique indexes decide who was first; the loser looks at the winner.
            with self._database.begin() as connection:
                if insert_or_ignore(connection, jobs, row):
                    return _get(connection, job_id)
                same = _first(connection, (jobs.c.kind == kind) & (jobs.c.key == key)) if key is not None else None
                if same is not None:
                    return same
                unfinished = _first(
                    connection, (jobs.c.kind == kind) & jobs.c.exclusive & jobs.c.status.in_(("queued", "running"))
                )
            if unfinished is not None:
                raise AlreadyRunning(
                    f"a {kind} job is under way already",
                    hint=f"Wait for {unfinished.id} to finish, or cancel it.",
                    running_id=unfinished.id,
                )

    def claim(self, worker: str, kinds: Sequence[str]) -> Lease | None:
        """Take the oldest job that is queued, or whose worker's lease has run out; None if there is none.

        A job that outlived too many workers comes first, with a lease that says so (``Lease.given_up``).

        Args:
            worker: a name that no other living worker has.
        """
        if not kinds:
            raise InvalidInput("a worker must name the kinds of jobs it can do")
        if not self.pending(kinds):  # a look that takes no lock, for the idle
            return None
        now = self._clock.now()
        with self._database.begin() as connection:
            row = self._take(connection, worker, _hopeless(now) & jobs.c.kind.in_(kinds), now)
            hopeless = row is not None
            if row is None:
                row = self._take(connection, worker, _claimable(now) & jobs.c.kind.in_(kinds), now)
        if row is None:
            return None
        return Lease(
            self._database,
            self._clock,
            job_from(row),
            fence=row["fence"],
            lease_seconds=self._lease_seconds,
            retry_seconds=self._retry_seconds,
            given_up=_too_many_died() if hopeless else None,
        )

    def get(self, job_id: str) -> Job:
        """Raises: NotFound."""
        with self._database.read() as connection:
            return _get(connection, job_id)

    def jobs(self, kind: str | None = None, status: Status | None = None, limit: int = 100) -> list[Job]:
        """Jobs of a kind and a status (None: any), newest first."""
        query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        if status is not None:
            query = query.where(jobs.c.status == status)
        with self._database.read() as connection:
            return [job_from(row) for row in connection.execute(query).mappings()]

    def cancel(self, job_id: str) -> Job:
        """Stop a job: at once when queued, at the worker's next checkpoint when running.

        A finished job stays as it is. Raises: NotFound.
        """
        with self._database.begin() as connection:
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.status.in_(("queued", "running")))
                .values(status="cancelled", finished_at=self._clock.now(), lease_until=None)
            )
            return _get(connection, job_id)

    def pending(self, kinds: Sequence[str] | None = None) -> bool:
        """Whether a worker could do something right now, for these kinds (None: any)."""
        now = self._clock.now()
        query = select(jobs.c.id).where(_claimable(now) | _hopeless(now)).limit(1)
        if kinds is not None:
            query = query.where(jobs.c.kind.in_(kinds))
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def next_retry_s(self, kinds: Sequence[str]) -> float | None:
        """Seconds until a queued job of these kinds may be claimed; None if none is queued."""
        query = select(jobs.c.not_before).where(jobs.c.status == "queued", jobs.c.kind.in_(kinds))
        now = self._clock.now()
        with self._database.read() as connection:
            waits = [0.0 if at is None else (at - now).total_seconds() for at in connection.execute(query).scalars()]
        return max(min(waits), 0.0) if waits else None

    def _new_row(
        self, job_id: str, kind: str, payload: Mapping[str, Any], exclusive: bool, key: str | None
    ) -> dict[str, Any]:
        return {
            "id": job_id,
            "kind": kind,
            "key": key,
            "exclusive": exclusive,
            "payload": dict(payload),
            "status": "queued",
            "attempt": 0,
            "max_attempts": self._max_attempts,
            "fence": 0,
            "progress": {},
            "created_at": self._clock.now(),
        }

    def _take(
        self, connection: Connection, worker: str, condition: ColumnElement[bool], now: datetime
    ) -> RowMapping | None:
        """The oldest job of a condition, now this worker's."""
        oldest = (
            select(jobs.c.id)
            .where(condition)
            .order_by(jobs.c.created_at, jobs.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)  # left out on SQLite, where one writes at a time
        )
        taken = (
            update(jobs)
            .where(jobs.c.id == oldest.scalar_subquery())
            .values(
                status="running",
                worker=worker,
                # Taken over from a dead worker it is the same attempt: it goes on, it did not fail.
                attempt=case((jobs.c.status == "running", jobs.c.attempt), else_=jobs.c.attempt + 1),
                fence=jobs.c.fence + 1,
                not_before=None,
                lease_until=now + timedelta(seconds=self._lease_seconds),
                started_at=func.coalesce(jobs.c.started_at, now),
            )
            .returning(*jobs.c)
        )
        return connection.execute(taken).mappings().first()


def open_queue(config: Config, database: Database, *, clock: Clock | None = None) -> JobQueue:
    """The queue with the leases and attempts that are configured."""
    settings = config.retraining
    return JobQueue(database, clock=clock, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts)


def _claimable(now: datetime) -> ColumnElement[bool]:
    waiting = (jobs.c.status == "queued") & (jobs.c.not_before.is_(None) | (jobs.c.not_before <= now))
    return waiting | (_orphaned(now) & (jobs.c.fence < WORKERS_LOST))


def _hopeless(now: datetime) -> ColumnElement[bool]:
    """Outlived too many workers: it may be the job that kills them."""
    return _orphaned(now) & (jobs.c.fence >= WORKERS_LOST)


def _too_many_died() -> Unavailable:
    return Unavailable(
        f"more than {WORKERS_LOST} workers died over this job",
        hint="Look into the worker's log: it may lack memory. Then start anew.",
    )


def _orphaned(now: datetime) -> ColumnElement[bool]:
    return (jobs.c.status == "running") & (jobs.c.lease_until < now)


def _first(connection: Connection, condition: ColumnElement[bool]) -> Job | None:
    row = connection.execute(select(jobs).where(condition).limit(1)).mappings().first()
    return None if row is None else job_from(row)


def _get(connection: Connection, job_id: str) -> Job:
    job = _first(connection, jobs.c.id == job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id!r}", hint="The answer that started a job names it.")
    return job
