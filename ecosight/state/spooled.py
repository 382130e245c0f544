"""Rows that must not wait for the database: appended to a spool on disk at once, brought into their table by a thread.

A slow, locked or unreachable database delays no answer and loses no record. A row that comes twice is one row.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DataError, IntegrityError

from ecosight.errors import EcosightError, Unavailable
from ecosight.logs import get_logger
from ecosight.state.database import Database, insert_many_or_ignore, insert_or_ignore
from ecosight.state.lines import from_line, to_line
from ecosight.state.ordering import take_turn
from ecosight.state.spool import Spool

__all__ = ["SpooledTable"]

DRAIN_EVERY_S = 0.5
"""A drain costs as much as some fifty rows, one a second half a percent of two cores: each is a commit on the disk.
Who asks for a row flushes first."""
SLOWEST_RETRY_S = 5.0


class SpooledTable:
    """A table that is only appended to. Thread-safe; owns a spool file in the folder and one daemon thread.

    Args:
        moment: name of the column that holds a time.
        spool_folder: on a local disk, shared by the processes of this machine.
        drain_every_s: by so much later at most other machines see a row.
    Raises: Unavailable: the spool folder cannot be written.
    """

    def __init__(
        self,
        database: Database,
        table: Table,
        *,
        moment: str,
        spool_folder: Path,
        drain_every_s: float = DRAIN_EVERY_S,
    ) -> None:
        self._database, self._table, self._moment = database, table, moment
        self._drain_every_s = drain_every_s
        self._names = tuple(column.name for column in table.c if column.name != "arrival")
        self._spool = Spool(spool_folder, table.name)
        self._refused = spool_folder / f"{table.name}.refused"
        self._log = get_logger(table.name)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._drain_forever, name=f"{table.name}-log", daemon=True)
        self._thread.start()

    def append(self, record: Any) -> None:
        """Record a row: a dataclass with the table's columns, as ``to_line`` takes it. Takes some 5 µs.

        Once this returns, a kill -9 cannot take it away.

        Raises: Unavailable: the spool's disk is full.
        """
        self._spool.append(to_line(record))

    def flush(self) -> None:
        """Bring everything spooled so far, here and by dead processes, into the database.

        Raises: Unavailable: the database does not take it; all of it stays spooled.
        """
        self._spool.drain(self._insert)

    def flush_others(self) -> None:
        """Bring in what living processes of this machine have spooled, too, without taking it from them."""
        self._spool.peek_others(self._insert)

    def close(self) -> None:
        """Stop the thread and drain once more; what the database does not take stays spooled."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join()
        try:
            self.flush()
        except EcosightError as error:
            self._log.warning(f"{self._table.name} stay spooled", error=error.message)
        self._spool.close()

    def _drain_forever(self) -> None:
        pause = 0.0  # at once: a dead process may have left something
        while not self._closing.wait(pause):
            try:
                self.flush()
                pause = self._drain_every_s
            except Unavailable as error:
                pause = min(2 * max(pause, self._drain_every_s), SLOWEST_RETRY_S)
                self._log.warning(f"{self._table.name} wait in the spool", error=error.message, retry_in_s=pause)
            except Exception:  # the thread must outlive any surprise: the spool keeps what it could not drain
                pause = SLOWEST_RETRY_S
                self._log.exception(f"{self._table.name} wait in the spool")

    def _insert(self, lines: list[bytes]) -> None:
        rows, unreadable = [], []
        for line in lines:
            try:
                rows.append(self._row(line))
            except (ValueError, KeyError, TypeError) as error:
                unreadable.append((line, str(error)))
        try:
            with self._turn() as connection:
                insert_many_or_ignore(connection, self._table, rows)
        except (DataError, IntegrityError):
            # One row that the database can never take must not hold up all others for ever.
            for row in rows:
                self._insert_alone(row)
        for line, reason in unreadable:  # afterwards: a database that is away is tried again with the same lines
            self._set_aside(line, reason)

    def _insert_alone(self, row: dict[str, Any]) -> None:
        try:
            with self._turn() as connection:
                insert_or_ignore(connection, self._table, row)
        except (DataError, IntegrityError) as error:
            self._set_aside(to_line(row), str(error.orig))

    @contextmanager
    def _turn(self) -> Iterator[Connection]:
        with self._database.begin() as connection:
            if "arrival" in self._table.c:
                take_turn(connection, self._table)
            yield connection

    def _row(self, line: bytes) -> dict[str, Any]:
        """Raises: ValueError, KeyError, TypeError: it is no row of this table."""
        row = from_line(line)
        moment = datetime.fromisoformat(row[self._moment])
        if moment.tzinfo is None:
            raise ValueError("a time without a zone")
        return {**{name: row[name] for name in self._names}, self._moment: moment}

    def _set_aside(self, line: bytes, reason: str) -> None:
        with self._refused.open("ab") as file:
            file.write(line)
        self._log.error(
            f"a row of {self._table.name} cannot be stored and was set aside", file=str(self._refused), error=reason
        )
