"""Shares of rows and soft labels: the step of the optimizer is the one that the formulas give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from dataset.augmenting import mixup, one_hot
from ecosight.errors import Cancelled, InvalidInput
from ecosight.progress import NullProgress
from ecosight.seeds import generator
from modalities.sound.head import build_head
from training.checkpoints import CheckpointManager
from training.devices import make_repeatable
from training.fitting import FitResult, FitSettings, fit_head

ROWS, DIMENSION, CLASSES, SEED, RATE = 48, 5, 3, 5, 0.1
Y = np.array([0] * 24 + [1] * 16 + [2] * 8)
X = (generator(1, "x").normal(size=(ROWS, DIMENSION)) + Y[:, None]).astype(np.float32)
SHARES = generator(1, "shares").uniform(0.2, 1.0, ROWS)


def linear() -> Any:
    """Normalisation and one dense layer, so that the gradient is known."""
    make_repeatable(2)
    inputs = keras.Input((DIMENSION,))
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(keras.layers.Normalization(name="normalization")(inputs)))


def fit(folder: Path, model: Any, *, shares: Any = None, progress: Any = None, **settings: Any) -> FitResult:
    values = {"epochs": 1, "batch_size": ROWS, "learning_rate": RATE, "optimizer": "sgd", "scheduler": "none"}
    return fit_head(
        model,
        X,
        Y,
        X,
        Y,
        settings=FitSettings(**(values | settings)),
        seed=SEED,
        checkpoints=CheckpointManager(folder),
        progress=progress or NullProgress(),
        shares=shares,
    )


def step(model: Any, rows: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
    """The kernel after one step of plain gradient descent; labels sum to the row's weight."""
    kernel, bias = (each.numpy().astype(np.float64) for each in model.layers[-1].weights)
    layer = model.get_layer("normalization")
    layer.adapt(X)
    normal = (rows - X.mean(0)) / np.sqrt(np.maximum(X.var(0), X.var(0).mean()))
    odds = np.exp(normal @ kernel + bias)
    surplus = odds / odds.sum(1, keepdims=True) * labels.sum(1, keepdims=True) - labels
    return np.asarray(kernel - RATE * normal.T @ surplus / len(rows))


@pytest.mark.parametrize("balance", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.4])
def test_a_step_weighs_rows_by_their_shares_and_mixes_labels_with_them(
    tmp_path: Path, alpha: float, balance: bool
) -> None:
    weights = SHARES / SHARES.mean()
    if balance:  # every class counts the same, whatever its rows weigh
        of_class = np.bincount(Y, weights=weights)
        weights = weights * ROWS / (CLASSES * of_class[Y])
    order = generator(SEED, "shuffle", 0).permutation(ROWS)
    labels = one_hot(Y, CLASSES) * weights[:, None].astype(np.float32)
    rows, soft = mixup(X[order], labels[order], generator(SEED, "mixup", 0), alpha=alpha)
    expected = step(linear(), rows, soft)
    model = linear()
    fit(tmp_path, model, shares=SHARES, mixup=alpha, balance_classes=balance)
    np.testing.assert_allclose(model.layers[-1].kernel.numpy(), expected, atol=1e-5)


def test_without_shares_every_row_counts_the_same(tmp_path: Path) -> None:
    plain, shared = linear(), linear()
    fit(tmp_path / "plain", plain)
    fit(tmp_path / "shared", shared, shares=np.full(ROWS, 0.25))
    np.testing.assert_array_equal(plain.layers[-1].kernel.numpy(), shared.layers[-1].kernel.numpy())


def test_a_fit_with_mixup_that_was_stopped_ends_with_the_same_bits(tmp_path: Path) -> None:
    class StopAfter(NullProgress):
        left = 3

        def checkpoint(self) -> None:
            self.left -= 1
            if self.left < 0:
                raise Cancelled("stopped by the test")

    def head() -> Any:
        make_repeatable(3)
        return build_head(DIMENSION, CLASSES, seed=3, options={"hidden_units": [8], "dropout": [0.3]})

    settings = {"epochs": 6, "batch_size": 16, "mixup": 0.3, "gradient_accumulation": 2, "optimizer": "adam"}
    whole, torn = head(), head()
    expected = fit(tmp_path / "whole", whole, shares=SHARES, **settings)
    with pytest.raises(Cancelled):
        fit(tmp_path / "torn", head(), shares=SHARES, progress=StopAfter(), **settings)
    found = fit(tmp_path / "torn", torn, shares=SHARES, **settings)
    assert found.resumed_from == 3
    assert found.history == expected.history
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(whole.variables, torn.variables, strict=True))
    assert fit(tmp_path / "torn", head(), shares=SHARES[::-1], **settings).resumed_from == 0  # another training


@pytest.mark.parametrize("shares", [SHARES[:-1], np.zeros(ROWS), np.full(ROWS, np.nan), SHARES - 1])
def test_shares_that_are_none_are_refused(tmp_path: Path, shares: Any) -> None:
    with pytest.raises(InvalidInput, match="48 numbers above 0"):
        fit(tmp_path, linear(), shares=shares)


@pytest.mark.parametrize("alpha", [-0.1, 11.0, float("nan")])
def test_a_senseless_mixup_is_refused(alpha: float) -> None:
    with pytest.raises(InvalidInput, match="mixup"):
        FitSettings(mixup=alpha)
