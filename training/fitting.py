"""Fitting a classifier head: epochs, early stopping, schedule and checkpoints, resumable to the same last bit."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecosight.errors import ConfigError, InvalidInput
from ecosight.logs import get_logger
from ecosight.ports import Progress
from ecosight.seeds import generator
from training.checkpoints import CheckpointManager
from training.schedules import LearningRateScheduler
from training.settings import FitSettings
from training.stopping import EarlyStopping

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from training.loop import TrainLoop

__all__ = ["FitResult", "FitSettings", "fit_head"]

CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """What a fit did.

    Attributes:
        history: one value an epoch of train_loss, train_accuracy, val_loss, val_accuracy and learning_rate.
        epochs_trained: epochs that ran, those before an interruption included.
        best_epoch: counted from 1; the model holds its weights.
        resumed_from: epochs that an earlier process had done already.
    """

    history: dict[str, list[float]]
    epochs_trained: int
    best_epoch: int
    resumed_from: int = 0


def fit_head(
    model: Any,
    x_train: NDArray[np.float32],
    y_train: NDArray[np.integer[Any]],
    x_val: NDArray[np.float32],
    y_val: NDArray[np.integer[Any]],
    *,
    settings: FitSettings,
    seed: int,
    checkpoints: CheckpointManager,
    progress: Progress,
    shares: NDArray[np.floating[Any]] | None = None,
) -> FitResult:
    """Fit a Keras classifier head and leave the weights of its best epoch (lowest validation loss) in it.

    Every epoch ends in a checkpoint. Called again with the same arguments after a crash, it goes on where the last
    checkpoint is and ends with the same weights, bit for bit, as without the crash (same machine and versions, after
    ``make_repeatable``). A checkpoint of other data, settings or seed is not used.

    Args:
        model: from (n, d) to logits (n, c), with a layer ``normalization``; it is adapted on the training part alone.
        seed: of the shuffling and of mixup; epoch e draws from the streams (seed, "shuffle", e) and (seed, "mixup", e).
        shares: what each training row counts, such as 1/6 for a sample and each of its five variants; None: all the
            same. Classes are balanced by them.
    Input: x float32 (n, d), finite; y int (n,), class indices; shares (n,), finite and above 0.
    Raises: InvalidInput: shapes, labels or values do not fit. ConfigError: the training diverged.
        Unavailable: the device asked for is not there. Cancelled: progress said so, between two epochs.
    Units: losses in nats.
    """
    from training.loop import TrainLoop, adapt_normalization

    train, val = _part("training", model, x_train, y_train), _part("validation", model, x_val, y_val)
    adapt_normalization(model, train[0])
    weights = _weights(train[1], _shares(shares, len(train[1])), settings.balance_classes)
    fingerprint = _fingerprint(model, (*train, weights, *val), settings, seed)
    run = _Run(TrainLoop(model, settings), settings, seed, fingerprint, checkpoints)
    run.resume()
    resumed_from = run.epoch
    with progress.task("training", settings.epochs, "epoch") as task:
        if run.epoch:
            task.advance(run.epoch)
        while not run.finished:
            progress.checkpoint()
            run.one_epoch(train, val, weights)
            task.advance(1, **run.figures())
    run.take_best()
    assert run.stopping.best_epoch is not None
    return FitResult(
        history=run.history,
        epochs_trained=run.epoch,
        best_epoch=run.stopping.best_epoch + 1,
        resumed_from=resumed_from,
    )


class _Run:
    """Everything that a checkpoint holds, and the step from one epoch to the next."""

    def __init__(
        self, loop: TrainLoop, settings: FitSettings, seed: int, fingerprint: str, checkpoints: CheckpointManager
    ) -> None:
        self.loop, self.settings, self.seed = loop, settings, seed
        self.fingerprint, self.checkpoints = fingerprint, checkpoints
        self.stopping = EarlyStopping(settings.patience)
        self.schedule = LearningRateScheduler(
            settings.scheduler,
            learning_rate=settings.learning_rate,
            epochs=settings.epochs,
            patience=settings.scheduler_patience,
        )
        self.epoch = 0
        self.history: dict[str, list[float]] = {name: [] for name in CURVES}
        self.best: dict[str, NDArray[Any]] = {}

    @property
    def finished(self) -> bool:
        return self.epoch >= self.settings.epochs or self.stopping.stop

    def one_epoch(self, train: Any, val: Any, weights: Any) -> None:
        rate = self.schedule.rate(self.epoch)
        order = generator(self.seed, "shuffle", self.epoch).permutation(len(train[1]))
        learned = self.loop.epoch((*train, weights), order, rate, generator(self.seed, "mixup", self.epoch))
        losses = (*learned, *self.loop.evaluate(*val), rate)
        row = dict(zip(CURVES, losses, strict=True))
        self._check_finite(row)
        for name, value in row.items():
            self.history[name].append(value)
        if self.stopping.update(self.epoch, row["val_loss"]):
            self.best = {name.replace("model", "best", 1): value for name, value in self.loop.model_arrays().items()}
        self.schedule.update(row["val_loss"])
        self.epoch += 1
        self.checkpoints.save(self.epoch, self.loop.arrays() | self.best, self._state())

    def resume(self) -> None:
        """Take up the newest checkpoint of this very training, if there is one."""
        saved = self.checkpoints.latest()
        if saved is None:
            return
        if saved.state["fingerprint"] != self.fingerprint:
            get_logger("training").warning("checkpoint is of another training, beginning anew", step=saved.step)
            self.checkpoints.clear()
            return
        self.loop.restore({name: value for name, value in saved.arrays.items() if not name.startswith("best/")})
        self.best = {name: value for name, value in saved.arrays.items() if name.startswith("best/")}
        self.stopping.restore(saved.state["stopping"])
        self.schedule.restore(saved.state["schedule"])
        self.history, self.epoch = saved.state["history"], saved.step

    def take_best(self) -> None:
        self.loop.restore({name.replace("best", "model", 1): value for name, value in self.best.items()})

    def figures(self) -> dict[str, float]:
        names = {"train_loss": "loss", "val_loss": "val_loss", "val_accuracy": "val_accuracy"}
        return {shown: round(self.history[name][-1], 4) for name, shown in names.items()}

    def _state(self) -> dict[str, Any]:
        return {
            "fingerprint": self.fingerprint,
            "history": self.history,
            "stopping": self.stopping.state(),
            "schedule": self.schedule.state(),
        }

    def _check_finite(self, row: dict[str, float]) -> None:
        bad = [name for name, value in row.items() if not math.isfinite(value)]
        if bad:
            raise ConfigError(
                f"training diverged in epoch {self.epoch + 1}: {' and '.join(bad)} left the finite numbers",
                hint=f"Lower training.learning_rate (now {self.settings.learning_rate:g}) "
                "or raise training.batch_size.",
                epoch=self.epoch + 1,
            )


def _part(name: str, model: Any, x: Any, y: Any) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """One part as the arrays that the loop takes."""
    import numpy as np

    features, labels = np.ascontiguousarray(x, np.float32), np.asarray(y, np.int64)
    dimension, classes = model.input_shape[-1], model.output_shape[-1]
    if features.ndim != 2 or features.shape[1] != dimension or labels.shape != (len(features),) or not len(labels):
        raise InvalidInput(
            f"the {name} part must be features (n, {dimension}) and labels (n,) with n >= 1, "
            f"not {features.shape} and {labels.shape}"
        )
    if not 0 <= labels.min() <= labels.max() < classes:
        raise InvalidInput(f"the {name} part has labels from {labels.min()} to {labels.max()}, not 0 to {classes - 1}")
    if not np.isfinite(features).all():
        rows = np.flatnonzero(~np.isfinite(features).all(axis=1))
        raise InvalidInput(f"the {name} part has features that are not finite, first in row {rows[0]}", rows=len(rows))
    return features, labels


def _shares(shares: Any, rows: int) -> NDArray[np.float64]:
    """What each row counts, mean 1."""
    import numpy as np

    if shares is None:
        return np.ones(rows)
    found = np.asarray(shares, np.float64)
    if found.shape != (rows,) or not np.isfinite(found).all() or not (found > 0).all():
        raise InvalidInput(f"shares must be {rows} numbers above 0, one for each row of the training part")
    return np.asarray(found / found.mean())


def _weights(y: NDArray[np.int64], shares: NDArray[np.float64], balance: bool) -> NDArray[np.float32]:
    """One weight a row, mean 1: its share, and ``n / (present classes * n_class)`` as in King and Zeng (2001)."""
    import numpy as np

    if not balance:
        return shares.astype(np.float32)
    counts = np.bincount(y, weights=shares)
    return np.asarray(shares * (counts.sum() / (np.count_nonzero(counts) * counts[y])), np.float32)


def _fingerprint(model: Any, arrays: Any, settings: FitSettings, seed: int) -> str:
    """What must be the same for a checkpoint to be a part of this training."""
    shapes = [(variable.name, list(variable.shape)) for variable in model.variables]
    digest = hashlib.sha256(json.dumps([settings.as_dict(), seed, shapes], sort_keys=True).encode())
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(array)
    return digest.hexdigest()
