"""The tests and intervals that a comparison is made of, against references and by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test

from ecosight.errors import InvalidInput
from evaluation.comparing.correcting import corrected
from evaluation.comparing.differences import Ahead, combined_estimate, difference_estimate
from evaluation.comparing.flipping import sign_flip, swapped
from evaluation.comparing.mcnemar import mcnemar
from evaluation.estimates import Estimate, Support


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 5, 1.0),
        (3, 12, 0.03515625),
        (121, 59, 4.4344492637551645e-06),
        (2, 0, 0.5),
        (15, 41, 0.0006855641563783821),
    ],
)
def test_mcnemar_is_exact(only_first: int, only_second: int, p: float) -> None:
    """The numbers are those of statsmodels 0.15, ``mcnemar(exact=True)``."""
    found = mcnemar(30, only_first, only_second, 20)
    assert found.p == pytest.approx(p, rel=1e-9)
    if only_first + only_second:
        assert found.p == pytest.approx(binomtest(only_first, only_first + only_second).pvalue)


def test_mcnemar_tells_how_large_the_effect_is() -> None:
    found = mcnemar(80, 4, 12, 4)
    assert (found.odds_ratio, found.cohens_g, found.difference) == (3.0, 0.25, 0.08)
    assert found.odds_low is not None
    assert found.odds_high is not None
    assert found.odds_low < 1 < found.odds_ratio < found.odds_high  # type: ignore[operator]
    assert found.p > 0.05  # the interval and the test agree
    one_sided = mcnemar(80, 0, 6, 4)
    assert one_sided.odds_ratio is None
    assert one_sided.odds_high is None  # without bound
    assert one_sided.odds_low is not None
    assert one_sided.odds_low > 1
    with pytest.raises(InvalidInput):
        mcnemar(0, 0, 0, 0)


@given(st.lists(st.integers(-5, 5), max_size=10))
@settings(max_examples=60, deadline=None)
def test_flipping_groups_counts_every_arrangement(differences: list[int]) -> None:
    seen = abs(sum(differences))
    signs = product((-1, 1), repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(sign, differences, strict=True))) for sign in signs]
    assert sign_flip(np.array(differences, int)) == pytest.approx(np.mean([each >= seen for each in sums]), abs=1e-9)


def test_flipping_single_samples_is_mcnemar() -> None:
    differences = np.array([1] * 12 + [-1] * 3 + [0] * 85)
    assert sign_flip(differences) == pytest.approx(mcnemar(60, 3, 12, 25).p)


def test_flipping_agrees_with_scipy_and_is_quick_with_many_groups() -> None:
    rng = np.random.default_rng(0)
    differences = rng.integers(-3, 5, 40)
    reference = permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=20_000, rng=rng)
    assert sign_flip(differences) == pytest.approx(reference.pvalue, abs=0.01)
    many = rng.integers(-3, 4, 200_000)
    assert 0 < sign_flip(many) <= 1
    assert sign_flip(np.ones(300, int)) == pytest.approx(2.0**-299)
    with pytest.raises(InvalidInput, match="whole numbers"):
        sign_flip(np.array([0.5]))


def test_changing_places_gives_the_p_value_of_flipping() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 4, (60, 1)).astype(float), rng.integers(0, 5, (60, 1)).astype(float)
    found = swapped(first, second, lambda totals: {"sum": totals[:, 0]}, seed=3)
    exact = sign_flip((second - first)[:, 0].astype(int))
    assert found["sum"] == pytest.approx(exact, abs=0.03)
    assert swapped(first, first, lambda totals: {"sum": totals[:, 0]}, seed=3) == {"sum": 1.0}


def test_corrections_are_those_of_the_books() -> None:
    """The numbers are those of statsmodels 0.15, ``multipletests``; a test that was not made does not count."""
    p = [0.01, 0.04, None, 0.03, 0.005]
    assert corrected(p, "holm") == [pytest.approx(0.03), pytest.approx(0.06), None, pytest.approx(0.06), 0.02]
    assert corrected(p, "bonferroni") == [0.04, 0.16, None, 0.12, 0.02]
    assert corrected(p, "bh") == [pytest.approx(0.02), pytest.approx(0.04), None, pytest.approx(0.04), 0.02]
    assert corrected(p, "none") == p
    assert corrected([None], "bh") == [None]
    with pytest.raises(InvalidInput, match="there is no correction 'sidak'"):
        corrected(p, "sidak")


def test_where_models_hardly_ever_differ_the_interval_stays_wide() -> None:
    spread = np.zeros(100)
    alike = difference_estimate(0.0, spread, Support.of(50), ahead=Ahead(0, 0))
    assert alike.basis == "exact on groups"
    assert alike.high == pytest.approx(1 - 0.025 ** (1 / 50))
    assert alike.low == pytest.approx(-(alike.high or 0))
    always = difference_estimate(1.0, np.ones(100), Support.of(6), ahead=Ahead(0, 6))
    assert [always.low, always.high] == pytest.approx([2 * 0.025 ** (1 / 6) - 1, 1.0])
    assert difference_estimate(0.0, spread, Support.of(1), ahead=Ahead(0, 0)).low is None
    assert difference_estimate(float("nan"), spread, Support.of(9)).value is None


def test_an_interval_made_of_two_is_narrower_the_more_the_models_have_in_common() -> None:
    rng = np.random.default_rng(0)
    first, second = (Estimate(value=v, low=v - 0.03, high=v + 0.02, basis="resampled groups") for v in (0.90, 0.95))
    one, other = rng.normal(size=(2, 4000))
    apart, alike = combined_estimate(first, second, one, other), combined_estimate(first, second, one, one + other)
    assert [apart.value, apart.low, apart.high] == pytest.approx([0.05, 0.05 - 0.0361, 0.05 + 0.0361], abs=1e-3)
    assert apart.low is not None
    assert alike.low is not None
    assert apart.low < alike.low < 0.05
    assert combined_estimate(first, Estimate(value=0.9), one, other).low is None
