"""Temperature calibration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosight.errors import InvalidInput
from training.calibration import BOUNDS, calibrate, fit_temperature


def drawn(n: int, temperature: float, seed: int = 1, classes: int = 4):
    """Labels drawn from softmax(logits), and those logits made ``temperature`` times too sharp."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 2, (n, classes))
    odds = np.exp(honest)
    cumulative = np.cumsum(odds / odds.sum(1, keepdims=True), axis=1)
    y = (rng.uniform(size=(n, 1)) > cumulative).sum(axis=1)
    return honest * temperature, np.minimum(y, classes - 1)


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_the_logits_is_found(true):
    assert fit_temperature(*drawn(20_000, true)) == pytest.approx(true, rel=0.05)


def test_it_lowers_the_loss_and_keeps_every_answer():
    logits, y = drawn(2_000, 3.0)
    result = calibrate(logits, y)
    assert result.nll_after < result.nll_before
    assert np.array_equal((logits / result.temperature).argmax(1), logits.argmax(1))


def test_it_is_the_minimum_of_the_negative_log_likelihood():
    """Against a plain grid search, where the smoothing of the targets weighs nothing."""
    logits, y = drawn(20_000, 1.7)

    def nll(t):
        z = logits / t
        return float((np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]).mean())

    found = fit_temperature(logits, y)
    assert nll(found) <= min(nll(t) for t in np.linspace(1.2, 2.4, 241)) + 1e-6


def test_a_validation_part_without_errors_does_not_make_the_model_boundlessly_sure():
    y = np.arange(30) % 3
    temperature = fit_temperature(3.0 * np.eye(3)[y], y)
    sure = 1 / (1 + 2 * np.exp(-3.0 / temperature))
    assert temperature > BOUNDS[0] * 2
    assert 0.95 < sure < 0.99  # about (n + 1) / (n + 2)


@pytest.mark.parametrize(
    ("n", "classes", "reason"), [(0, 2, "0 samples"), (9, 2, "9 samples"), (50, 1, "all of one class")]
)
def test_too_little_to_learn_from_leaves_the_temperature_at_one(n, classes, reason):
    result = calibrate(np.random.default_rng(0).normal(size=(n, 3)), np.arange(n) % classes)
    assert result.temperature == 1.0
    assert reason in result.reason


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.001, 1000))
def test_it_always_stays_within_its_bounds(seed, scale):
    rng = np.random.default_rng(seed)
    temperature = fit_temperature(rng.normal(0, scale, (40, 3)), np.arange(40) % 3)
    assert BOUNDS[0] <= temperature <= BOUNDS[1]


@pytest.mark.parametrize(
    ("logits", "y"),
    [
        (np.zeros((4, 2)), np.zeros(3, int)),
        (np.zeros(4), np.zeros(4, int)),
        (np.full((4, 2), np.nan), np.zeros(4, int)),
        (np.zeros((4, 2)), np.array([0, 1, 2, 0])),
        (np.zeros((4, 2)), np.array([0, 1, -1, 0])),
    ],
)
def test_what_does_not_fit_is_refused(logits, y):
    with pytest.raises(InvalidInput):
        calibrate(logits, y)
