"""Evidence counts each request once and each key by its first bad event, in whatever order the rows come."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_kit import BEGAN, a_rollout, a_routing, an_exposure

from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.folding import EvidenceFold
from ab_testing.policy import Policy
from ab_testing.router import Router
from ab_testing.stats import ArmLatencies, LatencyHistogram, UsualLatency
from ab_testing.stats.judge_rates import log_e_of
from ab_testing.stats.shift import log_e_slower
from ab_testing.strategies.base import buckets, split_arms, weighted_arms
from ab_testing.strategies.gates import accuracy_gate
from ecosight.rollouts import CANDIDATE, CHAMPION, CONTROL, Exposure
from rollback.triggers import check_health

ROUTINGS = [
    a_routing(0, champion=9_000, candidate=0, control=1_000),
    a_routing(1, champion=8_000, candidate=1_000, control=1_000),
    a_routing(2, champion=0, candidate=5_000, control=5_000),
]


def evidence(exposures: list[Exposure], *, truths: list[tuple[str, str]] | None = None, **rollout: Any) -> Evidence:
    fold = EvidenceFold(a_rollout(**rollout))
    fold.set_routings(ROUTINGS)
    fold.add(exposures)
    fold.add_truths(truths or [])
    return fold.snapshot(BEGAN + timedelta(seconds=60), [], epoch=2)


def candidate(exposures: list[Exposure], **options: Any) -> CandidateEvidence:
    return evidence(exposures, **options).candidates[0]


def test_a_key_that_fails_often_is_one_bad_key() -> None:
    faults = [an_exposure(n, key="noisy", fault="error", answered=CHAMPION) for n in range(50)]
    found = candidate([*faults, an_exposure(99)])
    assert (found.errors.candidate_units, found.errors.candidate_bad) == (2, 1)
    assert (found.requests, found.recent_faults) == (51, 50)


def test_a_fallback_hides_nothing() -> None:
    found = candidate(
        [an_exposure(1, answered=CHAMPION, fault="late"), an_exposure(2, CHAMPION), an_exposure(3, CONTROL)]
    )
    assert found.errors.candidate_bad == 1
    assert (found.errors.control_units, found.errors.control_bad) == (2, 0)
    assert found.errors.stages[0].share == pytest.approx(0.1)


def test_stages_are_never_pooled() -> None:
    found = candidate([an_exposure(1), an_exposure(2, stage=2), an_exposure(3, CONTROL, stage=2, fault="error")])
    assert found.errors.shares == (pytest.approx(0.1), 0.5)
    assert [stage.candidate_units for stage in found.errors.stages] == [1, 1]
    assert [stage.control_bad for stage in found.errors.stages] == [0, 1]


def test_what_the_control_met_before_anybody_was_compared_uses_up_no_key() -> None:
    """Sensors ask again and again: else theirs at the control would be spent, and an equal candidate look worse."""
    answers, truths = [], []
    for stage in (0, 1):
        for number, arm in enumerate((CANDIDATE if stage else CHAMPION, CONTROL)):
            for key in range(5):
                name = 1_000 * stage + 100 * number + 10 * key
                more: dict[str, Any] = {"key": f"{number}-{key}", "stage": stage, "latency_ms": 90.0}
                answers += [an_exposure(name, arm, **more), an_exposure(name + 1, arm, fault="error", **more)]
                truths.append((f"pred_{name}", "another"))
    found = candidate(answers, truths=truths, threshold_ms=50.0)
    (first,) = found.first_answers.stages
    assert first.candidate.count == first.control.count == 5
    for counts in (found.errors, found.slow, found.wrong):
        assert (counts.candidate_units, counts.candidate_bad) == (counts.control_units, counts.control_bad) == (5, 5)
    assert found.labelled.candidate_bad == found.labelled.control_bad == 5
    slices = evidence(answers).slices["label"]["dog_bark"]
    assert (slices.candidate_units, slices.control_units) == (5, 5)


def test_a_key_that_was_bad_before_it_moved_to_the_candidate_is_not_bad_once_more() -> None:
    found = candidate(
        [
            an_exposure(1, CHAMPION, key="moved", fault="error"),
            an_exposure(2, key="moved", stage=2, fault="error"),
            an_exposure(3, key="fresh", stage=2, fault="error"),
        ]
    )
    assert [(stage.control_bad, stage.candidate_bad) for stage in found.errors.stages] == [(1, 0), (0, 1)]
    assert found.bad_keys == 2  # the candidate did fail both


def test_sensors_that_come_again_and_again_are_compared_fairly_along_a_ramp() -> None:
    """Equal models: a truth for each of 10 answers of each of 300 sensors in each stage, a tenth of them wrong."""
    rng, exposures, truths = random.Random(7), [], []
    steps = {1: 0.05, 2: 0.1, 3: 0.25, 4: 0.5}
    fold = EvidenceFold(a_rollout(stage=3))
    for stage, share in steps.items():
        own = int(10_000 * share)
        fold.set_routings([a_routing(stage, champion=10_000 - own, candidate=own, control=0)])
        for ask in range(10):
            for sensor in range(300):
                number = (stage * 10 + ask) * 300 + sensor
                arm = CANDIDATE if sensor < 300 * share else CHAMPION
                exposures.append(an_exposure(number, arm, key=f"sensor-{sensor}", stage=stage))
                truths.append((f"pred_{number}", "siren" if rng.random() < 0.1 else "dog_bark"))
    fold.add(exposures)
    fold.add_truths(truths)
    seen = fold.snapshot(BEGAN + timedelta(hours=1), [], epoch=2)
    found, states = (
        seen.candidates[0],
        {c.figures["metric"]: c.state for c in check_health(a_rollout(stage=3), seen).checks},
    )
    assert sum(stage.control_bad + stage.candidate_bad for stage in found.wrong.stages) <= 300
    assert states["labels"] == "healthy"
    assert (states["accuracy"], states["accuracy_floor"]) == ("insufficient", "insufficient")
    told = found.labels
    assert told.candidate_units + told.control_units == 300  # each sensor once, in the arm that it was in first
    assert told.control_bad / told.control_units == pytest.approx(0.1, abs=0.04)
    assert found.unlabelled_keys == 0
    # So few labels cannot show that a loss of some points would have been seen; how many more can is told.
    gate = accuracy_gate(Policy(), found)
    assert not gate.passed
    assert re.search(r"about [\d,]+ more", gate.missing), gate.missing


def test_slow_answers_are_found_once_the_threshold_is_frozen() -> None:
    answers = [
        an_exposure(1, latency_ms=90),
        an_exposure(2, CONTROL, latency_ms=20),
        an_exposure(3, CHAMPION, latency_ms=99),
    ]
    assert candidate(answers).slow.candidate_bad == 0
    found = candidate(answers, threshold_ms=50.0)
    assert (found.slow.candidate_units, found.slow.candidate_bad) == (1, 1)
    assert (found.slow.control_units, found.slow.control_bad) == (
        1,
        0,
    )  # the champion in the server is no fair comparison


def test_of_each_key_the_first_answer_is_kept_in_the_arm_that_gave_it() -> None:
    answers = [
        an_exposure(1, key="again", latency_ms=90),
        an_exposure(2, key="again", latency_ms=30, at=BEGAN + timedelta(hours=1)),
        an_exposure(3, CONTROL, key="moved", latency_ms=20),
        an_exposure(4, key="moved", stage=2, latency_ms=70),
        an_exposure(5, key="fresh", stage=2, latency_ms=40),
        an_exposure(6, key="failed", fault="error", latency_ms=500),
        an_exposure(7, CHAMPION, key="elsewhere", latency_ms=5),
    ]
    expected = ArmLatencies.at(0.5, candidate=LatencyHistogram.of([90, 40]), control=LatencyHistogram.of([20]))
    for rows in (answers, answers[::-1]):
        found = candidate(rows).first_answers
        assert [stage.share for stage in found.stages] == [0.5]  # of the two arms, in stage 1 and in stage 2
        assert found == expected


def test_truths_count_whether_they_come_before_the_answer_or_after() -> None:
    truths = [("pred_1", "gun_shot"), ("pred_2", "dog_bark")]
    exposures = [an_exposure(1), an_exposure(2), an_exposure(3)]
    late = candidate(exposures, truths=truths)
    fold = EvidenceFold(a_rollout())
    fold.set_routings(ROUTINGS)
    fold.add_truths(truths)
    fold.add(exposures)
    early = fold.snapshot(BEGAN, [], epoch=2).candidates[0]
    assert late.wrong == early.wrong
    assert (late.wrong.candidate_units, late.wrong.candidate_bad) == (2, 1)
    assert (late.labelled.candidate_units, late.labelled.candidate_bad) == (3, 2)


@pytest.mark.parametrize("corrected", ["dog_bark", "gun_shot"])
def test_a_truth_that_is_corrected_later_counts_as_for_a_leader_that_never_knew_the_first(corrected: str) -> None:
    """Key a has two wrong answers at first, at stages 1 and 2; a shadow's truth is corrected as well."""
    rows = [an_exposure(1, key="a"), an_exposure(2, key="a", stage=2), an_exposure(3, key="b")]
    rows.append(an_exposure(4, id="pred_4~candidate", label="gun_shot", champion_label="dog_bark", counted=False))
    first = [("pred_1", "siren"), ("pred_2", "siren"), ("pred_3", "dog_bark"), ("pred_4", "siren")]
    fold = EvidenceFold(a_rollout())
    fold.set_routings(ROUTINGS)
    fold.add(rows)
    known = dict(first)
    fold.add_truths(first)
    for prediction_id in known:
        fold.add_truths([(prediction_id, corrected)])
        known[prediction_id] = corrected
        led_on = fold.snapshot(BEGAN + timedelta(seconds=60), [], epoch=2)
        assert led_on == evidence(rows, truths=list(known.items()))


