from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ab_testing.stats import LatencyHistogram
from ab_testing.stats.conditional import log_e_share, optimal_concentration
from ab_testing.stats.histogram import bucket_of, upper_edge_ms
from ab_testing.stats.quantiles import freeze_threshold_ms, quantile_interval_ms, quantile_ranks
from ecosight.errors import InvalidInput, NotEnoughData


@given(st.floats(1e-3, 1e7))
def test_a_latency_lies_in_its_bucket(latency: float) -> None:
    bucket = bucket_of(latency)
    assert upper_edge_ms(bucket - 1) * (1 - 1e-9) <= latency <= upper_edge_ms(bucket) * (1 + 1e-9)
    assert LatencyHistogram.of([latency]).buckets == ((bucket, 1),)


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_known_to_one_percent_and_never_too_small(values: list[float], q: float) -> None:
    exact = sorted(values)[max(1, math.ceil(q * len(values))) - 1]
    assert exact * (1 - 1e-9) <= LatencyHistogram.of(values).quantile_ms(q) <= exact * 1.0101


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=200))
def test_what_lies_above_a_frozen_threshold_is_counted_exactly(values: list[float]) -> None:
    histogram = LatencyHistogram.of(values)
    threshold = histogram.quantile_ms(0.5)
    assert histogram.above(threshold) == sum(bucket_of(value) > bucket_of(threshold * (1 - 1e-9)) for value in values)


def test_latencies_out_of_range_count_in_the_outermost_buckets() -> None:
    histogram = LatencyHistogram.of([0.0, 1e-9, 1e12])
    assert histogram.count == 3
    assert [bucket_of(value) for value in (0.0, 1e-9, 1e12)] == [-694, -694, 1620]


def test_the_threshold_is_the_controls_quantile_and_needs_a_window() -> None:
    values = np.random.default_rng(1).lognormal(3, 0.5, 20_000)
    threshold = freeze_threshold_ms(LatencyHistogram.of(values))
    assert threshold == pytest.approx(float(np.quantile(values, 0.99)), rel=0.02)
    with pytest.raises(NotEnoughData, match="999 latencies"):
        freeze_threshold_ms(LatencyHistogram.of(values[:999]))


@pytest.mark.parametrize("n", [1, 50, 1000, 100_000])
@pytest.mark.parametrize("q", [0.5, 0.99])
def test_ranks_are_those_that_the_test_does_not_rule_out(n: int, q: float) -> None:
    low, high = quantile_ranks(n, q)
    concentration = optimal_concentration(10_000, 0.05)

    def ruled_out(below: int) -> bool:
        return float(log_e_share(below, n - below, q, concentration=concentration)) >= math.log(20)

    assert not ruled_out(low)
    assert not ruled_out(high - 1)
    assert low == 0 or ruled_out(low - 1)
    assert high == n + 1 or ruled_out(high)


def test_the_quantile_is_covered_at_every_look_and_replicas_add_up() -> None:
    rng, missed, truth = np.random.default_rng(2), 0, math.exp(3 + 0.5 * stats.norm.ppf(0.9))
    for _ in range(150):
        seen = LatencyHistogram()
        for part in rng.lognormal(3, 0.5, (40, 50)):
            seen += LatencyHistogram.of(part)
            low, high = quantile_interval_ms(seen, 0.9, alpha=0.1)
            if not low <= truth <= (high or math.inf):
                missed += 1
                break
    assert missed / 150 <= 0.1


def test_without_latencies_there_is_no_bound_and_no_quantile() -> None:
    assert quantile_interval_ms(LatencyHistogram()) == (0.0, None)
    with pytest.raises(NotEnoughData):
        LatencyHistogram().quantile_ms(0.99)
    for q in (0.0, 1.0):
        with pytest.raises(InvalidInput):
            LatencyHistogram.of([1.0]).quantile_ms(q)
        with pytest.raises(InvalidInput):
            quantile_ranks(10, q)
