"""Owns what checkouts and garbage collection need to know about stored blobs: where each lies, and how old it is.

A collector leaves young blobs alone, since someone may be about to refer to them. So whoever relies on a blob that
was there already makes it young again first, as git does with its objects. Where the machine's clock jumps back, a
store goes on from the newest time that it ever saw (a file ``newest`` beside the blobs): else what is written now would
seem old as soon as the clock is right again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ecosight.blobs import LocalBlobs, S3Blobs
from ecosight.ports import BlobStore

__all__ = ["FreshBlobs", "delete_if_old", "freshen", "local_path", "modified_at", "read_only"]

_FRESH_S = 600.0


class FreshBlobs:
    """A ``BlobStore`` over another one, whose ``put`` also makes young what was there already."""

    def __init__(self, inner: BlobStore) -> None:
        self.inner = inner

    def put(self, data: bytes) -> str:
        digest = self.inner.put(data)
        if not freshen(self.inner, digest):  # a collector was quicker by a moment
            self.inner.put(data)
        return digest

    def get(self, digest: str) -> bytes:
        return self.inner.get(digest)

    def has(self, digest: str) -> bool:
        return self.inner.has(digest)

    def delete(self, digest: str) -> None:
        self.inner.delete(digest)

    def digests(self) -> Iterator[str]:
        return self.inner.digests()


def local_path(blobs: BlobStore, digest: str) -> Path | None:
    """The file that holds a blob; None where the store has no files."""
    store = getattr(blobs, "inner", blobs)
    return store._path(digest) if isinstance(store, LocalBlobs) else None


def modified_at(blobs: BlobStore, digest: str) -> float | None:
    """Seconds since 1970 at which a blob was written or made young; None where that is not known or it is gone."""
    store = getattr(blobs, "inner", blobs)
    path = local_path(store, digest)
    if path is not None:
        with suppress(FileNotFoundError):
            return path.stat().st_mtime
        return None
    if isinstance(store, S3Blobs):
        found = _s3_head(store, digest)
        return None if found is None else float(found["LastModified"].timestamp())
    known = getattr(store, "modified_at", None)
    return known(digest) if callable(known) else None


def freshen(blobs: BlobStore, digest: str) -> bool:
    """Make a blob young, unless it is. Returns False where it is gone."""
    store = getattr(blobs, "inner", blobs)
    path = local_path(store, digest)
    if path is not None:
        now = _newest(path.parent.parent)
        try:
            if now - path.stat().st_mtime > _FRESH_S:
                os.utime(path, (now, now))
        except FileNotFoundError:
            return False
        return True
    if not isinstance(store, S3Blobs):
        return store.has(digest)
    found = _s3_head(store, digest)
    if found is None:
        return False
    if time.time() - found["LastModified"].timestamp() > _FRESH_S:
        place = {"Bucket": store._bucket, "Key": store._key(digest)}
        with store._told():  # a copy onto itself, which S3 allows only where something changes
            store._client.copy_object(**place, CopySource=place, MetadataDirective="REPLACE")
    return True


def delete_if_old(blobs: BlobStore, digest: str, grace_s: float) -> bool:
    """Delete a blob unless it became young since it was looked at. Returns whether it was deleted."""
    at = modified_at(blobs, digest)
    if at is None or time.time() - at < grace_s:
        return False
    blobs.delete(digest)
    return True


def read_only(path: Path) -> None:
    """Take away the right to write, so that a careless program does not change a blob through a hard link."""
    mode = path.stat().st_mode
    if mode & 0o222:
        path.chmod(mode & ~0o222)


def _newest(folder: Path) -> float:
    """The time in seconds since 1970, or, where the clock is behind it, the newest that writers of this store saw."""
    now, mark = time.time(), folder / "newest"
    try:
        seen = mark.stat().st_mtime
    except FileNotFoundError:
        seen = 0.0
    if now - seen > _FRESH_S / 2:
        with suppress(OSError):  # a store that cannot be written has no writers
            mark.touch()
            os.utime(mark, (now, now))
    return max(now, seen)


def _s3_head(store: S3Blobs, digest: str) -> Any:
    from ecosight.errors import NotFound

    try:
        with store._told(missing=digest):
            return store._client.head_object(Bucket=store._bucket, Key=store._key(digest))
    except NotFound:
        return None
