"""The triggers: what takes a model back, what does not, and what is said where nothing can be said yet."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_incident import make_rollout

from ab_testing.compared import FailingKeys
from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.health import Check, Health
from ab_testing.policy import Policy
from ab_testing.stats.arm_latencies import ArmLatencies
from ab_testing.stats.assignment import AssignmentCounts
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.histogram import LatencyHistogram
from rollback.triggers import check_health

STEADY = {"errors": ArmCounts.at(0.5, control=(5000, 25), candidate=(5000, 25))}


def look(*, policy: dict[str, Any] | None = None, evidence: dict[str, Any] | None = None, **candidate: Any) -> Health:
    """What the triggers say about one candidate."""
    told = {"requests": 100, "recent_requests": 100, "answered_s_ago": 0.1, **candidate}
    return look_at([CandidateEvidence(arm="candidate", **told)], policy, evidence)


def look_at(
    candidates: list[CandidateEvidence], policy: dict[str, Any] | None = None, evidence: dict[str, Any] | None = None
) -> Health:
    usual: dict[str, Any] = {
        "stage_age_s": 100.0,
        "age_s": 200.0,
        "threshold_ms": 50.0,
        "assigned": None,
        "seen_s_ago": 0.1,
    }
    whole = Evidence(rollout_id="r", epoch=3, stage=1, candidates=tuple(candidates), **(usual | (evidence or {})))
    rollout = make_rollout(policy=replace(Policy(), **(policy or {})).as_dict(), state="running")
    health = check_health(rollout, whole)
    # Decisions are stored and made again: nothing may be lost on the way.
    stored = Evidence.from_dict(json.loads(json.dumps(whole.as_dict(), allow_nan=False)))
    assert check_health(rollout, stored) == health
    assert Health.from_dict(json.loads(json.dumps(health.as_dict(), allow_nan=False))).as_dict() == health.as_dict()
    return health


def names(health: Health) -> list[str]:
    return [trip.name for trip in health.trips]


def check(health: Health, name: str) -> Check:
    return next(each for each in health.checks if each.name == name)


# -- hard -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "trip"),
    [
        ({"load_failures": ("server-1: no such operator",)}, "load_failure"),
        ({"non_finite": 1}, "non_finite"),
        ({"crashes_s_ago": (1.0, 20.0, 59.0)}, "crashes"),
        ({"recent_requests": 9, "recent_faults": 5}, "faults"),
        ({"recent_requests": 10_000, "recent_faults": 5_001}, "faults"),
    ],
)
def test_what_is_beyond_doubt_trips_at_once(told: dict[str, Any], trip: str) -> None:
    health = look(**told)
    assert names(health) == [trip]
    assert health.state == "breach"
    assert health.trips[0].kind == "hard"
    assert health.trips[0].rule
    assert health.trips[0].observed


@pytest.mark.parametrize(
    "told",
    [
        {"crashes_s_ago": (1.0, 20.0)},
        {"crashes_s_ago": (1.0, 20.0, 61.0)},
        {"recent_requests": 4, "recent_faults": 4},
        {"recent_requests": 10, "recent_faults": 5},
        {"recent_requests": 0, "recent_faults": 0},
    ],
)
def test_less_than_that_does_not(told: dict[str, Any]) -> None:
    assert look(**told).trips == ()


def test_a_model_that_does_not_load_trips_before_any_client_came() -> None:
    health = look(load_failures=("server-1: damaged",), recent_requests=0, evidence={"seen_s_ago": None})
    assert names(health) == ["load_failure"]
    assert "damaged" in health.trips[0].observed


# -- by statistics ----------------------------------------------------------------------------------


def test_ten_times_the_errors_of_the_control_trip() -> None:
    health = look(errors=ArmCounts.at(0.5, control=(1000, 5), candidate=(1000, 50)))
    assert names(health) == ["errors"]
    assert health.trips[0].kind == "soft"
    assert "5.00% of the candidate's clients got failed answers, 0.50% of the control's" in health.trips[0].observed


def test_a_handful_of_bad_units_does_not_trip_however_sure() -> None:
    assert look(errors=ArmCounts.at(0.01, control=(9900, 0), candidate=(100, 4))).trips == ()
    assert names(look(errors=ArmCounts.at(0.01, control=(9900, 0), candidate=(100, 5)))) == ["errors"]


def test_an_effect_below_the_one_that_matters_does_not_trip_however_many() -> None:
    many = ArmCounts.at(0.5, control=(4_000_000, 40_000), candidate=(4_000_000, 49_000))
    assert look(errors=many, policy={"error_margin": 0.0}).trips == ()
    assert names(look(errors=many, policy={"error_margin": 0.0, "rate_ratio": 1.2})) == ["errors"]


def test_slower_answers_trip_only_once_it_is_known_what_is_slow() -> None:
    usual = np.random.default_rng(1).lognormal(3.0, 0.2, 2000)
    slow = {
        "slow": ArmCounts.at(0.5, control=(2000, 20), candidate=(2000, 400)),
        "latency": LatencyHistogram.of(2 * usual),
        "control_latency": LatencyHistogram.of(usual),
    }
    assert names(look(**slow)) == ["latency"]
    first = ArmLatencies.at(0.5, control=slow["control_latency"], candidate=slow["latency"])
    few = {**slow, "slow": ArmCounts.at(0.5, control=(2000, 0), candidate=(2000, 4)), "first_answers": first}
    assert names(look(**few)) == []  # a rollout from before its median was kept
    assert names(look(**few, evidence={"median_ms": 20.0})) == ["latency"]
    unknown = look(**slow, evidence={"threshold_ms": None})
    assert unknown.trips == ()
    assert "says what is slow" in check(unknown, "latency").missing


def test_more_wrong_answers_trip_unless_labels_are_ignored() -> None:
    wrong = ArmCounts.at(0.5, control=(1000, 50), candidate=(1000, 200))
    assert "accuracy" in names(look(wrong=wrong))
    assert look(wrong=wrong, policy={"accuracy": "ignored"}).trips == ()


def test_labels_that_come_for_one_arm_only_take_nothing_back() -> None:
    wrong = ArmCounts.at(0.5, control=(200, 10), candidate=(1500, 400))
    labelled = ArmCounts.at(0.5, control=(5000, 200), candidate=(5000, 1500))
    health = look(wrong=wrong, labelled=labelled)
    assert health.trips == ()
    assert check(health, "labels").state == "breach"
    assert "not come for both arms alike" in check(health, "accuracy").missing


def test_a_broken_split_takes_nothing_back_by_comparison_but_hard_trips_stand() -> None:
    broken = {"assigned": AssignmentCounts.at((5000, 5000), (4000, 6000))}
    errors = ArmCounts.at(0.5, control=(4000, 20), candidate=(6000, 240))
    health = look(errors=errors, evidence=broken)
    assert health.trips == ()
    assert check(health, "split").state == "breach"
    assert "cannot be compared" in check(health, "errors").missing
    assert names(look(errors=errors, non_finite=1, evidence=broken)) == ["non_finite"]


def test_several_candidates_are_judged_each_by_itself_and_share_the_error_rate() -> None:
    errors = ArmCounts.at(0.5, control=(1000, 5), candidate=(1000, 50))
    candidates = [CandidateEvidence(arm="candidate", **STEADY), CandidateEvidence(arm="candidate-2", errors=errors)]
    health = look_at(candidates)
    assert names(health) == ["errors:candidate-2"]
    one = look(**STEADY)
    assert check(health, "errors").figures["alpha"] == pytest.approx(check(one, "errors").figures["alpha"] / 2)


# -- ceilings ---------------------------------------------------------------------------------------


def test_a_ceiling_is_not_reached_by_tiny_counts() -> None:
    assert look(alone=FailingKeys(20, 6.0), recent_requests=0).trips == ()
    assert names(look(alone=FailingKeys(200, 40.0))) == ["error_ceiling"]


def test_where_the_control_is_above_the_ceiling_too_the_cause_lies_elsewhere() -> None:
    outage = ArmCounts.at(0.5, control=(1000, 400), candidate=(1000, 420))
    health = look(errors=outage, beside=FailingKeys(1000, 420.0))
    assert health.trips == ()
    assert "the cause may lie elsewhere" in check(health, "error_ceiling").missing


def test_accuracy_surely_below_its_floor_trips() -> None:
    health = look(wrong=ArmCounts.at(0.5, control=(20_000, 4000), candidate=(20_000, 6000)))
    assert "accuracy_floor" in names(health)
    assert (
        "70.0% of its labelled clients were answered rightly, 80.0%"
        in next(trip for trip in health.trips if trip.name == "accuracy_floor").observed
    )
    assert look(wrong=ArmCounts.at(0.5, control=(20, 1), candidate=(20, 4))).trips == ()


# -- memory -----------------------------------------------------------------------------------------


def series(
    slope: float, *, minutes: float = 30, seed: int = 3, per_min: int = 15, noise_mb: float = 1.5
) -> tuple[tuple[float, float], ...]:
    t = np.arange(round(per_min * minutes) + 1) / per_min
    rss = 400 + slope * t + np.random.default_rng(seed).normal(0, noise_mb, len(t))
    return tuple(zip(t.tolist(), rss.tolist(), strict=True))


def test_a_leak_of_20_mb_a_minute_trips_ten_minutes_after_both_were_loaded() -> None:
    health = look(memory=series(20.0, minutes=10), control_memory=series(0.0, minutes=10, seed=4))
    assert names(health) == ["memory"]
    assert check(health, "memory").figures["slope"] == pytest.approx(20.0, abs=0.5)
    assert "MB a minute" in health.trips[0].observed
    early = look(memory=series(20.0, minutes=9), control_memory=series(0.0, minutes=9, seed=4))
    assert early.trips == ()
    assert "more minutes" in check(early, "memory").missing


def test_who_is_in_a_hurry_learns_of_it_within_two_minutes() -> None:
    seconds: dict[str, Any] = {"minutes": 2, "per_min": 60, "noise_mb": 0.3}
    both = {"memory": series(20.0, **seconds), "control_memory": series(0.0, seed=4, **seconds)}
    assert names(look(**both, policy={"memory_after_min": 1.0})) == ["memory"]
    assert look(**both).trips == ()


def test_the_worst_of_many_servers_needs_more_to_be_called_a_leak() -> None:
    both = {"memory": series(20.0), "control_memory": series(0.0, seed=4)}
    few, many = look(**both, evidence={"servers": 1}), look(**both, evidence={"servers": 64})
    assert names(few) == names(many) == ["memory"]
    assert check(many, "memory").figures["bins"] > check(few, "memory").figures["bins"]


def test_growth_that_both_share_is_no_leak() -> None:
    assert look(memory=series(20.0), control_memory=series(20.0, seed=4)).trips == ()


def test_warming_up_is_no_leak() -> None:
    warm = tuple((m / 15, 400 + 300 * (1 - np.exp(-m / 45))) for m in range(601))
    for n in range(150, 601, 15):
        assert look(memory=warm[:n], control_memory=series(0.0, minutes=40)[:n]).trips == ()


def test_memory_of_a_shared_process_is_said_not_to_be_attributable() -> None:
    health = look(memory=(), control_memory=series(0.0))
    assert "cannot be attributed" in check(health, "memory").missing
    shadow = look(memory=series(0.0), control_memory=())
    assert "no process of the control" in check(shadow, "memory").missing


# -- drift ------------------------------------------------------------------------------------------


def labels(**counts: tuple[int, int]) -> dict[str, Any]:
    told = {
        name: ArmCounts.at(0.5, control=(theirs, 0), candidate=(ours, 0)) for name, (theirs, ours) in counts.items()
    }
    return {"slices": {"label": told}}


def test_a_model_that_says_one_class_to_everything_trips() -> None:
    health = look(**STEADY, evidence=labels(fox=(300, 20), engine=(100, 480), rain=(100, 0)))
    assert names(health) == ["label_drift"]
    assert "'engine' to 96%" in health.trips[0].observed


def test_a_model_that_says_some_classes_more_often_may_be_the_better_one() -> None:
    assert look(**STEADY, evidence=labels(fox=(3000, 2600), engine=(1000, 1400))).trips == ()


# -- states -----------------------------------------------------------------------------------------


def test_without_traffic_nothing_is_said_for_or_against() -> None:
    for ago in (None, 61.0):
        health = look(**STEADY, evidence={"seen_s_ago": ago})
        assert (health.state, health.trips) == ("no_data", ())
    assert look(**STEADY, evidence={"seen_s_ago": 59.0}).state != "no_data"


def test_health_is_earned_by_enough_units() -> None:
    fine = {"latency": LatencyHistogram.of([10.0] * 100), "control_latency": LatencyHistogram.of([10.0] * 100)}
    few = ArmCounts.at(0.5, control=(50, 0), candidate=(50, 0))
    many = ArmCounts.at(0.5, control=(60_000, 300), candidate=(60_000, 300))
    early = look(errors=few, slow=few, **fine)
    assert early.state == "insufficient"
    assert "more units" in check(early, "errors").missing
    even = {"assigned": AssignmentCounts.at((1, 1), (60_000, 60_000))}
    assert look(errors=many, slow=many, **fine, evidence=even).state == "healthy"


def test_every_check_that_cannot_say_says_what_is_missing() -> None:
    for health in (look(), look(**STEADY), look(evidence={"seen_s_ago": None})):
        for each in health.checks:
            assert each.missing or each.state == "healthy", each


def test_a_spent_budget_asks_for_a_person_and_condemns_nobody() -> None:
    health = look(**STEADY, policy={"max_exposed_keys": 4999, "max_bad_answers": 25})
    assert health.trips == ()
    assert check(health, "exposed_keys").state == "breach"
    assert check(health, "bad_answers").state == "healthy"


def test_the_gravest_trip_comes_first() -> None:
    errors = ArmCounts.at(0.5, control=(1000, 5), candidate=(1000, 200))
    health = look(errors=errors, beside=FailingKeys(1000, 200.0), non_finite=3)
    assert [trip.kind for trip in health.trips] == ["hard", "soft", "soft"]


# -- over time --------------------------------------------------------------------------------------


def test_equal_models_looked_at_every_second_are_hardly_ever_taken_back() -> None:
    """50 clients a second, 10% canary, base error .5%, half an hour."""
    found = [seconds_to_trip(0.005, 1800, np.random.default_rng([11, run])) for run in range(100)]
    assert sum(seconds is not None for seconds in found) <= 1


@pytest.mark.parametrize(("rate", "within_s"), [(0.02, 180), (0.05, 35), (0.5, 3)])
def test_errors_are_found_within_seconds(rate: float, within_s: float) -> None:
    """The same traffic; the candidate fails more often: median time to the trip."""
    found = [seconds_to_trip(rate, 1200, np.random.default_rng([12, run])) for run in range(41)]
    assert np.median([seconds or 1200 for seconds in found]) <= within_s


def seconds_to_trip(rate: float, seconds: int, rng: np.random.Generator) -> int | None:
    theirs, ours = rng.binomial(45, 0.005, size=seconds).cumsum(), rng.binomial(5, rate, size=seconds).cumsum()
    # The e-value rises with the candidate's bad clients only: looks at other moments cannot trip.
    for second in np.flatnonzero(np.diff(ours, prepend=0)).tolist():
        at = second + 1
        counts = ArmCounts.at(0.1, control=(45 * at, int(theirs[second])), candidate=(5 * at, int(ours[second])))
        if look_quickly(counts).trips:
            return at
    return None


def look_quickly(errors: ArmCounts) -> Health:
    evidence = Evidence(
        rollout_id="r",
        epoch=3,
        stage=1,
        stage_age_s=100.0,
        age_s=200.0,
        threshold_ms=None,
        assigned=None,
        candidates=(CandidateEvidence(arm="candidate", errors=errors, recent_requests=100),),
        seen_s_ago=0.1,
    )
    return check_health(make_rollout(policy={}, state="running"), evidence)


@given(st.integers(0, 2000), st.integers(0, 2000), st.floats(0, 1), st.floats(0, 1), st.sampled_from([0.05, 0.5, 0.9]))
def test_any_counts_have_an_answer_and_the_same_evidence_the_same_one(
    control: int, candidate: int, theirs: float, ours: float, share: float
) -> None:
    counts = ArmCounts.at(share, control=(control, int(control * theirs)), candidate=(candidate, int(candidate * ours)))
    first = look(errors=counts, wrong=counts, labelled=counts, slow=counts)
    assert first == look(errors=counts, wrong=counts, labelled=counts, slow=counts)
    assert (first.state == "breach") == bool(first.trips)
