"""Blobs as files of one folder: ``ab/abcdef…``, each written whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ecosight.blobs.digests import checked_digest, is_digest, verified
from ecosight.errors import NotFound, Unavailable
from ecosight.ids import content_digest, new_id

__all__ = ["LocalBlobs"]

ABANDONED_AFTER_S = 3600.0
"""A temporary file this old belongs to a writer that died: bytes in memory are written in seconds."""


class LocalBlobs:
    """A ``BlobStore`` in a local folder. Thread-safe, and safe across processes that share the folder.

    Raises: Unavailable: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writing = folder / "writing"  # inside the store: a rename stays atomic within one file system
        with _told(folder):
            self._writing.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()

    def put(self, data: bytes) -> str:
        """Store the bytes; when this returns they survive a crash and a power cut.

        Raises: Unavailable: the disk is full or not writable; nothing is left behind.
        """
        digest = content_digest(data)
        path = self._path(digest)
        with _told(self._folder):
            # A file of another size was damaged by something else: it is written anew.
            if not _has_size(path, len(data)):
                self._write(path, data)
            _sync_folder(path.parent)  # also when another process has just written it, and not yet come so far
        return digest

    def get(self, digest: str) -> bytes:
        """Raises: NotFound: no such blob. IntegrityError: damaged. InvalidInput: no digest."""
        path = self._path(checked_digest(digest))
        with _told(self._folder):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                hint = "Is storage.path the folder it was put into?"
                raise NotFound(f"there is no blob {digest}", hint=hint) from None
        return verified(data, digest)

    def has(self, digest: str) -> bool:
        with _told(self._folder):
            return self._path(checked_digest(digest)).is_file()

    def delete(self, digest: str) -> None:
        with _told(self._folder):
            self._path(checked_digest(digest)).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        with _told(self._folder):
            for folder in self._folder.iterdir():
                if len(folder.name) == 2:
                    yield from (name for name in os.listdir(folder) if is_digest(name) and name[:2] == folder.name)

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def _write(self, path: Path, data: bytes) -> None:
        temporary = self._writing / new_id("blob")
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if not path.parent.is_dir():
                path.parent.mkdir(exist_ok=True)
                _sync_folder(self._folder)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise

    def _remove_abandoned(self) -> None:
        for file in self._writing.iterdir():
            with suppress(FileNotFoundError):  # another process cleans up at the same time
                if time.time() - file.stat().st_mtime > ABANDONED_AFTER_S:
                    file.unlink()


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    """Make a new name in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"the blob store {folder} cannot be used: {error.strerror or error}",
            hint="Free some space on that disk, or check who may read and write there.",
        ) from error
