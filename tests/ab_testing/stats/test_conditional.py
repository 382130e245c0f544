from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from ab_testing.stats.conditional import log_e_share, log_e_shares, optimal_concentration, share_interval
from ecosight.errors import InvalidInput

shares = st.floats(0.01, 0.99)
events = st.integers(0, 500)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("concentration", [20.0, 100.0])
@pytest.mark.parametrize("n", [1, 7, 60])
def test_the_expected_e_value_is_one_if_arms_are_alike(share: float, concentration: float, n: int) -> None:
    k = np.arange(n + 1)
    e = np.exp(log_e_share(k, n - k, share, concentration=concentration))
    assert float(stats.binom.pmf(k, n, share) @ e) == pytest.approx(1.0)


@pytest.mark.parametrize(("share", "alpha"), [(0.5, 0.05), (0.1, 0.05), (0.1, 0.001)])
def test_it_ever_rejects_alike_arms_with_probability_alpha_at_most(share: float, alpha: float) -> None:
    """Exact, over every sequence of 400 events, looked at after each."""
    alive, crossed = np.array([1.0]), 0.0
    for n in range(1, 401):
        alive = np.append(alive * (1 - share), 0.0) + np.append(0.0, alive * share)
        k = np.arange(n + 1)
        over = log_e_share(k, n - k, share) >= -math.log(alpha)
        crossed += float(alive[over].sum())
        alive[over] = 0.0
    assert 0 < crossed <= alpha


@given(events, events, shares)
def test_names_of_the_arms_do_not_matter(ours: int, theirs: int, share: float) -> None:
    one, other = log_e_share(ours, theirs, share), log_e_share(theirs, ours, 1 - share)
    assert float(one) == pytest.approx(float(other), abs=1e-8)


@given(st.lists(st.tuples(events, st.integers(1, 10_000)), min_size=2, max_size=5), st.integers(1, 100))
def test_units_of_weights_and_order_of_arms_do_not_matter(arms: list[tuple[int, int]], factor: int) -> None:
    counts, weights = [n for n, _ in arms], tuple(float(w) for _, w in arms)
    told = float(log_e_shares(counts, weights))
    assert told == pytest.approx(float(log_e_shares(counts, tuple(w * factor for w in weights))), abs=1e-6)
    assert told == pytest.approx(float(log_e_shares(counts[::-1], weights[::-1])), abs=1e-6)


@given(events, events, shares)
def test_two_arms_are_the_same_test_as_many(ours: int, theirs: int, share: float) -> None:
    many = log_e_shares([theirs, ours], (1 - share, share), concentration=100.0)
    assert float(many) == pytest.approx(float(log_e_share(ours, theirs, share)), abs=1e-7)


def test_the_expected_e_value_of_three_arms_is_one(sequences: Callable[..., Any]) -> None:
    weights = (0.5, 0.3, 0.2)
    total = sum(math.exp(float(log_e_shares(counts, weights))) * p for counts, p in sequences(list(weights), 7))
    assert total == pytest.approx(1.0)


def test_it_is_the_mixture_of_likelihood_ratios() -> None:
    def weighted(theta: float) -> float:
        ratio = (theta / 0.1) ** 9 * ((1 - theta) / 0.9) ** 30
        return float(ratio * stats.beta.pdf(theta, 10, 90))

    direct, _ = integrate.quad(weighted, 0, 1)
    assert float(log_e_share(9, 30, 0.1)) == pytest.approx(math.log(direct), rel=1e-6)


@pytest.mark.parametrize("share", [0.3, 0.05])
def test_the_interval_of_a_share_is_what_no_test_rejects(share: float) -> None:
    low, high = share_interval(12, 40, alpha=0.05, concentration=2.0)
    assert low < 12 / 52 < high
    for edge in (low, high):
        assert integrate.quad(lambda t, edge=edge: (t / edge) ** 12 * ((1 - t) / (1 - edge)) ** 40, 0, 1)[0] == (
            pytest.approx(20, rel=1e-3)
        )


def test_the_interval_of_a_share_covers_at_every_look() -> None:
    rng = np.random.default_rng(7)
    hits = np.cumsum(rng.random((200, 300)) < 0.2, axis=1)
    missed = 0
    for run in hits:
        looks = [share_interval(int(run[n - 1]), n - int(run[n - 1]), alpha=0.1) for n in range(1, 301, 7)]
        missed += any(not low <= 0.2 <= high for low, high in looks)
    assert missed / len(hits) <= 0.1
    assert share_interval(0, 0, alpha=0.05) == (0.0, 1.0)
    assert share_interval(0, 50, alpha=0.05)[0] == 0.0


def test_the_best_concentration_grows_with_the_number_of_events() -> None:
    # κ 20 to 100 of STATISTICS.md are best for some 170 to 800 events at α = .05.
    assert optimal_concentration(170, 0.05) == pytest.approx(20, rel=0.1)
    assert optimal_concentration(800, 0.05) == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_must_be_one(share: float) -> None:
    with pytest.raises(InvalidInput):
        log_e_share(1, 1, share)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (1.0,), (1.0, 1.0, 1.0)])
def test_weights_must_fit_the_arms(weights: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput):
        log_e_shares([1, 1], weights)