def test_overrides_are_no_evidence() -> None:
    assert candidate([an_exposure(1, counted=False)]).errors.candidate_units == 0


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_how_long_it_takes_is_told_from_what_comes_at_this_stage(stage: int) -> None:
    """Latency has the same share at every stage, and at the last one nobody beside the candidate to compare with."""
    told = [
        an_exposure(number, arm, stage=at, epoch=at + 1)
        for at in range(1, stage + 1)
        for number, arm in enumerate([CANDIDATE, CONTROL] * 60, 1_000 * at)
        if at < 3 or arm == CANDIDATE
    ]
    fold = EvidenceFold(a_rollout(stage=stage, threshold_ms=50.0))
    fold.set_routings([*ROUTINGS, a_routing(3, champion=0, candidate=10_000, control=0)])
    fold.add(told)
    found = fold.snapshot(BEGAN + timedelta(seconds=60), [], epoch=stage + 1)
    missing = {check.name: check.missing for check in check_health(fold.rollout, found).checks}["latency"]
    compared = 120 if stage < 3 else 0
    assert found.candidates[0].stage_units == {"errors": compared, "slow": compared, "wrong": 0}
    units = re.search(r"about ([\d,]+) more", missing)
    assert units, missing
    hours = int(units[1].replace(",", "")) / 2 / 3600
    assert (f"({hours:.1f} h at the present rate)" in missing) is (stage < 3), missing


