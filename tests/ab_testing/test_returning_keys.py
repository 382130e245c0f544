"""Equal models look equal where the same sensors ask again and again, whatever the shares and the recordings do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from rollout_kit import BEGAN, NEW, a_rollout, an_exposure

from ab_testing.evidence import Evidence
from ab_testing.folding import EvidenceFold
from ab_testing.router import Router
from ab_testing.strategies import load_strategy
from ab_testing.strategies.base import split_arms, weighted_arms
from ecosight.rollouts import Arm, Rollout, Routing
from rollback.triggers import check_health

Answers = Callable[[np.random.Generator, int], tuple[str, str]]
"""Of a stage: what is said, and what it truly was. The same whatever the model: they are equal."""


def seen(
    rollout: Rollout, stages: Sequence[Sequence[Arm]], answers: Answers, *, sensors: int, rounds: int, seed: int
) -> Evidence:
    """What is known after the last stage. Every sensor asks once a round, and every truth is told."""
    rng, fold, number = np.random.default_rng(seed), EvidenceFold(rollout), 0
    for stage, arms in enumerate(stages, start=1):
        routing = Routing(
            epoch=stage + 1,
            arms=tuple(arms),
            made_at=BEGAN,
            actor="c",
            why="",
            salt=f"{rollout.id}-{seed}",
            rollout_id=rollout.id,
            stage=stage,
        )
        router, exposures, truths = Router(routing), [], []
        for _ in range(rounds):
            for sensor in range(sensors):
                number += 1
                said, truth = answers(rng, stage)
                at = BEGAN + timedelta(seconds=number)
                arm, key = router.assign(f"sensor-{sensor}").name, f"sensor-{sensor}"
                exposures.append(an_exposure(number, arm, key=key, stage=stage, epoch=stage + 1, label=said, at=at))
                truths.append((f"pred_{number}", truth))
        fold.set_routings([routing])
        fold.add(exposures)
        fold.add_truths(truths)
    fold.rollout = replace(rollout, stage=len(stages))
    return fold.snapshot(BEGAN + timedelta(seconds=number), [], epoch=len(stages) + 1)


def states(rollout: Rollout, evidence: Evidence) -> Mapping[str, str]:
    return {check.name: check.state for check in check_health(rollout, evidence).checks}


def tenth_wrong(rng: np.random.Generator, stage: int) -> tuple[str, str]:
    return "fox", "owl" if rng.random() < 0.1 else "fox"


@pytest.mark.parametrize("seed", range(4))
def test_wrong_answers_along_a_ramp(seed: int) -> None:
    rollout = a_rollout(policy={"steps": [10, 50, 100]})
    ramp = [split_arms(rollout, percent) for percent in (10, 50)]
    evidence = seen(rollout, ramp, tenth_wrong, sensors=600, rounds=15, seed=seed)
    assert not check_health(rollout, evidence).trips
    labels = evidence.candidates[0].labels
    assert labels.candidate_units + labels.control_units == 600
    rates = labels.candidate_bad / labels.candidate_units, labels.control_bad / labels.control_units
    assert rates == (pytest.approx(0.1, abs=0.12), pytest.approx(0.1, abs=0.04))


def test_sounds_that_change_between_the_steps_are_no_drift_of_the_model() -> None:
    def answers(rng: np.random.Generator, stage: int) -> tuple[str, str]:
        said = "rain" if rng.random() < (0.95 if stage == 1 else 0.05) else "fox"
        return said, said

    rollout = a_rollout(policy={"steps": [5, 10, 25, 50, 100]})
    ramp = [split_arms(rollout, percent) for percent in (5, 10, 25, 50)]
    evidence = seen(rollout, ramp, answers, sensors=3_000, rounds=1, seed=1)
    health = check_health(rollout, evidence)
    assert not health.trips
    (drift,) = (check for check in health.checks if check.name == "label_drift")
    assert drift.figures["log_e"] < 3  # it trips at 10


def test_shares_that_rise_do_not_make_a_candidate_look_better() -> None:
    """What an arm takes over was labelled before, and what was wrong of it counts where it was answered."""
    rollout = a_rollout(strategy="thompson", policy={"steps": [20]})
    shares = (2_000, 6_000, 9_000)
    stages = [weighted_arms(rollout, {"candidate": share}, control=1_000) for share in shares]
    evidence = seen(rollout, stages, tenth_wrong, sensors=1_500, rounds=2, seed=3)
    labels = evidence.candidates[0].labels
    assert labels.candidate_bad / labels.candidate_units == pytest.approx(
        labels.control_bad / labels.control_units, abs=0.06
    )
    verdict = load_strategy("thompson").decide(replace(rollout, stage=3), evidence, check_health(rollout, evidence))
    assert verdict.action == "advance", verdict


@pytest.mark.parametrize("seed", range(3))
def test_labels_come_alike_for_two_candidates_whose_shares_go_up_and_down(seed: int) -> None:
    second = replace(NEW, version="9", digest="9" * 64)
    rollout = a_rollout(
        strategy="thompson", policy={"steps": [20]}, candidates={"candidate": NEW, "candidate-2": second}
    )
    shares = [(1_000, 1_000), (8_500, 500), (500, 8_500), (4_000, 4_000), (9_000, 500), (500, 500)]
    stages = [weighted_arms(rollout, {"candidate": one, "candidate-2": two}, control=500) for one, two in shares]
    evidence = seen(rollout, stages, tenth_wrong, sensors=1_500, rounds=1, seed=seed)
    found = states(rollout, evidence)
    assert (found["labels"], found["labels:candidate-2"]) == ("healthy", "healthy")
    assert not check_health(rollout, evidence).trips
