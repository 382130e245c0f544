"""Checks of what the kernel stands on: folders, database, blob store, Redis. Each says what to do about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ecosight.clock import SystemClock
from ecosight.config import Config
from ecosight.errors import EcosightError, Unavailable
from ecosight.ids import new_id
from ecosight.ports import BlobStore
from ecosight.state.database import Database, server_version

__all__ = ["Check", "check_blobs", "check_folder", "check_redis", "kernel_checks"]

LOW_DISK_BYTES = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of one look: ``detail`` says what was found, ``hint`` what to do when it is not well."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def kernel_checks(config: Config, database: Database | None, blobs: BlobStore | None) -> list[Check]:
    """Look at everything below the rooms. Never raises; a part that could not be opened is None."""
    checks = [
        _run("data folder", lambda: check_folder(config.root)),
        _run("spool folder", lambda: check_folder(config.spool_folder)),
    ]
    if database is not None:
        checks.append(_run("database", lambda: f"{server_version(database)} at {database.url}"))
    if blobs is not None:
        checks.append(_run("blob store", lambda: check_blobs(blobs)))
    if (url := config.redis.url) is not None:
        checks.append(_run("redis", lambda: check_redis(url)))
    return checks


def check_folder(folder: Path) -> str:
    """Write a file, and look at the space left. Raises: Unavailable."""
    probe = folder / new_id("probe")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise Unavailable(
            f"{folder} cannot be written: {error.strerror}",
            hint=f"Give user {_user()} the right to write there, or set project.root to another folder.",
        ) from error
    if free < LOW_DISK_BYTES:
        raise Unavailable(f"{folder} has {free / 2**20:.0f} MiB left", hint="Free some space on that disk.")
    return f"{folder} is writable, {free / 2**30:.1f} GiB free"


def check_blobs(blobs: BlobStore) -> str:
    """Put a blob, get it back, delete it. Raises: Unavailable, IntegrityError."""
    digest = blobs.put(new_id("probe").encode())
    blobs.get(digest)
    blobs.delete(digest)
    return "put, get and delete work"


def check_redis(url: str) -> str:
    """Write a key that vanishes, as servers do. Raises: Unavailable; ConfigError: not a URL of Redis."""
    from ecosight.state.shared.line import Line

    line = Line(url, SystemClock())
    try:
        return line.check()
    finally:
        line.close()


def _run(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, detail=look())
    except EcosightError as error:
        return Check(name=name, ok=False, detail=error.message, hint=error.hint)


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "of this process"
