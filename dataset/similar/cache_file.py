"""The SQLite file that fingerprints are kept in."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

__all__ = ["connect"]

BUSY_S = 30.0
"""How long a writer waits for another."""
_TABLE = """CREATE TABLE IF NOT EXISTS fingerprints (id TEXT PRIMARY KEY, contents TEXT NOT NULL,
    crc INTEGER NOT NULL, words BLOB NOT NULL, places BLOB NOT NULL, trace_crc INTEGER NOT NULL, trace BLOB NOT NULL)"""


def connect(file: Path) -> sqlite3.Connection:
    """A connection to the file, made if it is not there. Raises: sqlite3.Error: it cannot be used."""
    if not file.exists():
        _create(file)
    connection = sqlite3.connect(file, timeout=BUSY_S)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_TABLE)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _create(file: Path) -> None:
    """Make the file under another name first: SQLite does not wait its turn where several switch to WAL at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.stem}.{os.getpid()}.{threading.get_ident()}.new")
    new.unlink(missing_ok=True)
    with closing(sqlite3.connect(new)) as connection:
        connection.execute("PRAGMA page_size = 16384")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_TABLE)
    try:
        os.link(new, file)
    except FileExistsError:  # another was first
        pass
    except OSError:  # a file system without links
        new.rename(file)
    new.unlink(missing_ok=True)
