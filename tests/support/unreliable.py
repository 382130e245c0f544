"""A sound modality whose models misbehave as a file says, found as a plug-in like anybody's.

The file maps a model's digest to what it does: ``load_crash``, ``load_error``, ``crash``, ``hang``, ``nan``, ``errors``
(every call), ``some_errors`` (5% of the calls), ``slow`` (20 ms more), ``twice`` (the whole answer takes twice as long,
which the server sees to), ``leak`` (20 MB a minute), ``wrong 0.2`` (another label for a fifth of the recordings).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modalities.sound import SoundModality
from serving.isolation.answers import IsolatedAnswer
from serving.isolation.arm import IsolatedArm

FILE = "UNRELIABLE"
LEAKED: list[bytearray] = []


def install(folder: Path) -> dict[str, str]:
    """Make it a plug-in for processes with this environment; what they do is read from ``folder/behaviours.json``."""
    package = folder / "unreliable-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: unreliable\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[ecosight.modalities]\nunreliable = unreliable:UnreliableSound\n")
    behaviours = folder / "behaviours.json"
    behaviours.write_text("{}")
    return {"PYTHONPATH": f"{folder}:{Path(__file__).parent}", FILE: str(behaviours)}


def behave(environment: dict[str, str], behaviours: dict[str, str]) -> None:
    """What models do from now on, by digest."""
    file = Path(environment[FILE])
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(behaviours))
    draft.replace(file)


class UnreliableSound(SoundModality):
    def load_servable(self, folder: Path, **options: Any) -> Any:
        servable = super().load_servable(folder, **options)
        behaviour = _behaviour(servable.digest)
        if behaviour == "load_crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if behaviour == "load_error":
            raise RuntimeError("a layer is missing")
        return _Unreliable(servable)


class _Unreliable:
    def __init__(self, servable: Any) -> None:
        self._servable = servable
        self._leaking_since = time.monotonic()
        self.labels, self.digest, self.engine, self.info = (
            servable.labels,
            servable.digest,
            servable.engine,
            servable.info,
        )

    def prepare(self, data: bytes) -> Any:
        return self._servable.prepare(data)

    def warm(self) -> None:
        self._servable.warm()

    def predict(self, prepared: Sequence[Any]) -> Any:
        behaviour = _behaviour(self.digest)
        if behaviour == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if behaviour == "hang":
            time.sleep(3600)
        if behaviour == "slow":
            time.sleep(0.02)
        if behaviour == "leak":
            self._leak(mb_per_min=20)
        if behaviour == "errors" or (behaviour == "some_errors" and np.random.default_rng().random() < 0.05):
            raise RuntimeError("the model failed")
        rows = self._servable.predict(prepared)
        if behaviour.startswith("wrong"):
            wrong = np.random.default_rng().random(len(rows)) < float(behaviour.split()[1])
            rows = np.where(wrong[:, None], np.roll(rows, 1, axis=1), rows)
        return np.full_like(rows, np.nan) if behaviour == "nan" else rows

    def _leak(self, mb_per_min: float) -> None:
        now = time.monotonic()
        owed_mb = (now - self._leaking_since) * mb_per_min / 60 - len(LEAKED) / 16
        LEAKED.extend(bytearray(os.urandom(1 << 16)) for _ in range(int(16 * owed_mb)))


_submit = IsolatedArm.submit


async def _submit_or_twice(arm: IsolatedArm, data: bytes, deadline_s: float) -> IsolatedAnswer:
    began = time.monotonic()
    answer = await _submit(arm, data, deadline_s)
    if _behaviour(arm.model.digest) == "twice":
        await asyncio.sleep(time.monotonic() - began)
    return answer


if FILE in os.environ:
    IsolatedArm.submit = _submit_or_twice  # type: ignore[method-assign]


def _behaviour(digest: str) -> str:
    told: dict[str, str] = json.loads(Path(os.environ[FILE]).read_text())
    return told.get(digest, "")
