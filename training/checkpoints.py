"""Checkpoints on disk: one file each, written atomically, verified when read, the last two kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.errors import Unavailable
from ecosight.logs import get_logger

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Checkpoint", "CheckpointManager"]

_NAME = re.compile(r"^step-(\d{8})\.npz$")
_STATE = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What was saved after one step: named arrays, and a JSON object beside them."""

    step: int
    arrays: Mapping[str, NDArray[Any]]
    state: Mapping[str, Any]


class CheckpointManager:
    """The checkpoints of one piece of work, in a folder of their own.

    A checkpoint is an ``.npz`` file of plain arrays (never pickled objects) whose member ``state`` is JSON text.
    It appears under its name only when it is whole and on disk, and every member is checked by its CRC when it is
    read: a torn or damaged newest file gives way to the one before it.

    Args:
        folder: made when the first checkpoint is saved.
        keep: how many of the newest stay, >= 1.
    One writer at a time; a second process doing the same deterministic work does no harm.
    """

    def __init__(self, folder: Path | str, *, keep: int = 2) -> None:
        self.folder, self.keep = Path(folder), max(1, keep)

    def save(self, step: int, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Path:
        """Write one checkpoint and forget those that are too old. Once it returns, a crash cannot undo it.

        Raises: Unavailable: the disk does not take it.
        """
        import numpy as np

        text = np.frombuffer(json.dumps(state, allow_nan=False).encode(), dtype=np.uint8)
        try:
            path = self._write(step, {**arrays, _STATE: text})
        except OSError as error:
            raise Unavailable(
                f"no checkpoint can be written into {self.folder}: {error.strerror}", hint="Look at its disk."
            ) from error
        for old in self.steps()[: -self.keep]:
            self._path(old).unlink(missing_ok=True)
        return path

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint that can be read whole; None if there is none."""
        for left_over in self.folder.glob("*.tmp"):  # of a process that was killed while writing
            left_over.unlink(missing_ok=True)
        for step in reversed(self.steps()):
            try:
                return self._read(step)
            except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
                get_logger("training").warning(
                    "checkpoint is damaged, using the one before", step=step, error=str(error)
                )
        return None

    def steps(self) -> list[int]:
        """The steps that have a file, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(int(found[1]) for name in os.listdir(self.folder) if (found := _NAME.match(name)))

    def clear(self) -> None:
        """Forget everything; nothing there is no error."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}.npz"

    def _write(self, step: int, members: Mapping[str, NDArray[Any]]) -> Path:
        import numpy as np

        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(step)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **members)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(self.folder)
        return path

    def _read(self, step: int) -> Checkpoint:
        import numpy as np

        with self._path(step).open("rb") as file, np.load(file, allow_pickle=False) as members:
            arrays: dict[str, NDArray[np.generic]] = {name: members[name] for name in members.files}
        state = json.loads(arrays.pop(_STATE).tobytes())
        return Checkpoint(step=step, arrays=arrays, state=state)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: the folder's own entry has to reach the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
