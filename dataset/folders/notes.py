"""Owns what a checkout remembers in its folder: which files it wrote or was about to write, and who is at it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecosight.errors import AlreadyRunning, InvalidInput
from ecosight.ids import new_id

__all__ = ["STATE", "Noted", "locked", "note", "noted", "temporary_file", "write_file"]

STATE = ".ecosight"

Noted = dict[str, dict[str, Any]]
"""Path -> digests that this wrote or was about to write there, and the file's size and time as it left it."""


def noted(folder: Path) -> Noted:
    """What earlier checkouts wrote here, finished or not."""
    found: Noted = {}
    for name in ("files", "pending"):
        file = folder / STATE / f"{name}.json"
        if file.is_file():
            try:
                for path, note in json.loads(file.read_text("utf-8")).items():
                    known = found.setdefault(path, {"digests": [], "stat": note.get("stat")})
                    known["digests"] += [each for each in note["digests"] if each not in known["digests"]]
            except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
                raise InvalidInput(f"{file} is damaged", hint="Check out into an empty folder.") from error
    return found


def note(folder: Path, name: str, wanted: Mapping[str, str], before: Noted) -> None:
    notes: Noted = {path: dict(note) for path, note in before.items()}
    for path, digest in wanted.items():
        known = notes.get(path, {}).get("digests", [])
        notes[path] = {"digests": [digest, *(each for each in known if each != digest)]}
        if name == "files":
            status = (folder / path).lstat()
            notes[path]["stat"] = [status.st_size, status.st_mtime_ns]
    write_file(folder / STATE / f"{name}.json", json.dumps(notes).encode(), folder)


@contextmanager
def locked(folder: Path, dry_run: bool) -> Iterator[None]:
    """One checkout at a time; the lock goes with the process that holds it."""
    if dry_run:
        yield
        return
    import fcntl

    (folder / STATE / "writing").mkdir(parents=True, exist_ok=True)
    with (folder / STATE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"another checkout into {folder} is under way", hint="Wait until it ends.") from None
        for left in (folder / STATE / "writing").iterdir():  # of one that was killed
            left.unlink(missing_ok=True)
        yield


def write_file(place: Path, data: bytes, folder: Path) -> None:
    temporary = temporary_file(folder)
    try:
        temporary.write_bytes(data)
        os.replace(temporary, place)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_file(folder: Path) -> Path:
    return folder / STATE / "writing" / new_id("file")
