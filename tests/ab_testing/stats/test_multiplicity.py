from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab_testing.stats.multiplicity import bonferroni, e_benjamini_hochberg, e_bonferroni

log_values = st.lists(st.floats(-50, 50), max_size=20)


def test_e_bh_believes_the_largest_that_are_large_enough_together() -> None:
    # n = 4, α = .05: 80, 40, 26.7 and 20 are needed for 1, 2, 3 and 4.
    assert e_benjamini_hochberg(np.log([30, 41, 45, 1])).tolist() == [True, True, True, False]
    assert e_benjamini_hochberg(np.log([26, 41, 45, 1])).tolist() == [False, True, True, False]
    assert e_benjamini_hochberg(np.log([79, 39, 26, 19])).tolist() == [False] * 4
    assert e_benjamini_hochberg([]).tolist() == []


@given(log_values)
def test_what_holds_at_every_look_is_believed_at_one(values: list[float]) -> None:
    ever, now = e_bonferroni(values), e_benjamini_hochberg(values)
    assert not (ever & ~now).any()
    alone = np.asarray(values) >= math.log(20)
    assert not (now & ~alone).any()


@given(log_values, st.randoms(use_true_random=False))
def test_the_order_of_slices_does_not_matter(values: list[float], random: object) -> None:
    order = np.random.default_rng(len(values)).permutation(len(values))
    mixed = np.asarray(values)[order]
    assert e_benjamini_hochberg(mixed).tolist() == e_benjamini_hochberg(values)[order].tolist()


def test_alpha_is_split_evenly() -> None:
    assert bonferroni(0.01, 4) == pytest.approx(0.0025)
    assert bonferroni(0.01, 0) == 0.01


def test_false_slices_stay_within_alpha_when_they_depend_on_each_other() -> None:
    """Twenty slices of one population: nineteen without an effect that share their chance, one with."""
    rng = np.random.default_rng(12)
    wrong = []
    for _ in range(2000):
        common = rng.normal()
        z = np.append(np.sqrt(0.5) * common + np.sqrt(0.5) * rng.normal(size=19), 5.0)
        believed = e_benjamini_hochberg(z * 2 - 2)  # the likelihood ratio of N(2, 1) against N(0, 1)
        wrong.append(believed[:19].sum() / max(1, believed.sum()))
    assert np.mean(wrong) <= 0.05
