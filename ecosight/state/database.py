"""Opens the operational database, SQLite or PostgreSQL, and hands out transactions."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from ecosight.errors import ConfigError, IntegrityError, Unavailable
from ecosight.state.columns import to_json
from ecosight.state.full_disk import told_full
from ecosight.state.migrating import migrate

__all__ = [
    "Database",
    "insert_into",
    "insert_many_or_ignore",
    "insert_or_ignore",
    "open_database",
    "server_version",
]

BUSY_S = 10.0
"""How long a writer waits for another before it is told that the database is busy."""
MOST_CONNECTIONS = 32
READ_ONLY = "ecosight_read_only"
_FILE = "ecosight_file"
_OTHERS_AT_WORK = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


class Database:
    """An opened, migrated database. Thread-safe; not to be carried over a fork.

    Attributes:
        url: for showing: a password in it is hidden.
        engine: SQLAlchemy's engine.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.url = engine.url.render_as_string(hide_password=True)
        # SQLite has one writer at a time and makes the others poll, up to seconds behind each other;
        # so the threads of this process queue here, and only processes poll.
        self._writers = threading.BoundedSemaphore(1 if engine.dialect.name == "sqlite" else MOST_CONNECTIONS)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that may write; committed when the block ends well, rolled back when it raises.

        Never open one inside another: on SQLite the inner one would wait for the outer.
        Raises: Unavailable: cannot be reached, is locked for too long, or its disk is full.
        IntegrityError: the file is damaged.
        """
        if not self._writers.acquire(timeout=BUSY_S):
            raise Unavailable(f"the database {self.url} is busy", hint="Try again.")
        try:
            with _translated(self.url), self.engine.begin() as connection:
                yield connection
        finally:
            self._writers.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: on SQLite it neither waits for a writer nor holds one up.

        Raises: as ``begin``.
        """
        with (
            _translated(self.url),
            self.engine.connect().execution_options(**{READ_ONLY: True}) as connection,
            connection.begin(),
        ):
            yield connection

    def check(self) -> None:
        """Ask the database something. Raises: Unavailable."""
        with self.read() as connection:
            connection.execute(select(1))

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open a database and bring its tables to the newest migration.

    Args:
        url: ``sqlite:///path`` (its folder is made) or ``postgresql+psycopg://user@host/name``.
    Raises: ConfigError: not a URL that is supported here, or made by a newer EcoSight.
    Unavailable: cannot be reached or written, or the driver is not installed.
    """
    parsed = _parse(url)
    database = Database(_sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed))
    try:
        with _translated(database.url):
            migrate(database.engine)
    except BaseException:
        database.close()
        raise
    return database


def insert_or_ignore(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert a row, unless a unique constraint is against it. Returns whether it went in."""
    return connection.execute(insert_into(connection, table).on_conflict_do_nothing(), row).rowcount == 1


def insert_many_or_ignore(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows, leaving out those that a unique constraint is against."""
    if rows:
        connection.execute(insert_into(connection, table).on_conflict_do_nothing(), rows)


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """The connected database's own INSERT, which has an ON CONFLICT; its result knows its ``rowcount``."""
    insert = sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
    return insert.execution_options(preserve_rowcount=True)  # else it is lost for an INSERT on PostgreSQL


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError("database.url is not a database URL", hint="Such as sqlite:///folder/ecosight.db") from error
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise ConfigError(
            f"database.url names {parsed.drivername}, which is not supported",
            hint="Use sqlite:///path or postgresql+psycopg://user@host/name.",
        )
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigError(
            "a database in memory would lose what was acknowledged", hint="Give a file: sqlite:///folder/ecosight.db"
        )
    return parsed


def _sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the database's folder {path.parent} cannot be made: {error.strerror}", hint="Check project.root."
        ) from error
    # ?timeout=… in the URL is the driver's own word for how long to wait.
    waits = {} if "timeout" in url.query else {"timeout": BUSY_S}
    engine = create_engine(
        url, connect_args=waits, json_serializer=to_json, pool_size=8, max_overflow=MOST_CONNECTIONS - 8
    )
    file = _SqliteFile(path)
    event.listen(engine, "do_connect", file.connecting)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "connect", file.connected)
    event.listen(engine, "checkout", file.checked_out)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


class _SqliteFile:
    """Sees to it that each transaction is one of the file that lies at the path now.

    A file that was put back from a backup is another one: connections to the old one would go on unseen by everybody
    else, and what they write is lost with the last of them.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._was_there = path, False

    def connecting(self, *_: Any) -> None:
        """SQLite would make an empty file in the place of one that is only just being put back."""
        if self._was_there and self._identity() is None:
            raise Unavailable(f"the database's file {self._path} is gone", hint="Put it back; it is opened again then.")

    def connected(self, connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        record.info[_FILE], self._was_there = self._identity(), True

    def checked_out(self, connection: sqlite3.Connection, record: ConnectionPoolEntry, proxy: Any) -> None:
        if record.info[_FILE] != self._identity():
            raise DisconnectionError("another file lies at the path by now")  # the pool connects anew

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found.st_size else None  # an empty one is only just being copied


def _set_up_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours: the driver's own would start too late and too weak
    _use_wal(connection)
    # FULL: in WAL a commit is on the disk when it returns, so what was acknowledged survives a power cut too.
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite does not wait for others at this step, so two first openers retry here."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _OTHERS_AT_WORK or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once when another wrote in between.
    reads = connection.get_execution_options().get(READ_ONLY)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _postgresql(url: URL) -> Engine:
    try:
        return create_engine(
            url,
            connect_args={"connect_timeout": 5, "application_name": "ecosight"},
            json_serializer=to_json,
            pool_pre_ping=True,
            pool_size=8,
            max_overflow=MOST_CONNECTIONS - 8,
        )
    except ImportError as error:
        raise Unavailable(
            "the driver for PostgreSQL is not installed", hint="pip install 'ecosight[postgresql]'"
        ) from error


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """SQLAlchemy's word for "not now" becomes ours; errors about the statement itself stay as they are."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise _unavailable(url, error) from error
    except DatabaseError as error:
        if error.connection_invalidated:  # whatever the driver calls it, such as a session that paused for too long
            raise _unavailable(url, error) from error
        if isinstance(error.orig, sqlite3.DatabaseError) and type(error.orig) is sqlite3.DatabaseError:
            raise IntegrityError(
                f"the database {url} is damaged: {_first_line(error.orig)}", hint="Restore the file from a backup."
            ) from error
        raise


def _unavailable(url: str, error: SQLAlchemyError) -> Unavailable:
    cause = getattr(error, "orig", None)
    if isinstance(cause, sqlite3.Error) and (full := told_full(cause, Path(str(make_url(url).database)))):
        return Unavailable(full[0], hint=full[1])
    reason = _first_line(cause or error)
    return Unavailable(
        f"the database {url} cannot be used: {reason}", hint="Check that it runs, and `ecosight doctor`."
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def server_version(database: Database) -> str:
    """Which database it is, in words."""
    with database.read() as connection:
        if connection.dialect.name == "sqlite":
            return f"SQLite {sqlite3.sqlite_version}"
        return f"PostgreSQL {connection.execute(text('SHOW server_version')).scalar()}"
