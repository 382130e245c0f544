"""A servable that computes something that can be checked by hand, for tests of what is around a model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from ecosight.errors import UnreadableMedia


class CountingServable:
    """Reads a file as an integer n and gives (n % 10 / 10, rest). Refuses what is no number.

    ``poison`` makes a whole call fail, as a fault in an engine would; ``gate`` holds calls back until it is set.
    """

    labels = ("digit", "rest")
    engine = "counting"

    def __init__(self, name: str = "a", *, poison: int | None = None) -> None:
        self.digest = self.name = name
        self.info: dict[str, Any] = {"embedder": {"name": "none"}}
        self.poison, self.gate = poison, threading.Event()
        self.gate.set()
        self.calls: list[list[int]] = []
        self.warmed = self.closed = False

    def prepare(self, data: bytes) -> int:
        try:
            return int(data)
        except ValueError as error:
            raise UnreadableMedia(f"{data!r} is no number") from error

    def predict(self, prepared: Sequence[Any]) -> np.ndarray:
        assert not self.closed, "used after it was closed"
        self.gate.wait(10)
        self.calls.append(list(prepared))
        if self.poison in prepared:
            raise RuntimeError("poisoned")
        first = np.array([n % 10 / 10 for n in prepared], np.float32)
        return np.stack([first, 1 - first], axis=1)

    def warm(self) -> None:
        self.warmed = True

    def close(self) -> None:
        self.closed = True
