"""What a strategy decides, from evidence alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rollout_kit import BEGAN, NEW, OLD, a_rollout

from ab_testing.evidence import CandidateEvidence, Evidence
from ab_testing.health import Health, Trip
from ab_testing.policy import Policy
from ab_testing.replaying import replay
from ab_testing.stats import ArmCounts, AssignmentCounts, PairCounts
from ab_testing.strategies import load_strategy
from ab_testing.verdicts import Verdict
from ecosight.config import Config
from ecosight.errors import InvalidInput, NotFound
from ecosight.rollouts import BUCKETS, Decision, Rollout
from ecosight.state.documents import plain

HEALTHY = Health(state="healthy")
TRIPPED = Health(state="breach", trips=(Trip(name="errors", kind="soft", rule="r", observed="5 of 9"),))


def some_evidence(**changes: Any) -> Evidence:
    fields: dict[str, Any] = {
        "rollout_id": "rollout_1",
        "epoch": 2,
        "stage": 1,
        "stage_age_s": 1000.0,
        "age_s": 1000.0,
        "threshold_ms": 50.0,
        "assigned": AssignmentCounts.at((9_500, 500), (1900, 100)),
        "candidates": (CandidateEvidence(arm="candidate", stage_keys=500),),
    }
    return Evidence(**{**fields, **changes})


def decided(rollout: Rollout, evidence: Evidence, health: Health = HEALTHY) -> Verdict:
    return load_strategy(rollout.strategy).decide(rollout, evidence, health)


def test_a_step_that_is_passed_leads_to_the_next_and_the_last_to_the_promotion() -> None:
    assert decided(a_rollout(), some_evidence()).action == "advance"
    assert decided(a_rollout(stage=5), some_evidence(stage=5)).action == "promote"
    assert decided(a_rollout(stage=5, policy={"auto_promote": False}), some_evidence(stage=5)).action == "pause"


def test_cannot_say_yet_names_what_is_missing_and_when() -> None:
    few = (CandidateEvidence(arm="candidate", stage_keys=50),)
    verdict = decided(a_rollout(), some_evidence(candidates=few, stage_age_s=100.0))
    assert verdict.action == "hold"
    assert any("150 more keys for candidate, in about 5 min" in each for each in verdict.missing)
    assert any("least time" in each for each in verdict.missing)


def test_a_trip_takes_the_candidate_back_whatever_else_is_passed() -> None:
    verdict = decided(a_rollout(stage=5), some_evidence(stage=5), TRIPPED)
    assert verdict.action == "roll_back"
    assert "5 of 9" in verdict.reason
    assert decided(a_rollout(policy={"auto_rollback": False}), some_evidence(), TRIPPED).action == "pause"


def test_without_traffic_it_neither_promotes_nor_fails() -> None:
    assert decided(a_rollout(stage=5), some_evidence(stage=5), Health(state="no_data")).action == "hold"


def test_a_broken_split_pauses() -> None:
    broken = AssignmentCounts.at((9_500, 500), (1000, 1000))
    verdict = decided(a_rollout(), some_evidence(assigned=broken))
    assert verdict.action == "pause"
    assert "split" in verdict.reason


def test_the_blast_radius_pauses() -> None:
    exposed = CandidateEvidence(arm="candidate", stage_keys=500, errors=ArmCounts.at(0.1, candidate=(500, 3)))
    for policy in ({"max_exposed_keys": 499}, {"max_bad_answers": 2}):
        assert decided(a_rollout(policy=policy), some_evidence(candidates=(exposed,))).action == "pause"


def test_labels_decide_before_the_candidate_answers_everything() -> None:
    worse = CandidateEvidence(
        arm="candidate", stage_keys=500, wrong=ArmCounts.at(0.5, candidate=(400, 80), control=(400, 40))
    )
    for stage in (4, 5):
        held = decided(a_rollout(stage=stage), some_evidence(stage=stage, candidates=(worse,)))
        unlabelled = decided(a_rollout(stage=stage, policy={"accuracy": "required"}), some_evidence(stage=stage))
        assert unlabelled.action == "hold"
        assert "accuracy" in unlabelled.reason
        assert held.action in ("hold", "advance", "promote")


def test_a_person_is_asked_where_the_policy_says_so() -> None:
    verdict = decided(a_rollout(policy={"pause_at": [2]}), some_evidence())
    assert verdict.action == "pause"
    assert "step 2" in verdict.reason


@pytest.mark.parametrize("strategy", ["canary", "blue-green", "shadow", "fixed", "thompson"])
def test_every_strategy_gives_arms_that_fit_and_a_champion_first(strategy: str) -> None:
    rollout = a_rollout(strategy=strategy, policy={"steps": [5, 50, 100]})
    plan = load_strategy(strategy)
    for stage in range(min(plan.stages(Policy.from_dict(rollout.policy)), 5) + 1):
        arms = plan.arms(rollout, stage)
        assert (arms[0].name, arms[0].model) == ("champion", OLD)
        assert sum(arm.weight for arm in arms) == BUCKETS
        assert all(arm.isolated for arm in arms if arm.model == NEW)
        if stage == 0 or strategy == "shadow":
            assert all(arm.weight == 0 for arm in arms if arm.name == "candidate")


def test_several_candidates_share_the_step() -> None:
    rollout = a_rollout(candidates={"candidate": NEW, "candidate-2": replace(NEW, version="3", digest="c" * 64)})
    arms = {arm.name: arm.weight for arm in load_strategy("canary").arms(rollout, 3)}
    assert arms == {"champion": 6_250, "candidate": 1_250, "candidate-2": 1_250, "control": 1_250}


def test_the_control_is_as_large_as_the_candidate_once_both_are_compared() -> None:
    """Both get as many fresh keys with every step; else those that ask again would make equal models look unequal."""
    plan, rollout = load_strategy("canary"), a_rollout(policy={"steps": [5, 10, 25, 50]})
    arms = [{arm.name: arm.weight / 100 for arm in plan.arms(rollout, stage)} for stage in range(5)]
    assert [each["candidate"] for each in arms] == [0, 5, 10, 25, 50]
    assert [each["control"] for each in arms] == [20, 5, 10, 25, 50]


def test_a_shadow_that_is_worse_is_told_and_one_that_is_not_waits_for_a_person() -> None:
    rollout = a_rollout(strategy="shadow")

    def after(pairs: PairCounts) -> Verdict:
        return decided(
            rollout, some_evidence(assigned=None, candidates=(CandidateEvidence(arm="candidate", pairs=pairs),))
        )

    assert after(PairCounts(agreed=100, pending=5)).action == "hold"
    assert "labels" in after(PairCounts(agreed=100, pending=5)).reason
    assert "worse" in after(PairCounts(agreed=900, control_right=90, candidate_right=10)).reason
    assert after(PairCounts(agreed=9_000, control_right=10, candidate_right=90)).action == "pause"


def test_thompson_sampling_gives_more_to_the_arm_that_is_right_more_often() -> None:
    better = ArmCounts.at(0.5, candidate=(400, 10), control=(400, 120))
    rollout = a_rollout(strategy="thompson", policy={"steps": [50]})
    verdict = decided(rollout, some_evidence(candidates=(CandidateEvidence(arm="candidate", wrong=better),)))
    assert verdict.action == "advance"
    assert verdict.weights["candidate"] > 9_000
    assert sum(verdict.weights.values()) == BUCKETS
    arms = load_strategy("thompson").arms(replace(rollout, weights=verdict.weights), 2)
    shares = {arm.name: arm.weight for arm in arms}
    assert shares["candidate"] == verdict.weights["candidate"]
    assert shares["champion"] + shares["control"] == verdict.weights["champion"]
    assert shares["control"] == 500  # a model that runs as the candidate does is needed as long as it answers


def test_a_decision_replays_to_the_same_verdict_and_not_from_other_evidence() -> None:
    rollout, evidence = a_rollout(), some_evidence()
    verdict = decided(rollout, evidence)
    decision = Decision(
        id="d1",
        rollout_id=rollout.id,
        at=BEGAN,
        actor="controller",
        epoch=2,
        action=verdict.action,
        state=plain(rollout),
        evidence=evidence.as_dict(),
        verdict=verdict.as_dict(),
    )
    assert replay(decision, lambda rollout, evidence: HEALTHY).same
    other = replace(decision, evidence=some_evidence(stage_age_s=1.0).as_dict())
    assert not replay(other, lambda rollout, evidence: HEALTHY).same
    with pytest.raises(InvalidInput, match="made by"):
        replay(replace(decision, evidence={}), lambda rollout, evidence: HEALTHY)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"steps": [50, 10]}, "rise"),
        ({"steps": []}, "steps"),
        ({"steps": [101]}, "percents"),
        ({"alpha_rollback": 0}, "alpha_rollback"),
        ({"min_unitz": 3}, "min_unitz"),
        ({"min_units": "many"}, "min_units"),
        ({"min_step_s": float("nan")}, "min_step_s"),
        ({"auto_promote": "no"}, "auto_promote"),
        ({"accuracy": "perhaps"}, "accuracy"),
        ({"performance_threshold": 95}, "performance_threshold is a share"),
        ({"error_rate_threshold": 5}, "error_rate_threshold is a share"),
        ({"crash_limit": 0}, "crash_limit is at least 1"),
        ({"no_data_s": 0}, "no_data_s is above 0"),
        ({"max_duration_s": 0}, "max_duration_s is above 0"),
        ({"max_exposed_keys": -5}, "max_exposed_keys cannot be negative"),
        ({"min_bad": -1}, "min_bad cannot be negative"),
        ({"min_units": 10**400}, "min_units is 1,000,000,000,000 at most"),
        ({"pause_at": "2,3"}, "pause_at"),
        ({"rollback_ramp": "\ud800"}, "followed: Invalid JSON"),
        ({"steps": [0.005, 100]}, "from 0.01 to 100"),
        ({"error_margin": 25}, "error_margin is a share"),
    ],
)
def test_a_policy_that_cannot_be_followed_says_why(policy: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Policy.from_dict(policy)


@pytest.mark.parametrize(
    ("differences", "each"),
    [
        ({}, 200),
        ({"steps": [10, 50]}, 500),
        ({"strategy": "fixed"}, 1000),
        ({"strategy": "fixed", "steps": [30]}, 1000),
        ({"strategy": "blue-green"}, 1000),
        ({"strategy": "shadow"}, 1000),
        ({"strategy": "fixed", "min_units": 7}, 7),
    ],
)
def test_the_configured_samples_are_met_over_the_stages_that_the_rollout_has(
    differences: dict[str, Any], each: int
) -> None:
    assert Policy.from_config(Config(), **differences).min_units == each


def test_a_policy_comes_from_the_configuration_and_survives_json() -> None:
    policy = Policy.from_config(Config(), min_units=7)
    assert policy.steps == (5, 10, 25, 50, 100)
    assert Policy.from_dict(policy.as_dict()) == policy
    with pytest.raises(NotFound, match="canari"):
        load_strategy("canari")
