"""Owns caches of what is computed from samples' bytes: one SQLite file, filled by all cores, begun anew where damaged.

What is kept in a row, and how it is checked, is the business of whoever has such a cache.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ecosight.errors import EcosightError, InputError, IntegrityError, NotFound, Unavailable
from ecosight.logs import get_logger
from ecosight.ports import Progress
from ecosight.state.full_disk import told_full

__all__ = ["Bytes", "CacheFile", "compute"]

BUSY_S = 30.0
"""How long a writer waits for another."""
_ROWS_A_COMMIT = 64

Made = TypeVar("Made")


class Bytes(Protocol):
    """Where a sample's bytes are; ``ecosight.ports.BlobStore`` is one."""

    def get(self, digest: str, /) -> bytes: ...


class CacheFile:
    """One table in one SQLite file, which may be deleted at any time. Safe for several threads and processes.

    Args:
        table: the statement that creates the table if it is not there. what: names the cache in errors.
    """

    def __init__(self, file: Path, table: str, *, what: str) -> None:
        self.file, self._table, self._what = file, table, what

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """A connection. A file that SQLite cannot read any more is begun anew.

        Raises: Unavailable: it cannot be used. IntegrityError: it was found damaged meanwhile; try again.
        """
        try:
            try:
                connection = self._connect()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:  # no database any more
                get_logger("dataset").warning(f"{self._what} is damaged, beginning anew", file=str(self.file))
                self._forget()
                connection = self._connect()
            with closing(connection):
                yield connection
        except sqlite3.OperationalError as error:
            raise self._unusable(Unavailable, error) from error
        except sqlite3.DatabaseError as error:
            self._forget()
            raise self._unusable(IntegrityError, error) from error

    def _connect(self) -> sqlite3.Connection:
        if not self.file.exists():
            self._create()
        connection = sqlite3.connect(self.file, timeout=BUSY_S)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(self._table)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _create(self) -> None:
        """Under another name first: SQLite does not wait its turn where several switch to WAL at once."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_name(f"{self.file.stem}.{os.getpid()}.{threading.get_ident()}.new")
        new.unlink(missing_ok=True)
        with closing(sqlite3.connect(new)) as connection:
            connection.execute("PRAGMA page_size = 16384")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(self._table)
        try:
            os.link(new, self.file)
        except FileExistsError:  # another was first
            pass
        except OSError:  # a file system without links
            new.rename(self.file)
        new.unlink(missing_ok=True)

    def _forget(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)

    def _unusable(self, kind: type[EcosightError], error: sqlite3.Error) -> EcosightError:
        if full := told_full(error, self.file):
            return Unavailable(full[0], hint=full[1])
        return kind(
            f"the {self._what} {self.file} cannot be used: {error}",
            hint="It can be deleted at any time; check the space on its disk, then try again.",
        )


def compute(
    make: Callable[[str], Made],
    sample_ids: Sequence[str],
    keep: Callable[[dict[str, Made]], Any],
    *,
    task: str,
    workers: int | None,
    progress: Progress,
) -> dict[str, str]:
    """Make something of every sample, several at a time, and keep it every 64 samples.

    Args:
        make: from a sample id; runs in threads. keep: stores what was made; runs in this thread.
        workers: how many at a time; None: one for each core.
    Returns: sample id -> why it was not possible: it cannot be read, or its bytes are gone or damaged.
    Raises: Cancelled: what was made stays.
    """
    failed: dict[str, str] = {}
    if not sample_ids:
        return failed
    made: dict[str, Made] = {}
    workers = workers or len(os.sched_getaffinity(0))
    pool = ThreadPoolExecutor(workers, thread_name_prefix=task)
    try:
        with progress.task(task, len(sample_ids), "sample") as shown:
            for sample_id, future in _ordered(pool, make, sample_ids, 4 * workers):
                progress.checkpoint()
                try:
                    made[sample_id] = future.result()
                except (InputError, NotFound, IntegrityError) as error:
                    failed[sample_id] = error.message
                if len(made) >= _ROWS_A_COMMIT:
                    keep(made)
                    made = {}
                shown.advance(unreadable=len(failed))
    finally:
        pool.shutdown(cancel_futures=True)
        keep(made)
    return failed


def _ordered(
    pool: ThreadPoolExecutor, make: Callable[[str], Made], ids: Sequence[str], at_once: int
) -> Iterator[tuple[str, Future[Made]]]:
    """Each id with its finished future, never more than ``at_once`` waiting: results are not piled up."""
    left = iter(ids)
    running: dict[Future[Made], str] = {}
    while True:
        for sample_id in left:
            running[pool.submit(make, sample_id)] = sample_id
            if len(running) >= at_once:
                break
        if not running:
            return
        for done in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(done), done
