"""When to stop training, and which epoch was the best: a small state machine, independent of any framework."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ecosight.errors import InvalidInput

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """Watches one figure an epoch; knows the best epoch and whether to go on.

    Args:
        patience: epochs without improvement after which ``stop`` becomes True, >= 1; None never stops and only
            remembers the best epoch.
        min_delta: an improvement must be larger than this, >= 0.
        mode: ``min`` for a loss, ``max`` for an accuracy.
    Not thread-safe. ``state()`` and ``restore()`` carry everything, as JSON-serialisable values.
    Raises: InvalidInput: an argument is out of range.
    Source: Prechelt, "Early Stopping - But When?" (1998), the criterion UP with strips of one epoch.
    """

    def __init__(self, patience: int | None = 15, *, min_delta: float = 0.0, mode: str = "min") -> None:
        if patience is not None and patience < 1:
            raise InvalidInput(f"patience must be 1 or more, not {patience}")
        if min_delta < 0:
            raise InvalidInput(f"min_delta must not be negative, but is {min_delta}")
        if mode not in ("min", "max"):
            raise InvalidInput(f"mode must be 'min' or 'max', not {mode!r}")
        self.patience, self.min_delta, self.mode = patience, min_delta, mode
        self.best_epoch: int | None = None
        self.best_value: float | None = None
        self.wait = 0

    @property
    def stop(self) -> bool:
        return self.patience is not None and self.wait >= self.patience

    def update(self, epoch: int, value: float) -> bool:
        """Take in the figure of an epoch; True if it is the best so far.

        Raises: InvalidInput: the figure is NaN or infinite.
        """
        if not math.isfinite(value):
            raise InvalidInput(f"epoch {epoch} has no finite figure ({value}) to compare")
        if self._improves(value):
            self.best_epoch, self.best_value, self.wait = epoch, value, 0
            return True
        self.wait += 1
        return False

    def state(self) -> dict[str, Any]:
        return {"best_epoch": self.best_epoch, "best_value": self.best_value, "wait": self.wait}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.best_epoch, self.best_value, self.wait = state["best_epoch"], state["best_value"], state["wait"]

    def _improves(self, value: float) -> bool:
        if self.best_value is None:
            return True
        gain = self.best_value - value if self.mode == "min" else value - self.best_value
        return gain > self.min_delta
