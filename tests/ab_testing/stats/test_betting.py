from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab_testing.stats.betting import (
    arms_log_e_not_worse,
    arms_log_e_worse,
    paired_log_e_not_worse,
    paired_log_e_worse,
)
from ecosight.errors import InvalidInput

Sequences = Callable[[list[float], int], Iterator[tuple[tuple[int, ...], float]]]


@pytest.mark.parametrize("margin", [0.01, 0.1])
@pytest.mark.parametrize("discordance", [0.2, 0.9])
def test_the_expected_paired_e_value_is_one_at_the_margin(
    sequences: Sequences, margin: float, discordance: float
) -> None:
    def expected(test: Callable[..., Any], difference: float) -> float:
        lose, win = (discordance - difference) / 2, (discordance + difference) / 2
        return sum(
            p * math.exp(float(test(*counts, margin=margin)))
            for counts, p in sequences([lose, 1 - discordance, win], 6)
        )

    assert expected(paired_log_e_not_worse, -margin) == pytest.approx(1.0)
    assert expected(paired_log_e_not_worse, -2 * margin) < 1.0 < expected(paired_log_e_not_worse, 0.0)
    assert expected(paired_log_e_worse, -margin) == pytest.approx(1.0)
    assert expected(paired_log_e_worse, 0.0) < 1.0 < expected(paired_log_e_worse, -2 * margin)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_expected_e_value_of_separate_arms_is_one_at_the_margin(sequences: Sequences, share: float) -> None:
    def expected(test: Callable[..., Any], control: float, candidate: float) -> float:
        chances = [1 - (1 - share) * control - share * candidate, (1 - share) * control, share * candidate]
        return sum(
            p * math.exp(float(test([right], [theirs], [ours], (share,), margin=0.05)))
            for (right, theirs, ours), p in sequences(chances, 6)
        )

    for base in (0.05, 0.4):
        assert expected(arms_log_e_not_worse, base, base + 0.05) == pytest.approx(1.0)
        assert expected(arms_log_e_not_worse, base, base + 0.1) < 1.0 < expected(arms_log_e_not_worse, base, base)
        assert expected(arms_log_e_worse, base, base + 0.05) == pytest.approx(1.0)
        assert expected(arms_log_e_worse, base, base) < 1.0 < expected(arms_log_e_worse, base, base + 0.2)


def test_two_stages_multiply_within_each_stake(sequences: Sequences) -> None:
    """At the margin in both stages, with base rates and shares of their own, the expectation is still one."""
    shares, bases, total = (0.1, 0.5), (0.05, 0.3), 0.0
    chances = [
        [1 - (1 - w) * b - w * (b + 0.05), (1 - w) * b, w * (b + 0.05)] for w, b in zip(shares, bases, strict=True)
    ]
    for first, p in sequences(chances[0], 4):
        for second, q in sequences(chances[1], 4):
            right, theirs, ours = zip(first, second, strict=True)
            total += p * q * math.exp(float(arms_log_e_not_worse(right, theirs, ours, shares, margin=0.05)))
    assert total == pytest.approx(1.0)


def test_it_is_the_mean_wealth_over_the_stakes() -> None:
    stakes = np.geomspace(0.01, 0.9, 40) / 0.99
    wealth = (1 + stakes * -0.99) ** 3 * (1 + stakes * 0.01) ** 90 * (1 + stakes * 1.01) ** 5
    assert float(paired_log_e_not_worse(3, 90, 5)) == pytest.approx(math.log(wealth.mean()))


@given(st.integers(0, 300), st.integers(0, 3000), st.integers(0, 300))
def test_a_win_is_evidence_and_a_loss_is_not(minus: int, zero: int, plus: int) -> None:
    here = float(paired_log_e_not_worse(minus, zero, plus))
    assert (
        float(paired_log_e_not_worse(minus, zero, plus + 1))
        > here
        > float(paired_log_e_not_worse(minus + 1, zero, plus))
    )
    # Agreement speaks for a candidate that may be a little worse: that is why it must not run ahead of the labels.
    assert float(paired_log_e_not_worse(minus, zero + 1, plus)) > here


@given(st.integers(0, 300), st.integers(0, 3000), st.integers(0, 300))
def test_without_a_margin_the_two_sides_mirror_each_other(minus: int, zero: int, plus: int) -> None:
    one, other = paired_log_e_not_worse(minus, zero, plus, margin=0), paired_log_e_worse(plus, zero, minus, margin=0)
    assert float(one) == pytest.approx(float(other), abs=1e-9)


@given(st.integers(0, 500), st.integers(0, 100), st.integers(0, 100))
def test_a_stage_without_units_says_nothing(right: int, theirs: int, ours: int) -> None:
    alone = arms_log_e_not_worse([right], [theirs], [ours], (0.1,))
    with_more = arms_log_e_not_worse([right, 0], [theirs, 0], [ours, 0], (0.1, 0.5))
    assert float(with_more) == pytest.approx(float(alone), abs=1e-9)


@pytest.mark.parametrize("margin", [-0.1, 0.5])
def test_impossible_margins_are_refused(margin: float) -> None:
    with pytest.raises(InvalidInput):
        paired_log_e_not_worse(1, 1, 1, margin=margin)
    with pytest.raises(InvalidInput):
        arms_log_e_not_worse([1], [1], [1], (0.5,), margin=margin)
