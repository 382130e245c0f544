"""Counts of replicas add up, whatever the order, and survive JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab_testing.stats import (
    ArmCounts,
    ArmLatencies,
    AssignmentCounts,
    AssignmentStage,
    LatencyHistogram,
    Moments,
    PairCounts,
    StageCounts,
    StageLatencies,
)
from ecosight.errors import EcosightError, InvalidInput

few = st.integers(0, 10_000)
stages = st.builds(
    StageCounts,
    share=st.sampled_from([0.01, 0.1, 0.25, 0.5]),
    control_units=few,
    control_bad=few,
    candidate_units=few,
    candidate_bad=few,
)
arm_counts = st.lists(stages, max_size=4).map(lambda found: ArmCounts(tuple(found)))
assignments = st.lists(
    st.builds(AssignmentStage, st.sampled_from([(9000, 1000), (5000, 5000)]), st.tuples(few, few)), max_size=4
).map(lambda found: AssignmentCounts(tuple(found)))
pair_counts = st.builds(PairCounts, agreed=few, candidate_right=few, control_right=few, neither_right=few, pending=few)
histograms = st.lists(st.floats(0, 1e8), max_size=20).map(LatencyHistogram.of)
arm_latencies = st.lists(
    st.builds(StageLatencies, share=st.sampled_from([0.1, 0.25, 0.5]), control=histograms, candidate=histograms),
    max_size=3,
).map(lambda found: ArmLatencies(tuple(found)))

all_kinds = (arm_counts, arm_latencies, assignments, pair_counts, histograms)


@given(st.one_of(*(st.tuples(each, each, each) for each in all_kinds)))
def test_replicas_add_up_in_any_order(three: tuple[Any, Any, Any]) -> None:
    a, b, c = three
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + type(a)() == a


@given(st.one_of(*all_kinds))
def test_counts_survive_json(counts: Any) -> None:
    assert type(counts).from_dict(json.loads(json.dumps(counts.as_dict(), allow_nan=False))) == counts


@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=30), min_size=1, max_size=5))
def test_moments_of_parts_are_the_moments_of_all(parts: list[list[float]]) -> None:
    total = Moments()
    for part in parts:
        total += Moments.of(part)
    everything = np.array([value for part in parts for value in part])
    assert total.n == everything.size
    if everything.size:
        scale = max(1.0, float(np.abs(everything).max()))
        assert total.mean == pytest.approx(everything.mean(), abs=1e-9 * scale)
        assert total.m2 == pytest.approx(((everything - everything.mean()) ** 2).sum(), abs=1e-7 * scale**2)


def test_moments_of_a_share_are_those_of_its_zeros_and_ones() -> None:
    told, counted = Moments.of_share(3, 10), Moments.of([1] * 3 + [0] * 7)
    assert told.n == counted.n
    assert told.mean == pytest.approx(counted.mean)
    assert told.variance == pytest.approx(counted.variance)


def test_one_share_is_never_pooled_with_another() -> None:
    ramp = ArmCounts.at(0.1, candidate=(5, 1)) + ArmCounts.at(0.5, candidate=(7, 2)) + ArmCounts.at(0.1, control=(9, 3))
    assert ramp.shares == (0.1, 0.5)
    assert ramp.stages[0] == StageCounts(share=0.1, control_units=9, control_bad=3, candidate_units=5, candidate_bad=1)
    assert (ramp.candidate_units, ramp.candidate_bad, ramp.control_units, ramp.control_bad) == (12, 3, 9, 3)
    with pytest.raises(InvalidInput, match="cannot be pooled"):
        _ = ramp.stages[0] + ramp.stages[1]


def test_pairs_that_wait_for_a_label_stand_as_lost() -> None:
    pairs = PairCounts(agreed=10, candidate_right=3, control_right=2, neither_right=1, pending=4)
    assert pairs.differences == (6, 11, 3)
    assert (pairs.pairs, pairs.disagreed, pairs.labelled, pairs.decided) == (20, 10, 6, 5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: StageCounts(share=1.0),
        lambda: StageCounts(share=0.0),
        lambda: ArmCounts.at(0.5, control=(-1, 0)),
        lambda: AssignmentCounts.at((1, 0), (1, 1)),
        lambda: AssignmentCounts.at((1, 1), (1, 1, 1)),
        lambda: PairCounts(agreed=-1),
        lambda: Moments(n=-1),
        lambda: Moments.of_share(2, 1),
        lambda: LatencyHistogram.of([float("nan")]),
        lambda: LatencyHistogram(((10**6, 1),)),
    ],
)
def test_impossible_counts_are_refused(make: Any) -> None:
    with pytest.raises(EcosightError):
        make()


@pytest.mark.parametrize("count", [-1, math.nan, math.inf])
def test_what_is_no_count_is_refused(count: Any) -> None:
    for counts in ({"control": (10, count)}, {"candidate": (count, 0)}):
        with pytest.raises(InvalidInput, match="from 0 upwards"):
            ArmCounts.at(0.1, **counts)
    for name in ("agreed", "candidate_right", "control_right", "neither_right", "pending"):
        with pytest.raises(InvalidInput, match="from 0 upwards"):
            PairCounts(**{name: count})
    with pytest.raises(InvalidInput, match="finite"):
        AssignmentCounts.at((1, 1), (count, 1))
    with pytest.raises(InvalidInput, match="finite"):
        AssignmentCounts.at((1, count), (1, 1))
    with pytest.raises(InvalidInput, match="are none"):
        LatencyHistogram(((0, count),))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_value_is_refused(value: float) -> None:
    with pytest.raises(InvalidInput, match="finite"):
        Moments.of([1.0, value])
    with pytest.raises(InvalidInput, match="finite"):
        Moments(n=200, mean=value, m2=1.0)
    with pytest.raises(InvalidInput, match="finite"):
        Moments(n=200, mean=0.5, m2=value)
