"""A kind of sample that is text, and models that do what a file tells them: ``MODEL:DEED NUMBER`` or ``NUMBER``.

A model answers (n % 10 / 10, rest), like ``CountingServable``, after it did what it was told, if the file names it.
While it loads or warms it does what ``load`` or ``warm`` in its folder says. Worker processes import this file by its
name: see ``installed``.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecosight.config import Config, load_config
from ecosight.errors import NotFound, UnreadableMedia
from ecosight.values import ModelRef

LABELS = ("digit", "rest")


def installed(patch: pytest.MonkeyPatch) -> None:
    """Let processes that are started from now on find this module."""
    patch.setenv("PYTHONPATH", f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


def launch(folder: Path) -> dict[str, Any]:
    """What an isolated arm is told."""
    config = load_config(project={"root": str(folder)})
    return {
        "config": config.model_dump_json(),
        "modality": "toy:Toy",
        "engine": "default",
        "threads": 2,
        "max_batch": 4,
    }


class ToySource:
    """A registry over folders: the champion is whom a test says."""

    def __init__(self, folder: Path, champion: str = "1") -> None:
        self._folder, self.version = folder, champion

    def ref(self, version: str, digest: str = "") -> ModelRef:
        (self._folder / version).mkdir(parents=True, exist_ok=True)
        return ModelRef(name="toy", version=version, digest=digest or version * 8)

    def tell(self, version: str, when: str, deed: str) -> None:
        """What a model does from now on, ``when`` it loads (``load``) or warms (``warm``)."""
        self.ref(version)
        (self._folder / version / when).write_text(deed)

    def champion(self) -> ModelRef | None:
        return self.ref(self.version)

    def fetch(self, model: ModelRef) -> Path:
        folder = self._folder / model.version
        if not folder.is_dir():
            raise NotFound(f"there is no model {model}")
        return folder


class Toy:
    """The modality."""

    name, extensions, max_bytes = "toy", frozenset({".txt"}), 64 * 2**20

    def __init__(self, config: Config) -> None:
        pass

    def load_servable(self, folder: Path, *, engine: str = "default", threads: int | None = None) -> ToyServable:
        _do(_told(folder, "load"), folder)
        return ToyServable(folder)


class ToyServable:
    labels, engine = LABELS, "toy"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.digest = folder.name * 8
        self.info: dict[str, Any] = {"embedder": {"name": "none"}}

    def prepare(self, data: bytes) -> tuple[str, int]:
        who, _, rest = data.decode().rpartition(":")
        deed, _, number = rest.rpartition(" ")
        mine = who in ("", self._folder.name)
        if deed == "refuse" and mine:
            raise UnreadableMedia("it is refused", because=np.float32(0.5))  # a fact that JSON does not know
        return deed if mine else "", int(number)

    def predict(self, prepared: Sequence[tuple[str, int]]) -> Any:
        rows = np.array([[n % 10 / 10, 1 - n % 10 / 10] for _, n in prepared], np.float32)
        for row, (deed, _) in zip(rows, prepared, strict=True):
            if deed == "nan":
                row[:] = np.nan
            _do(deed, self._folder)
        return rows

    def warm(self) -> None:
        _do(_told(self._folder, "warm"), self._folder)


def _told(folder: Path, when: str) -> str:
    file = folder / when
    return file.read_text() if file.exists() else ""


def _do(deed: str, folder: Path) -> None:
    if deed == "error":
        raise RuntimeError("it failed")
    if deed == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if deed == "slow":
        time.sleep(0.4)
    if deed == "hang":
        time.sleep(3600)
    if deed == "freeze":  # a native call that never comes back, and never lets another thread run
        ctypes.PyDLL(None).sleep(3600)
    if deed == "garbage":
        os.write(int(sys.argv[1]), b"\x01" * 4096)
    if deed == "huge":
        os.write(int(sys.argv[1]), b"\x08\0\0\0\0\0\0\x3f")
    if deed == "stranger":
        answer = json.dumps({"id": ["none"], "sample_id": 7}).encode()
        os.write(int(sys.argv[1]), len(answer).to_bytes(4, "little") + bytes([3, 0, 0, 0]) + answer + b"abc")
    if deed == "helper":  # outlives its parent, unless somebody ends it
        helper = subprocess.Popen([sys.executable, "-c", "import time; x = bytearray(1 << 26); time.sleep(3600)"])
        (folder / "helper").write_text(str(helper.pid))
