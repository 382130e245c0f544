from __future__ import annotations

import pytest
from scipy import integrate, stats

from ab_testing.stats.thompson import best_probabilities, thompson_weights
from ecosight.errors import InvalidInput


def test_the_same_seed_stage_and_counts_give_the_same_weights() -> None:
    weights = thompson_weights([90, 95], [10, 5], seed=3, stage=1)
    assert weights == thompson_weights([90, 95], [10, 5], seed=3, stage=1)
    assert weights != thompson_weights([90, 95], [10, 5], seed=3, stage=2)
    assert weights != thompson_weights([90, 95], [10, 5], seed=4, stage=1)


def test_an_arm_is_drawn_as_often_as_it_is_probable_to_be_best() -> None:
    exact, _ = integrate.quad(lambda x: stats.beta.pdf(x, 96, 6) * stats.beta.cdf(x, 91, 11), 0, 1)
    assert best_probabilities([90, 95], [10, 5], seed=1, stage=0)[1] == pytest.approx(exact, abs=0.025)


@pytest.mark.parametrize("right", [[0, 0, 0], [1000, 10, 0], [3, 5, 900]])
def test_weights_fill_the_router_and_every_arm_keeps_its_least_share(right: list[int]) -> None:
    weights = thompson_weights(right, [10, 10, 10], seed=1, stage=0, least=0.05)
    assert sum(weights) == 10_000
    assert min(weights) >= 500


def test_arms_that_nothing_is_known_of_are_alike() -> None:
    assert thompson_weights([0, 0], [0, 0], seed=1, stage=0)[0] == pytest.approx(5000, abs=250)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(InvalidInput):
        thompson_weights([1], [1], seed=1, stage=0)
    with pytest.raises(InvalidInput):
        thompson_weights([1, -1], [1, 1], seed=1, stage=0)
    with pytest.raises(InvalidInput):
        thompson_weights([1, 1], [1, 1], seed=1, stage=0, least=0.6)
