"""The learning rate of every epoch: a small state machine, independent of any framework."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ecosight.errors import InvalidInput

__all__ = ["LearningRateScheduler"]

KINDS = ("plateau", "cosine", "none")


class LearningRateScheduler:
    """Says the rate of the next epoch; is told the validation loss after it.

    Args:
        kind: ``plateau`` multiplies the rate by ``factor`` after ``patience`` epochs in which the loss did not fall by
            more than ``min_delta``; ``cosine`` falls from ``learning_rate`` to ``min_rate`` over ``epochs``;
            ``none`` keeps the rate.
        learning_rate: rate of the first epoch, > 0.
        epochs: epochs of the whole training, >= 1; only ``cosine`` looks at it.
        patience: >= 1.
        factor: between 0 and 1.
        min_rate: the rate never falls below this, unless it began there.
    Not thread-safe. ``state()`` and ``restore()`` carry everything, as JSON-serialisable values.
    Raises: InvalidInput: an argument is out of range.
    Source: ``plateau`` as Keras's ReduceLROnPlateau; ``cosine``: Loshchilov and Hutter, SGDR (2017), eq. 5, one period.
    """

    def __init__(
        self,
        kind: str = "plateau",
        *,
        learning_rate: float = 0.001,
        epochs: int = 100,
        patience: int = 7,
        factor: float = 0.5,
        min_delta: float = 1e-4,
        min_rate: float = 1e-6,
    ) -> None:
        if kind not in KINDS:
            raise InvalidInput(f"there is no learning-rate schedule {kind!r}", hint=f"Known: {', '.join(KINDS)}.")
        if learning_rate <= 0 or epochs < 1 or patience < 1 or not 0 < factor < 1:
            raise InvalidInput(
                "a learning-rate schedule needs learning_rate > 0, epochs >= 1, patience >= 1 and 0 < factor < 1, "
                f"not {learning_rate}, {epochs}, {patience} and {factor}"
            )
        self.kind, self.learning_rate, self.epochs = kind, learning_rate, epochs
        self.patience, self.factor, self.min_delta = patience, factor, min_delta
        self.min_rate = min(min_rate, learning_rate)
        self._rate, self._best, self._wait = learning_rate, math.inf, 0

    def rate(self, epoch: int) -> float:
        """The rate to use in an epoch, counted from 0."""
        if self.kind != "cosine":
            return self._rate
        part = min(max(epoch, 0) / self.epochs, 1.0)
        return self.min_rate + 0.5 * (self.learning_rate - self.min_rate) * (1 + math.cos(math.pi * part))

    def update(self, value: float) -> None:
        """Take in the validation loss of the epoch that just ended."""
        if self.kind != "plateau":
            return
        if value < self._best - self.min_delta:
            self._best, self._wait = value, 0
            return
        self._wait += 1
        if self._wait >= self.patience:
            self._rate, self._wait = max(self._rate * self.factor, self.min_rate), 0

    def state(self) -> dict[str, Any]:
        best = None if math.isinf(self._best) else self._best  # JSON has no infinity
        return {"rate": self._rate, "best": best, "wait": self._wait}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._rate, self._wait = state["rate"], state["wait"]
        self._best = math.inf if state["best"] is None else state["best"]
