from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from ab_testing.stats import Moments
from ab_testing.stats.fixed_horizon import bca_bootstrap, chi_square, mcnemar_exact, pooled_z, welch
from ab_testing.stats.power import means_n, means_power, pairs_n, rates_n, rates_power
from ecosight.errors import InvalidInput, NotEnoughData

RNG = np.random.default_rng(4)
CONTROL, CANDIDATE = RNG.normal(0, 1, 50), RNG.normal(0.4, 2, 80)


def test_welch_from_moments_is_scipys_from_values() -> None:
    found, theirs = (
        welch(Moments.of(CONTROL), Moments.of(CANDIDATE)),
        stats.ttest_ind(CANDIDATE, CONTROL, equal_var=False),
    )
    interval = theirs.confidence_interval()
    assert (found.p_value, found.low, found.high) == pytest.approx((theirs.pvalue, interval.low, interval.high))


def test_chi_square_is_pearsons_and_the_interval_newcombes() -> None:
    found = chi_square((48, 80), (56, 70))
    assert found.p_value == pytest.approx(stats.chi2_contingency([[48, 32], [56, 14]], correction=False).pvalue)
    # Newcombe (1998), table II, first example, method 10.
    assert (found.effect, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_z_is_zero_where_nothing_varies() -> None:
    assert pooled_z([0, 5], [5, 5], [0, 5], [5, 5]).tolist() == [0.0, 0.0]
    assert float(pooled_z(5, 50, 10, 50)) > 0


def test_mcnemar_is_the_exact_binomial_test() -> None:
    found = mcnemar_exact(15, 5, 200)
    assert found.p_value == pytest.approx(2 * stats.binom.cdf(5, 20, 0.5))
    assert found.effect == pytest.approx(0.05)
    assert found.low > 0
    assert mcnemar_exact(0, 0, 10).p_value == 1.0


def test_the_bootstrap_repeats_itself_and_agrees_with_theory_where_theory_is_right() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(0, 1, 400), rng.normal(1, 1, 400)
    found, known = bca_bootstrap(a, b, seed=1), welch(Moments.of(a), Moments.of(b))
    assert found == bca_bootstrap(a, b, seed=1)
    assert found.p_value is None
    assert (found.effect, found.low, found.high) == pytest.approx((known.effect, known.low, known.high), abs=0.02)
    assert bca_bootstrap(a, b, seed=1, statistic="median").effect == pytest.approx(np.median(b) - np.median(a))


def test_the_bias_corrected_interval_leans_to_the_long_tail() -> None:
    rng = np.random.default_rng(6)
    found = bca_bootstrap(np.zeros(40), rng.lognormal(0, 1.5, 40), seed=1)
    assert found.high - found.effect > 1.3 * (found.effect - found.low)


def test_tests_refuse_what_cannot_be_tested() -> None:
    with pytest.raises(NotEnoughData):
        welch(Moments.of([1.0]), Moments.of([1.0, 2.0]))
    with pytest.raises(NotEnoughData):
        welch(Moments.of([1.0, 1.0]), Moments.of([2.0, 2.0]))
    with pytest.raises(NotEnoughData):
        chi_square((0, 0), (1, 2))
    with pytest.raises(InvalidInput):
        chi_square((3, 2), (1, 2))
    with pytest.raises(NotEnoughData):
        mcnemar_exact(0, 0, 0)
    with pytest.raises(InvalidInput):
        mcnemar_exact(5, 6, 10)
    with pytest.raises(NotEnoughData):
        bca_bootstrap([1.0, 1.0], [1.0, 1.0], seed=1)
    with pytest.raises(InvalidInput, match="no statistic 'mode'"):
        bca_bootstrap([1.0, 2.0], [1.0, 3.0], seed=1, statistic="mode")
    for values in ([1.0, float("nan"), 3.0], [1.0, float("inf"), 3.0], [[1.0, 2.0], [3.0, 4.0]]):
        with pytest.raises(InvalidInput, match="finite values"):
            bca_bootstrap(values, [1.0, 2.0, 3.0], seed=1)
    with pytest.raises(NotEnoughData, match="no interval of the median"):
        bca_bootstrap([1.0] * 50, [1.0] * 49 + [2.0], seed=1, statistic="median")


def test_planned_numbers_are_those_of_the_books() -> None:
    # R: power.t.test(power = .90, delta = 1) gives 22.02 an arm; Cohen's d = .5 with power .8 gives 63.77.
    assert means_n(1, 1, power=0.9) == 45
    assert means_n(0.5, 1) == 128
    # R: power.prop.test(p1 = .50, p2 = .75, power = .90) gives 76.7 an arm.
    assert rates_n(0.5, 0.75, power=0.9) == 154
    # R: power.t.test(n = 20, delta = 1, sd = 1) gives a power of .8690.
    assert means_power(40, 1, 1) == pytest.approx(0.8690, abs=1e-4)


def test_planned_numbers_have_the_power_that_was_asked_for() -> None:
    rng = np.random.default_rng(8)
    n = rates_n(0.1, 0.13, share=0.3)
    ours = round(0.3 * n)
    hits = rng.binomial([n - ours, ours], [0.1, 0.13], (4000, 2))
    z = pooled_z(hits[:, 0], n - ours, hits[:, 1], ours)
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.8, abs=0.03)
    assert rates_power(n, 0.1, 0.13, share=0.3) == pytest.approx(0.8, abs=0.001)

    pairs = pairs_n(0.03, 0.09)
    drawn = rng.multinomial(pairs, [0.06, 0.03, 0.91], 2000)
    rejected = [(mcnemar_exact(int(a), int(b), pairs).p_value or 0) <= 0.05 for a, b, _ in drawn[:400]]
    assert np.mean(rejected) == pytest.approx(0.8, abs=0.07)


def test_an_uneven_split_needs_more_units() -> None:
    assert rates_n(0.01, 0.02, share=0.1) > 2 * rates_n(0.01, 0.02)
    assert means_n(0.1, 1, share=0.1) == pytest.approx(means_n(0.1, 1) / (4 * 0.1 * 0.9), rel=0.01)


PLANS: list[Callable[[], int]] = [
    lambda: means_n(0, 1),
    lambda: means_n(1, 0),
    lambda: rates_n(0.1, 0.1),
    lambda: rates_n(0.1, 1.1),
    lambda: pairs_n(0.2, 0.1),
    lambda: pairs_n(0, 0.1),
    lambda: means_n(1, 1, alpha=0),
    lambda: means_n(1, 1, power=0.01),
    lambda: means_n(1, 1, share=1),
]


@pytest.mark.parametrize("plan", PLANS)
def test_impossible_plans_are_refused(plan: Callable[[], int]) -> None:
    with pytest.raises(InvalidInput):
        plan()
