from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ab_testing.stats.mixing import Floats
from ab_testing.stats.ratio import log_e_not_worse, log_e_worse, rate_ratio, ratio_interval, soft_trip
from ecosight.errors import InvalidInput

Shares = tuple[float, ...]
RAMP: Shares = (0.01, 0.1, 0.5)


def expectation(test: Callable[[Floats, Floats, Shares], Floats], ratio: float, shares: Shares, events: int) -> float:
    """Exact: of the e-value after so many bad units in each stage, at a true ratio."""
    total = 0.0
    grids = np.meshgrid(*[np.arange(events + 1)] * len(shares), indexing="ij")
    candidate = np.stack([grid.ravel() for grid in grids], axis=-1).astype(float)
    chance = np.ones(len(candidate))
    for stage, share in enumerate(shares):
        theta = share * ratio / (share * ratio + 1 - share)
        chance *= stats.binom.pmf(candidate[:, stage], events, theta)
    total = float(chance @ np.exp(test(events - candidate, candidate, shares)))
    return total


@pytest.mark.parametrize("margin", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("shares", [(0.1,), RAMP])
def test_the_expected_e_value_of_worse_is_at_most_one_up_to_the_margin(margin: float, shares: Shares) -> None:
    def test(control: Floats, candidate: Floats, at: Shares) -> Floats:
        return log_e_worse(control, candidate, at, margin=margin)

    assert expectation(test, 1 + margin, shares, 12) == pytest.approx(1.0)
    for ratio in (0.0, 0.3, 1.0, 1 + 0.9 * margin):
        assert expectation(test, ratio, shares, 12) <= 1.0 + 1e-9
    assert expectation(test, 2 + 2 * margin, shares, 12) > 1.0


@pytest.mark.parametrize("shares", [(0.1,), RAMP])
def test_the_expected_e_value_of_not_worse_is_at_most_one_from_the_margin_on(shares: Shares) -> None:
    def test(control: Floats, candidate: Floats, at: Shares) -> Floats:
        return log_e_not_worse(control, candidate, at, margin=0.1)

    assert expectation(test, 1.1, shares, 12) == pytest.approx(1.0)
    for ratio in (1.2, 2.0, 50.0):
        assert expectation(test, ratio, shares, 12) <= 1.0 + 1e-9
    assert expectation(test, 0.8, shares, 12) > 1.0


def test_a_ratio_that_changes_all_the_time_within_the_margin_is_no_worse() -> None:
    """Exact: the probability ever to cross, after each of 300 bad units, each with a ratio of its own."""
    rng = np.random.default_rng(3)
    alive, crossed = np.array([1.0]), 0.0
    for n in range(1, 301):
        ratio = 1.25 * rng.random() ** 0.2
        theta = 0.1 * ratio / (0.1 * ratio + 0.9)
        alive = np.append(alive * (1 - theta), 0.0) + np.append(0.0, alive * theta)
        k = np.arange(n + 1)[:, None]
        over = log_e_worse(n - k, k, (0.1,)) >= math.log(20)
        crossed += float(alive[over].sum())
        alive[over] = 0.0
    assert 0 < crossed <= 0.05


def test_it_is_the_weighted_mean_of_likelihood_ratios() -> None:
    ratios = np.geomspace(1.2 * 1.25, 200, 40)
    weights = np.exp(-0.5 * (np.log(ratios / 5) / 0.9) ** 2)
    total = 0.0
    for ratio, e in zip(ratios, weights, strict=True):
        for share, control, candidate in ((0.1, 20, 9), (0.25, 11, 6)):
            theta, null = (share * r / (share * r + 1 - share) for r in (ratio, 1.25))
            e *= (theta / null) ** candidate * ((1 - theta) / (1 - null)) ** control
        total += e
    assert float(log_e_worse([20, 11], [9, 6], (0.1, 0.25))) == pytest.approx(math.log(total / weights.sum()))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=3, max_size=3), st.permutations([0, 1, 2]))
def test_the_order_of_stages_does_not_matter(bad: list[tuple[int, int]], order: list[int]) -> None:
    control, candidate = [a for a, _ in bad], [b for _, b in bad]
    mixed = ([control[i] for i in order], [candidate[i] for i in order], tuple(RAMP[i] for i in order))
    for test in (log_e_worse, log_e_not_worse):
        assert float(test(control, candidate, RAMP)) == pytest.approx(float(test(*mixed)), abs=1e-9)


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_stage_without_bad_units_says_nothing(control: int, candidate: int) -> None:
    alone = log_e_worse([control], [candidate], (0.1,))
    assert float(log_e_worse([control, 0], [candidate, 0], (0.1, 0.5))) == pytest.approx(float(alone), abs=1e-9)


@given(st.integers(0, 200), st.integers(0, 200))
def test_one_more_bad_unit_of_the_candidate_is_evidence_and_one_of_the_control_is_not(a: int, b: int) -> None:
    here = float(log_e_worse([a], [b], (0.3,)))
    assert float(log_e_worse([a], [b + 1], (0.3,))) > here > float(log_e_worse([a + 1], [b], (0.3,)))


def test_millions_of_bad_units_do_not_overflow() -> None:
    assert np.isfinite(log_e_worse([9e8], [9e8], (0.1,)))
    assert np.isfinite(log_e_worse([9e8], [0], (0.1,)))


def test_the_ratio_is_adjusted_for_a_base_rate_that_drifts_with_the_ramp() -> None:
    # Base rates of 1% and 4%, the candidate twice as bad: pooled rates would say 2.9.
    control, candidate = [90, 200], [20, 400]
    assert float(rate_ratio(control, candidate, (0.1, 0.5))) == pytest.approx(2.0)
    assert rate_ratio([0], [3], (0.1,)) == np.inf
    assert np.isnan(rate_ratio([0], [0], (0.1,)))


def test_the_interval_of_the_ratio_holds_at_every_look() -> None:
    rng, missed = np.random.default_rng(5), 0
    for _ in range(300):
        bad = rng.random(300) < (0.25 * 2 / (0.25 * 2 + 0.75))
        ours, theirs = np.cumsum(bad), np.cumsum(~bad)
        found = [ratio_interval([theirs[n]], [ours[n]], (0.25,), alpha=0.1) for n in range(0, 300, 10)]
        missed += any(not low <= 2 <= high for low, high in found)
    assert missed / 300 <= 0.1
    low, high = ratio_interval([2000], [1500], (0.25,), alpha=0.1)
    assert 1.9 < low < 2.25 < high < 2.7
    assert ratio_interval([0], [0], (0.25,), alpha=0.1) == (0.0, math.inf)


def test_a_soft_trip_needs_evidence_effect_and_more_than_a_handful() -> None:
    sure, unsure = math.log(1000), math.log(10)
    told = soft_trip([sure, unsure, sure, sure], [2.0, 2.0, 1.1, 2.0], [5, 5, 5, 4])
    assert told.tolist() == [True, False, False, False]


def test_impossible_margins_and_shapes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="leaves no ratio"):
        log_e_worse([1], [1], (0.1,), margin=200)
    with pytest.raises(InvalidInput, match="never be shown"):
        log_e_not_worse([1], [1], (0.1,), margin=0)
    with pytest.raises(InvalidInput, match="do not fit 2 stages"):
        log_e_worse([1], [1], (0.1, 0.2))
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        log_e_worse([1], [1], (1.0,))
    assert float(log_e_worse([], [], ())) == 0.0
