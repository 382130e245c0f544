"""Tells a disk without space from SQLite's other faults: where to free some, and that nothing is lost.

SQLite says "database or disk is full" where a page finds no room, "disk I/O error" where its shared memory or its log
cannot grow, and "unable to open database file" where they cannot even be made: all of it may be one full disk.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

__all__ = ["NEEDED_BYTES", "told_full"]

NEEDED_BYTES = 1 << 20
"""With less than this, SQLite's shared memory and log may find no room: a fault of input or output means that."""
_FAULTS = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def told_full(error: BaseException | None, file: Path) -> tuple[str, str] | None:
    """A sentence and a hint, if the error means that the disk of a database's file is full; else None."""
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(error, sqlite3.Error) or code is None:
        return None
    free = _free_bytes(file.parent)
    kind = code & 0xFF  # the rest tells which of its files it was
    if kind != sqlite3.SQLITE_FULL and not (kind in _FAULTS and free is not None and free < NEEDED_BYTES):
        return None
    left = "" if free is None else f", where {free / 2**20:.0f} MiB are left"
    return (
        f"the disk is full: there is no room to write {file}",
        f"Free some space at {file.parent}{left} (or raise the quota), then try again; what was acknowledged is kept.",
    )


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
