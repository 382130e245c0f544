"""When a server cuts an arm off by itself: tables of moments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.isolation.breaker import LEAST_FAULTS, MOST_REQUESTS, WINDOW_S, Breaker


@pytest.mark.parametrize(
    ("requests", "tripped"),
    [
        ([(0, True)] * 4, ""),
        ([(0, True)] * 5, "5 of the last 5 requests failed"),
        ([(0, False)] * 5 + [(1, True)] * 5, ""),
        ([(0, False)] * 5 + [(1, True)] * 6, "6 of the last 11 requests failed"),
        ([(0, True)] * 4 + [(60.5, True)], ""),
        ([(0, True)] * 4 + [(59, True)], "5 of the last 5 requests failed"),
        ([(0, False)] * 100 + [(61, True)] * 5, "5 of the last 5 requests failed"),
        ([(0, True)] * 5 + [(1, False)] * 100, "5 of the last 5 requests failed"),
    ],
    ids=[
        "four faults",
        "five",
        "half",
        "more than half",
        "spread over a minute",
        "within a minute",
        "an old good past counts for nothing",
        "it stays tripped",
    ],
)
def test_most_of_the_last_minutes_requests_and_at_least_five_must_fail(requests, tripped):
    breaker = Breaker()
    for at, fault in requests:
        breaker.request(float(at), fault=fault)
    assert breaker.tripped == tripped


@pytest.mark.parametrize(
    ("crashes", "trips"), [([0, 30], False), ([0, 30, 60], True), ([0, 1, 61], False), ([0, 10, 61, 69], True)]
)
def test_three_deaths_in_a_minute_trip_it(crashes, trips):
    breaker = Breaker()
    for at in crashes:
        breaker.crash(float(at))
    assert bool(breaker.tripped) is trips


def test_one_answer_that_is_not_finite_trips_it_and_the_first_reason_stays():
    breaker = Breaker()
    breaker.non_finite()
    for _ in range(10):
        breaker.request(1.0, fault=True)
    assert breaker.tripped == "it gave numbers that are not finite"


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=80))
def test_it_says_what_counting_the_window_anew_would_say(steps):
    breaker, seen, at, expected = Breaker(), [], 0.0, False
    for pause, fault in steps:
        at += pause
        seen.append((at, fault))
        breaker.request(at, fault=fault)
        window = [bad for moment, bad in seen if moment >= at - WINDOW_S]
        expected |= fault and sum(window) >= LEAST_FAULTS and 2 * sum(window) > len(window)
        assert bool(breaker.tripped) is expected


def test_what_it_remembers_is_bounded():
    breaker = Breaker()
    for number in range(3 * MOST_REQUESTS):
        breaker.request(number / 1e6, fault=number % 3 == 0)
    assert len(breaker._requests) == MOST_REQUESTS
    assert breaker._faults == sum(bad for _, bad in breaker._requests)
    assert not breaker.tripped