def test_only_disagreements_of_a_shadow_need_a_label() -> None:
    def shadow(number: int, ours: str, theirs: str) -> Exposure:
        return an_exposure(
            number, id=f"pred_{number}~candidate", label=ours, champion_label=theirs, answered=CHAMPION, counted=False
        )

    told = [shadow(1, "a", "a"), shadow(2, "a", "b"), shadow(3, "a", "b"), shadow(4, "a", "b"), shadow(5, "a", "b")]
    pairs = candidate(told, truths=[("pred_2", "a"), ("pred_3", "b"), ("pred_4", "c")]).pairs
    assert (pairs.agreed, pairs.candidate_right, pairs.control_right, pairs.neither_right, pairs.pending) == (
        1,
        1,
        1,
        1,
        1,
    )


def test_a_key_that_asks_again_is_one_pair_of_a_shadow_whatever_order_rows_and_labels_come_in() -> None:
    def shadow(number: int, ours: str) -> Exposure:
        more: dict[str, Any] = {"label": ours, "champion_label": "b", "answered": CHAMPION, "counted": False}
        return an_exposure(number, id=f"pred_{number}~candidate", key="sensor", **more)

    rows, truths = [shadow(1, "a"), shadow(2, "b"), shadow(3, "a")], [("pred_1", "a"), ("pred_3", "b")]
    for told in (rows, rows[::-1]):
        for known in (truths, truths[::-1]):
            found = candidate(told, truths=known).pairs
            assert (found.pairs, found.candidate_right) == (1, 1)
            assert candidate(told, truths=known).requests == 3


