"""A key always meets the same arm; arms get what their weights say; a ramp moves nobody back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_kit import OLD, a_routing
from scipy.stats import chisquare

from ab_testing.framework import TrafficSplitter
from ab_testing.router import Router, bucket_of
from ecosight.errors import InvalidInput
from ecosight.rollouts import BUCKETS, Arm

KEYS = [f"sensor-{number}" for number in range(20_000)]


def names(routing: object, keys: list[str] = KEYS) -> list[str]:
    router = Router(routing)  # type: ignore[arg-type]
    return [router.assign(key).name for key in keys]


def test_keys_spread_as_the_weights_say() -> None:
    found = names(a_routing(1, champion=7_000, candidate=1_000, control=2_000))
    counts = [found.count(name) for name in ("champion", "candidate", "control")]
    assert chisquare(counts, np.array([0.7, 0.1, 0.2]) * len(KEYS)).pvalue > 0.001


def test_buckets_are_uniform_and_independent_of_another_salt() -> None:
    keys = [f"k{number}" for number in range(100_000)]
    first, second = (np.array([bucket_of(key, salt) for key in keys]) * 10 // BUCKETS for salt in ("r1", "r2"))
    assert chisquare(np.bincount(first)).pvalue > 0.001
    joint = np.zeros((10, 10))
    np.add.at(joint, (first, second), 1)
    assert chisquare(joint.ravel()).pvalue > 0.001


@settings(deadline=None, max_examples=50)
@given(steps=st.lists(st.integers(0, BUCKETS), min_size=2, max_size=6))
def test_a_ramp_takes_no_key_back(steps: list[int]) -> None:
    keys = KEYS[:2_000]
    had: set[str] = set()
    for stage, weight in enumerate(sorted(steps)):
        control = min(weight, BUCKETS - weight)
        found = names(a_routing(stage, champion=BUCKETS - weight - control, candidate=weight, control=control), keys)
        has = {key for key, name in zip(keys, found, strict=True) if name == "candidate"}
        assert had <= has
        had = has


def test_no_key_moves_between_candidate_and_control_while_both_grow() -> None:
    before = names(a_routing(1, champion=8_000, candidate=1_000, control=1_000))
    after = names(a_routing(2, champion=0, candidate=5_000, control=5_000))
    moved = {(a, b) for a, b in zip(before, after, strict=True) if a != b}
    assert moved == {("champion", "candidate"), ("champion", "control")}


def test_every_weight_is_filled_to_the_bucket() -> None:
    router = Router(a_routing(1, champion=0, candidate=9_999, control=1))
    assert [router._table.count(place) for place in range(3)] == [0, 9_999, 1]


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput, match="do not fit"):
        Router(a_routing(1, champion=0, candidate=9_999, control=2))


def test_strange_keys_have_an_arm_too() -> None:
    router = Router(a_routing(1, champion=5_000, candidate=2_500, control=2_500))
    for key in ("", "\0", "ключ", "\ud800", "k" * 10_000):
        assert isinstance(router.assign(key), Arm)
        assert router.assign(key) is router.assign(key)
    assert router.arms[0].model == OLD


def test_a_test_with_any_name_splits_texts_and_refuses_what_is_none() -> None:
    splitter = TrafficSplitter(0.5, salt="\ud800")
    assert {splitter.assign(key) for key in KEYS[:100]} == {"control", "treatment"}
    for key in (7, b"sensor-7", None):
        with pytest.raises(InvalidInput, match="a key is text"):
            splitter.assign(key)  # type: ignore[arg-type]
