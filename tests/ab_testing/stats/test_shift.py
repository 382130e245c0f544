"""A shift of all latencies is never seen where there is none, whatever they are like, and is seen soon where it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ab_testing.stats import ArmLatencies, LatencyHistogram, UsualLatency
from ab_testing.stats.histogram import GROWTH
from ab_testing.stats.mixing import Floats
from ab_testing.stats.shift import EDGES, log_e_shift, log_e_slower, tolerated_buckets
from ecosight.errors import InvalidInput

USUAL = UsualLatency(median_ms=20.0, p99_ms=20 * math.exp(0.5 * 2.3263))
BINS = len(EDGES) + 1
weights = arrays(np.float64, BINS, elements=st.floats(0, 1)).filter(lambda drawn: drawn.sum() > 0)
shares = st.sampled_from([0.01, 0.1, 0.5, 0.9])


def expected_factor(share: float, candidate: Floats, control: Floats) -> float:
    """Exact: of the e-value after one unit, which is the candidate's with the probability of its share."""
    one, none = np.eye(BINS)[:, None, :], np.zeros((BINS, 1, BINS))
    by_candidate, by_control = np.exp(log_e_shift(none, one, (share,))), np.exp(log_e_shift(one, none, (share,)))
    return float(share * candidate @ by_candidate + (1 - share) * control @ by_control)


@given(share=shares, alike=weights)
def test_the_expected_e_value_is_one_where_both_arms_are_alike_in_any_way(share: float, alike: Floats) -> None:
    alike = alike / alike.sum()
    assert expected_factor(share, alike, alike) == pytest.approx(1.0)


@given(share=shares, control=weights, moved=arrays(np.float64, BINS, elements=st.floats(0, 1)))
def test_the_expected_e_value_is_at_most_one_where_the_candidate_is_faster(
    share: float, control: Floats, moved: Floats
) -> None:
    """Some of the answers in each bin are moved to the bin below."""
    control = control / control.sum()
    away = control * moved
    away[0] = 0.0
    faster = control - away + np.append(away[1:], 0.0)
    assert expected_factor(share, faster, control) <= 1 + 1e-9


def test_slower_answers_are_a_bet_that_wins() -> None:
    usual = USUAL.binned(LatencyHistogram.of(np.random.default_rng(1).lognormal(math.log(20), 0.5, 20_000))) / 20_000
    slower = np.append(np.zeros(4), usual[:-4])  # by half of a standard deviation
    assert expected_factor(0.5, slower, usual) > 1.01


def test_two_models_that_differ_by_less_than_a_tenth_are_alike_however_long_one_looks() -> None:
    """With usual latencies that are not those of the reference, and not lognormal."""
    rng = np.random.default_rng(2)
    largest = []
    for factor in (1.0, 1.08):
        for drawn in (rng.lognormal(3.3, 0.5, 40_000), 5 + rng.exponential(20, 40_000), rng.uniform(99, 101, 40_000)):
            arms = LatencyHistogram.of(drawn[::2]), LatencyHistogram.of(factor * drawn[1::2])
            largest.append(log_e_slower(ArmLatencies.at(0.5, control=arms[0], candidate=arms[1]), USUAL))
    assert max(largest) < math.log(100)


@pytest.mark.parametrize(("min_ratio", "tolerated"), [(1.2, 1.095), (1.5, 1.225), (3.0, 1.732), (1.0, 1.0), (0.0, 1.0)])
def test_what_is_tolerated_is_half_of_the_way_to_what_matters(min_ratio: float, tolerated: float) -> None:
    assert math.exp(tolerated_buckets(min_ratio) * math.log(GROWTH)) == pytest.approx(tolerated, rel=0.01)


def test_who_allows_half_as_long_again_is_not_told_of_a_fifth() -> None:
    rng = np.random.default_rng(5)
    control, candidate = (LatencyHistogram.of(factor * rng.lognormal(3, 0.5, 5_000)) for factor in (1.0, 1.2))
    arms = ArmLatencies.at(0.5, control=control, candidate=candidate)
    assert log_e_slower(arms, USUAL, min_ratio=1.2) > math.log(1000)
    assert log_e_slower(arms, USUAL, min_ratio=1.5) < 0


@pytest.mark.parametrize("now", [0.4, 1.0, 3.0, 6.0])
def test_twice_as_long_is_found_in_some_sixty_answers_also_when_load_made_everything_slower(now: float) -> None:
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        control, candidate = (now * factor * rng.lognormal(math.log(20), 0.5, 60) for factor in (1, 2))
        arms = LatencyHistogram.of(control), LatencyHistogram.of(candidate)
        found.append(log_e_slower(ArmLatencies.at(0.5, control=arms[0], candidate=arms[1]), USUAL))
    assert np.median(found) > math.log(1000)


def test_stages_are_never_pooled() -> None:
    """A busy hour came while the share was large: pooled, the candidate would look slower."""
    rng = np.random.default_rng(4)
    quiet, busy = rng.lognormal(3, 0.3, 10_000), rng.lognormal(4, 0.3, 10_000)
    first = ArmLatencies.at(0.1, candidate=LatencyHistogram.of(quiet[:1000]), control=LatencyHistogram.of(quiet[1000:]))
    then = ArmLatencies.at(0.9, candidate=LatencyHistogram.of(busy[1000:]), control=LatencyHistogram.of(busy[:1000]))
    assert log_e_slower(first + then, USUAL) < 0
    assert log_e_slower(ArmLatencies(), USUAL) == 0.0


@pytest.mark.parametrize(("median_ms", "p99_ms"), [(0.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (1.0, math.inf)])
def test_quantiles_that_do_not_go_together_are_refused(median_ms: float, p99_ms: float) -> None:
    with pytest.raises(InvalidInput):
        UsualLatency(median_ms=median_ms, p99_ms=p99_ms)


def test_a_share_that_is_none_and_bins_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput):
        log_e_shift(np.zeros((1, BINS)), np.zeros((1, BINS)), (1.0,))
    with pytest.raises(InvalidInput):
        log_e_shift(np.zeros((1, 3)), np.zeros((1, BINS)), (0.5,))
    with pytest.raises(InvalidInput):
        ArmLatencies.at(0.0, control=LatencyHistogram(), candidate=LatencyHistogram())


def test_control_answers_of_one_length_have_a_spread_all_the_same() -> None:
    assert UsualLatency(median_ms=5.0, p99_ms=5.0).sigma > 0