MIXED = [
    an_exposure(n, arm, key=f"key-{n % 7}", stage=1 + n % 2, fault="error" if n % 5 == 0 else "")
    for n, arm in enumerate(["candidate", "control", "champion"] * 12)
]


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), doubled=st.integers(0, 30))
def test_order_and_repetition_change_nothing(seed: int, doubled: int) -> None:
    rows = [*MIXED, *MIXED[:doubled]]
    random.Random(seed).shuffle(rows)
    told, expected = evidence(rows).as_dict(), evidence(MIXED).as_dict()
    for each in (told, expected):
        del each["slices"]  # a key's first label is that of the first row
    assert told == expected


def test_evidence_survives_json() -> None:
    found = evidence(MIXED, truths=[("pred_3", "gun_shot")], threshold_ms=5.0)
    assert Evidence.from_dict(found.as_dict()) == found


RAMPS = [(5, 10, 25, 50), (5, 10, 25, 50, 75, 100), (10, 60), (20, 80), (1, 5, 20, 40)]
UPS_AND_DOWNS = [((20, 20), (95, 5), (50, 20), (90, 10), (10, 10), (95, 5)), ((10, 10), (40, 10), (80, 10), (60, 10))]


@pytest.mark.parametrize("percents", [*RAMPS, *UPS_AND_DOWNS], ids=str)
@pytest.mark.parametrize("slow_from", [1, 2, 3])
def test_equal_models_are_equally_slow_however_their_shares_change(percents: tuple[Any, ...], slow_from: int) -> None:
    """Every key asks at every step, and each answer from the step ``slow_from`` on is slow, in whatever arm."""
    fold, number = EvidenceFold(a_rollout(threshold_ms=50.0)), 0
    for stage, percent in enumerate(percents, start=1):
        if isinstance(percent, tuple):
            ours, twin = map(buckets, percent)
            arms = weighted_arms(a_rollout(), {CANDIDATE: ours}, control=twin)
        else:
            arms = split_arms(a_rollout(), percent)
        weights = {arm.name: arm.weight for arm in arms}
        routing = a_routing(stage, champion=weights[CHAMPION], candidate=weights[CANDIDATE], control=weights[CONTROL])
        fold.set_routings([routing])
        router = Router(routing)
        for key in (f"sensor-{n}" for n in range(1_500)):
            number += 1
            latency_ms = 90.0 if stage >= slow_from else 10.0
            fold.add([an_exposure(number, router.assign(key).name, key=key, stage=stage, latency_ms=latency_ms)])
    found = fold.snapshot(BEGAN + timedelta(hours=1), [], epoch=2).candidates[0]
    assert log_e_slower(found.first_answers, UsualLatency(median_ms=10.0, p99_ms=50.0)) < 0
    assert log_e_of(found.slow, 0.0, 100.0) < 4.6
    for each in found.slow.stages:
        bad = each.candidate_bad + each.control_bad
        assert abs(each.candidate_bad - each.share * bad) <= 4 * max(1.0, bad * each.share * (1 - each.share)) ** 0.5
