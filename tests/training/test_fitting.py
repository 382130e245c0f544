"""Fitting a head: it learns, it stops, it resumes to the last bit, and it says what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from ecosight.errors import Cancelled, ConfigError, InvalidInput, Unavailable
from ecosight.progress import NullProgress
from ecosight.seeds import generator
from modalities.sound.head import build_head
from training.checkpoints import CheckpointManager
from training.devices import make_repeatable, training_device
from training.fitting import FitSettings, fit_head

DIMENSION, CLASSES = 6, 3


def blobs_of_points(n: int, *, seed: int = 1, noise: float = 0.7, y=None):
    rng = generator(seed, "points")
    centres = generator(0, "centres").normal(size=(CLASSES, DIMENSION)) * 2
    y = rng.integers(0, CLASSES, n) if y is None else np.asarray(y)
    return (centres[y] + rng.normal(0, noise, (len(y), DIMENSION))).astype(np.float32), y


X, Y = blobs_of_points(80)
X_VAL, Y_VAL = blobs_of_points(30, seed=2)


def head(seed: int = 5):
    make_repeatable(seed)
    return build_head(DIMENSION, CLASSES, seed=seed, options={"hidden_units": [16], "dropout": [0.2]})


def fit(folder: Path, *, model=None, train=(X, Y), val=(X_VAL, Y_VAL), progress=None, **settings):
    model = head() if model is None else model
    defaults = {"epochs": 6, "batch_size": 16, "learning_rate": 0.02}
    result = fit_head(
        model,
        *train,
        *val,
        settings=FitSettings(**(defaults | settings)),
        seed=5,
        checkpoints=CheckpointManager(folder),
        progress=progress or NullProgress(),
    )
    return model, result


def weights(model) -> list[np.ndarray]:
    return [each.numpy() for each in model.variables]


def predicted(model, x):
    return np.asarray(model(x), np.float64)


def same(a, b) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


class StopAfter(NullProgress):
    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def checkpoint(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("stopped by the test")


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("scheduler", ["plateau", "cosine", "none"])
def test_every_optimizer_and_schedule_learns(tmp_path, optimizer, scheduler):
    model, result = fit(tmp_path, optimizer=optimizer, scheduler=scheduler, epochs=12)
    x, y = blobs_of_points(200, seed=3)
    assert np.mean(predicted(model, x).argmax(1) == y) > 0.9
    assert {len(curve) for curve in result.history.values()} == {result.epochs_trained}
    assert set(result.history) == {"train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate"}


def test_the_weights_left_are_those_of_the_best_epoch(tmp_path):
    x, y = blobs_of_points(60, noise=4.0)
    model, result = fit(tmp_path, train=(x, y), epochs=30, patience=None, scheduler="none", learning_rate=0.05)
    logits = predicted(model, X_VAL)
    log_sum = np.log(np.exp(logits).sum(1))
    loss = float((log_sum - logits[np.arange(len(Y_VAL)), Y_VAL]).mean())
    assert result.best_epoch < result.epochs_trained == 30
    assert loss == pytest.approx(min(result.history["val_loss"]), rel=1e-5)
    assert result.history["val_loss"][result.best_epoch - 1] == min(result.history["val_loss"])


def test_it_stops_early_and_not_before_its_patience_is_over(tmp_path):
    x, y = blobs_of_points(40, noise=6.0)
    _, result = fit(tmp_path, train=(x, y), epochs=200, patience=4, learning_rate=0.05)
    assert result.epochs_trained == result.best_epoch + 4


def test_normalisation_is_fitted_on_the_training_part_alone(tmp_path):
    model, _ = fit(tmp_path, val=(X_VAL + 1000, Y_VAL), epochs=1)
    layer = model.get_layer("normalization")
    assert np.asarray(layer.mean).ravel() == pytest.approx(X.mean(0), abs=1e-4)
    floored = np.maximum(X.var(0), X.var(0).mean())  # what varies less than the average is scaled by the average
    assert np.asarray(layer.variance).ravel() == pytest.approx(floored, rel=1e-3)


def test_a_feature_that_never_varied_in_training_cannot_outweigh_the_others_later(tmp_path):
    x = X.copy()
    x[:, 2] = 0.5
    model, _ = fit(tmp_path, train=(x, Y), epochs=10)
    seen, y = blobs_of_points(100, seed=4)
    seen[:, 2] = 0.5 + 0.1  # a step that is small for every other feature
    assert np.mean(predicted(model, seen).argmax(1) == y) > 0.8


def test_cancelled_between_epochs_and_run_again_gives_the_same_weights_and_history(tmp_path):
    whole, expected = fit(tmp_path / "whole", scheduler="plateau", scheduler_patience=1)
    with pytest.raises(Cancelled):
        fit(tmp_path / "torn", scheduler="plateau", scheduler_patience=1, progress=StopAfter(3))
    torn, result = fit(tmp_path / "torn", scheduler="plateau", scheduler_patience=1)
    assert result.resumed_from == 3
    assert result.history == expected.history
    assert same(whole, torn)


def test_a_finished_fit_run_again_trains_nothing_and_gives_the_same_weights(tmp_path):
    first, expected = fit(tmp_path)
    second, result = fit(tmp_path, progress=StopAfter(0))
    assert result.resumed_from == expected.epochs_trained
    assert same(first, second)


@pytest.mark.parametrize("change", [{"learning_rate": 0.01}, {"val": (X_VAL[:-1], Y_VAL[:-1])}])
def test_a_checkpoint_of_another_training_is_not_used(tmp_path, change):
    fit(tmp_path)
    assert fit(tmp_path, **change)[1].resumed_from == 0


def test_a_truncated_newest_checkpoint_costs_one_epoch_and_changes_nothing(tmp_path):
    whole, _ = fit(tmp_path / "whole")
    with pytest.raises(Cancelled):
        fit(tmp_path / "torn", progress=StopAfter(4))
    newest = tmp_path / "torn" / "step-00000004.npz"
    newest.write_bytes(newest.read_bytes()[:-200])
    torn, result = fit(tmp_path / "torn")
    assert result.resumed_from == 3
    assert same(whole, torn)


def test_killed_with_kill_9_at_random_moments_it_ends_with_the_same_weights_bit_for_bit(tmp_path):
    script = Path(__file__).with_name("interrupted_fit.py")
    ran = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "5", "20260501"],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert json.loads(ran.stdout)["killed"] >= 2
    whole, torn = (np.load(tmp_path / name / "weights.npz") for name in ("whole", "torn"))
    assert all(np.array_equal(whole[name], torn[name]) for name in whole.files)
    expected, result = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("whole", "torn"))
    assert result["resumed_from"] > 0
    assert result["history"] == expected["history"]


def test_balancing_makes_a_rare_class_count(tmp_path):
    rare = [0] * 90 + [1] * 6 + [2] * 90
    train = blobs_of_points(0, seed=6, noise=2.5, y=rare)
    test = blobs_of_points(0, seed=7, noise=2.5, y=[1] * 200)

    def recall(balance: bool) -> float:
        model, _ = fit(tmp_path / str(balance), train=train, epochs=15, balance_classes=balance, patience=None)
        return float(np.mean(predicted(model, test[0]).argmax(1) == 1))

    assert recall(True) > recall(False)


def test_accumulated_batches_make_one_step_of_the_sum(tmp_path):
    """Without dropout and batch statistics, two batches of 40 and one of 80 are the same step."""

    def plain():
        make_repeatable(2)
        inputs = keras.Input((DIMENSION,))
        x = keras.layers.Normalization(name="normalization")(inputs)
        return keras.Model(inputs, keras.layers.Dense(CLASSES)(x))

    one, _ = fit(tmp_path / "one", model=plain(), batch_size=80, epochs=3, optimizer="sgd")
    two, _ = fit(tmp_path / "two", model=plain(), batch_size=40, gradient_accumulation=2, epochs=3, optimizer="sgd")
    for a, b in zip(weights(one), weights(two), strict=True):
        assert a == pytest.approx(b, abs=1e-5)


def test_a_diverging_training_is_an_error_that_names_the_learning_rate(tmp_path):
    with pytest.raises(ConfigError, match="diverged in epoch") as caught:
        fit(tmp_path, learning_rate=1e30, optimizer="sgd", epochs=5)
    assert "learning_rate" in caught.value.hint


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ((X[:, :4], Y), "training part must be features"),
        ((X, Y[:-1]), "training part must be features"),
        ((X[:0], Y[:0]), "n >= 1"),
        ((X, Y + 1), "labels from 1 to 3"),
        ((np.where(X[3, 2] == X, np.nan, X), Y), "first in row 3"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(tmp_path, part, message):
    with pytest.raises(InvalidInput, match=message):
        fit(tmp_path, train=part)


def test_unknown_names_and_senseless_figures_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no optimizer 'lion'"):
        fit(tmp_path, optimizer="lion")
    with pytest.raises(InvalidInput, match="batch_size"):
        FitSettings(batch_size=0)


def test_progress_counts_epochs_and_shows_the_figures(tmp_path):
    class Recording(NullProgress):
        def task(self, name, total, unit):
            self.begun, self.rows = (name, total, unit), []
            outer = super().task(name, total, unit)
            rows = self.rows

            class Task:
                def advance(self, units=1, **figures):
                    rows.append((units, figures))

            class Context:
                def __enter__(self):
                    outer.__enter__()
                    return Task()

                def __exit__(self, *error):
                    return outer.__exit__(*error)

            return Context()

    progress = Recording()
    fit(tmp_path, progress=progress, epochs=3)
    assert progress.begun == ("training", 3, "epoch")
    assert [units for units, _ in progress.rows] == [1, 1, 1]
    assert set(progress.rows[-1][1]) == {"loss", "val_loss", "val_accuracy"}


def test_more_gpus_than_there_are_is_told_with_what_there_is():
    with pytest.raises(Unavailable, match="64 GPUs are asked for, but this machine has") as caught:
        training_device(64)
    assert "training.num_gpus" in caught.value.hint
    assert training_device(0) == "/CPU:0"
