"""Append-only files in which records wait for the database; a record is safe once it is in one.

A process writes to its own segment, which it keeps locked (flock) while it lives. To drain, the segment is
sealed, a fresh one takes its place, the sealed one is handed over line by line and then removed. A segment
that nobody has locked belonged to a dead process: whoever finds it hands it over. A kill between handing over
and removing means that lines are handed over again, so the receiver must ignore what it knows.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ecosight.errors import Unavailable
from ecosight.ids import new_id

__all__ = ["Spool"]

BATCH_LINES = 500

Receiver = Callable[[list[bytes]], None]


@dataclass(slots=True)
class _Segment:
    path: Path
    descriptor: int
    size: int = 0


class Spool:
    """The spool of one process. Thread-safe; owns its files in the folder.

    Args:
        folder: shared by all processes of this machine; made if missing.
        name: what the files begin with, one a kind of record.
    Raises: Unavailable: the folder cannot be made or written.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._writing = threading.Lock()  # held for one write, or for swapping the active segment
        self._draining = threading.Lock()  # held while records are handed over; never by append
        self._sealed: deque[_Segment] = deque()
        with self._told():
            folder.mkdir(parents=True, exist_ok=True)
            self._active = self._create()

    def append(self, line: bytes) -> None:
        """Write one line, which must end in a newline; when this returns, a kill -9 cannot take it away.

        Raises: Unavailable: the disk is full; nothing of the line stays.
        """
        with self._told(), self._writing:
            segment = self._active
            try:
                written = os.write(segment.descriptor, line)
            except OSError:
                os.ftruncate(segment.descriptor, segment.size)
                raise
            if written != len(line):  # the disk became full in the middle of the line
                os.ftruncate(segment.descriptor, segment.size)
                raise OSError("the disk is full")
            segment.size += written

    def drain(self, receive: Receiver) -> None:
        """Hand over all that was written before this call, and what dead processes left.

        Raises: whatever ``receive`` raises; what was not handed over stays for the next time.
        """
        with self._draining, self._told():
            self._adopt()
            self._hand_over(receive)
            if self._active.size:
                self._seal()
                self._hand_over(receive)

    def peek_others(self, receive: Receiver) -> None:
        """Show what living processes have written so far, and leave it to them to hand it over."""
        with self._draining:
            mine = {self._active.path, *(segment.path for segment in self._sealed)}
            for path in self._files():
                if path not in mine:
                    _show(path, receive)

    def has_records(self) -> bool:
        """Whether this process has written something that was not handed over yet."""
        return bool(self._active.size or self._sealed)

    def close(self) -> None:
        """Give up the files. Those with records stay, for the next process to hand over."""
        with self._draining, self._writing:
            if not self._active.size:
                self._active.path.unlink(missing_ok=True)
            for segment in (self._active, *self._sealed):
                os.close(segment.descriptor)
            self._sealed.clear()
            self._active = _Segment(self._active.path, -1)

    def _seal(self) -> None:
        fresh = self._create()  # before the lock: append waits for the swap alone
        with self._writing:
            self._sealed.append(self._active)
            self._active = fresh

    def _hand_over(self, receive: Receiver) -> None:
        while self._sealed:
            segment = self._sealed[0]
            _show(segment.path, receive)
            segment.path.unlink(missing_ok=True)
            os.close(segment.descriptor)  # unlocks: only now, so that nobody adopts it in between
            self._sealed.popleft()

    def _create(self) -> _Segment:
        while True:
            path = self._folder / f"{self._name}-{new_id('spool')}.jsonl"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            # Another process may have taken the file for a leftover before it was locked, and removed it.
            if _lock(descriptor):
                return _Segment(path, descriptor)
            os.close(descriptor)

    def _adopt(self) -> None:
        mine = {self._active.path, *(segment.path for segment in self._sealed)}
        for path in self._files():
            if path in mine:
                continue
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            if _lock(descriptor):
                self._sealed.append(_Segment(path, descriptor))
            else:
                os.close(descriptor)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._name}-*.jsonl"))

    def _told(self) -> _Told:
        return _Told(self._folder)


class _Told:
    """Turns the operating system's refusal into ours; a class, since append is on the hot path."""

    __slots__ = ("_folder",)

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise Unavailable(
                f"records cannot be kept in {self._folder}: {error.strerror or error}",
                hint="Free some space on that disk, or check who may write there.",
            ) from error


def _lock(descriptor: int) -> bool:
    """Take the file's lock without waiting; False when it is another's, or no longer in the folder."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(descriptor).st_nlink > 0


def _show(path: Path, receive: Receiver) -> None:
    try:
        with path.open("rb") as file:
            lines = _whole_lines(file)
            while batch := list(islice(lines, BATCH_LINES)):
                receive(batch)
    except FileNotFoundError:
        return  # another process's, handed over in the meantime


def _whole_lines(file: Iterator[bytes]) -> Iterator[bytes]:
    """A last line without its newline was cut off by a kill in the middle of the write: never acknowledged."""
    return (line for line in file if line.endswith(b"\n"))
