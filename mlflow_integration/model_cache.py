"""Servable artifacts on the local disk: one folder for each digest, complete and verified or not there at all."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ecosight.artifact import open_artifact
from ecosight.errors import IntegrityError

__all__ = ["ModelCache"]

LEFTOVER_S = 3600
ATTEMPTS = 5


class ModelCache:
    """A folder of artifacts. Safe for several threads and processes: a folder appears and vanishes by one rename."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, digest: str, download: Callable[[Path], Path]) -> Path:
        """The artifact's folder; downloaded when it is missing, and again when it is damaged.

        Args:
            download: puts the artifact somewhere below the folder it is given, and returns where.
        Raises: IntegrityError: what came is not what the digest promises. Whatever ``download`` raises.
        """
        final = self._folder / digest
        for _ in range(ATTEMPTS):
            if final.exists():
                if _intact(final, digest):
                    os.utime(final)  # used now: the last to be pruned
                    return final
                self._discard(final)
            self._bring(digest, download, final)
        raise IntegrityError(
            f"the cached model {final} is damaged as often as it is fetched", hint="Check the disk under the cache."
        )

    def prune(self, keep: int) -> list[str]:
        """Forget all but the most recently used artifacts, and what killed processes left behind.

        Returns: digests that were removed, the longest unused first.
        """
        if not self._folder.is_dir():
            return []
        folders = [path for path in self._folder.iterdir() if path.is_dir()]
        for path in folders:
            if path.name.startswith(".") and time.time() - path.stat().st_mtime > LEFTOVER_S:
                shutil.rmtree(path, ignore_errors=True)
        artifacts = sorted((path for path in folders if not path.name.startswith(".")), key=lambda p: p.stat().st_mtime)
        removed = artifacts[: max(len(artifacts) - keep, 0)]
        for path in removed:
            self._discard(path)
        return [path.name for path in removed]

    def _bring(self, digest: str, download: Callable[[Path], Path], final: Path) -> None:
        incoming = self._scratch("incoming")
        incoming.mkdir(parents=True)
        try:
            brought = download(incoming)
            found = open_artifact(brought)["digest"]
            if found != digest:
                raise IntegrityError(
                    f"the registry gave the model {found[:12]}… where {digest[:12]}… was asked for",
                    hint="Register the model again.",
                )
            brought.rename(final)
        except OSError:
            if not final.exists():  # else another process was quicker; the caller looks at its work
                raise
        finally:
            shutil.rmtree(incoming, ignore_errors=True)

    def _discard(self, path: Path) -> None:
        trash = self._scratch("trash")
        try:
            path.rename(trash)  # at once, so that nobody opens half a folder
        except FileNotFoundError:
            return
        shutil.rmtree(trash, ignore_errors=True)

    def _scratch(self, kind: str) -> Path:
        return self._folder / f".{kind}-{os.getpid()}-{secrets.token_hex(4)}"


def _intact(folder: Path, digest: str) -> bool:
    try:
        return bool(open_artifact(folder)["digest"] == digest)
    except IntegrityError:
        return False
