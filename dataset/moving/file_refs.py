"""Owns refs as files of one folder, for a remote that is a folder: each a small file, moved under one lock."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

from ecosight.errors import IntegrityError, Unavailable
from ecosight.ids import new_id

__all__ = ["FileRefs", "target_in"]


def target_in(data: bytes, name: str) -> str:
    """What a ref's stored bytes point to. Raises: IntegrityError: they are damaged."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise IntegrityError(
            f"the ref {name!r} of the remote is damaged", hint="Restore it from a backup, or delete it and push again."
        ) from None


class FileRefs:
    """A ``RefStore`` in a folder. Thread-safe, and safe across processes of one machine.

    The lock goes with the process that holds it; on a network disk it is as good as that disk's ``flock``.
    Raises: Unavailable: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._told():
            (folder / "writing").mkdir(parents=True, exist_ok=True)

    def get(self, name: str) -> str | None:
        with self._told(), suppress(FileNotFoundError):
            return target_in(self._path(name).read_bytes(), name)
        return None

    def compare_and_set(self, name: str, expected: str | None, new: str) -> bool:
        """Point ``name`` to ``new`` if it still points to ``expected`` (None: does not exist)."""
        with self._told(), self._locked():
            if self.get(name) != expected:
                return False
            temporary = self._folder / "writing" / new_id("ref")
            with temporary.open("x", encoding="utf-8") as file:
                file.write(new)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path(name))
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return True

    def names(self, prefix: str = "") -> list[str]:
        """Names that begin with the prefix, sorted by code point."""
        with self._told():
            found = [unquote(path.name[1:]) for path in self._folder.iterdir() if path.name.startswith("=")]
        return sorted(name for name in found if name.startswith(prefix))

    def _path(self, name: str) -> Path:
        return self._folder / ("=" + quote(name, safe=""))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"the refs in {self._folder} cannot be used: {error.strerror or error}",
                hint="Check that the folder is there and who may write to it.",
            ) from error
