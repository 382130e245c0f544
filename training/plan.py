"""What one training sets out to do: fixed once in its work folder, so that every attempt does the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ecosight.errors import IntegrityError, InvalidInput, Unavailable
from training.settings import FitSettings

__all__ = ["Plan", "WorkFolder"]

FILE = "plan.json"
FORGOTTEN_S = 7 * 24 * 3600.0
"""A work folder that nobody wrote to for so long belongs to no job that anybody goes on with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides what comes out of a training.

    Attributes:
        dataset_digest: of the dataset version that is trained and tested on.
        new_samples: samples in it that the training before did not have.
        embedder: name and digest; another attempt must have the same.
        head: options of the modality's head.
        seed: root of the training's random streams.
        trigger: the trigger's decision when the training began, with its evidence.
        augmentation: the recipe of variants; see ``training.augmentation.plan_augmentation``.
    """

    job_id: str
    reason: str
    started_at: datetime
    dataset_digest: str
    new_samples: int
    embedder: Mapping[str, str]
    settings: FitSettings
    head: Mapping[str, Any]
    seed: int
    min_accuracy: float
    trigger: Mapping[str, Any]
    augmentation: Mapping[str, Any] = field(default_factory=lambda: {"variants": 0})

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "started_at": self.started_at.isoformat()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        read = {"started_at": datetime.fromisoformat(value["started_at"]), "settings": FitSettings(**value["settings"])}
        return cls(**{**value, **read})


class WorkFolder:
    """The folder of one job: its plan, its checkpoints, its half-made model. Gone once the job is finished.

    Raises: InvalidInput: the job's id cannot name a folder.
    """

    def __init__(self, root: Path, job_id: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", job_id):
            raise InvalidInput(f"{job_id!r} cannot name a job", hint="Letters, digits, dots, - and _; 128 at most.")
        self.path = root / job_id

    def plan(self, make: Callable[[], Plan]) -> Plan:
        """The plan that the first attempt wrote; made and written if this is the first."""
        known = self.read(FILE)
        if known is not None:
            return Plan.from_json(known)
        plan = make()
        self.write(FILE, plan.as_json())
        return plan

    def known_plan(self) -> Plan | None:
        known = self.read(FILE)
        return None if known is None else Plan.from_json(known)

    def read(self, name: str) -> dict[str, Any] | None:
        """A document, or None if it was not written yet. Raises: IntegrityError: it is damaged."""
        try:
            found: dict[str, Any] = json.loads((self.path / name).read_text("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise IntegrityError(
                f"{self.path / name} is damaged: {error}", hint="Move the folder away: the training begins anew."
            ) from error
        return found

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a document whole or not at all. Raises: Unavailable: the disk does not take it."""
        text = json.dumps(document, allow_nan=False)
        temporary = self.path / f"{name}.{os.getpid()}.tmp"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path / name)
        except OSError as error:
            raise Unavailable(
                f"the work folder {self.path} cannot be written: {error.strerror}", hint="Look at its disk."
            ) from error

    def empty(self, name: str) -> Path:
        """A sub-folder with nothing in it; what an earlier attempt left there is removed."""
        folder = self.path / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what jobs left behind that were cancelled long ago."""
        for plan in self.path.parent.glob(f"*/{FILE}"):
            if plan.parent != self.path and time.time() - _last_touched(plan.parent) > FORGOTTEN_S:
                shutil.rmtree(plan.parent, ignore_errors=True)


def _last_touched(folder: Path) -> float:
    return max((path.stat().st_mtime for path in [folder, *folder.rglob("*")]), default=0.0)
