"""A candidate that goes bad after hours beside the control is found within minutes, whoever asks again and again.

Four hundred sensors send a clip every minute, some of them fail a lot, and half of the truths are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pytest
from rollout_kit import BEGAN, a_rollout, an_exposure

from ab_testing.evidence import Evidence
from ab_testing.folding import EvidenceFold
from ab_testing.router import Router
from ab_testing.strategies.base import split_arms
from ecosight.rollouts import CANDIDATE, Exposure, Rollout, Routing
from rollback.triggers import check_health

SENSORS, EVERY_S, PERCENT = 400, 60.0, 20
MEDIAN_MS, SIGMA = 20.0, 0.5
USUAL_P99_MS = MEDIAN_MS * float(np.exp(2.326 * SIGMA))


@dataclass(frozen=True)
class Harm:
    """What a candidate does from some moment on."""

    failing: float = 0.0
    slower: float = 1.0
    wrong: float = 0.0


HARMS = {"errors": Harm(failing=0.2), "latency": Harm(slower=2.0), "accuracy": Harm(wrong=0.7)}


def looks(seed: int, *, hours: float, harm: Harm, minutes: int) -> Iterator[tuple[Rollout, Evidence]]:
    """What is known at each minute after so many hours without harm."""
    rollout = a_rollout(threshold_ms=USUAL_P99_MS, median_ms=MEDIAN_MS, policy={"steps": [PERCENT, 100]})
    arms = tuple(split_arms(rollout, PERCENT))
    routing = Routing(
        epoch=2, arms=arms, made_at=BEGAN, actor="c", why="", salt=str(seed), rollout_id=rollout.id, stage=1
    )
    router, rng, fold = Router(routing), np.random.default_rng(seed), EvidenceFold(rollout)
    fold.set_routings([routing])
    intended = [router.assign(f"sensor-{n}").name for n in range(SENSORS)]
    failing = rng.beta(0.05, 9.95, SENSORS)  # half a percent in the middle, most never, some a tenth of the time
    rounds, quiet = int(hours * 3600 / EVERY_S + minutes * 60 / EVERY_S), int(hours * 3600 / EVERY_S)
    for turn in range(rounds):
        at = BEGAN + timedelta(seconds=EVERY_S * (turn + 1))
        exposures, truths = [], []
        for sensor, arm in enumerate(intended):
            does = harm if turn >= quiet and arm == CANDIDATE else Harm()
            number = turn * SENSORS + sensor
            exposure = _asked(number, sensor, arm, rng, max(failing[sensor], does.failing), does.slower)
            exposures.append(replace(exposure, at=at - timedelta(seconds=float(rng.uniform(0, EVERY_S)))))
            if rng.random() < 0.5:
                wrong = rng.random() < max(0.1, does.wrong)
                truths.append((exposure.prediction_id, "siren" if wrong else "dog_bark"))
        fold.add(exposures)
        fold.add_truths(truths)
        if turn >= quiet:
            yield rollout, fold.snapshot(at, [], epoch=2)


def _asked(number: int, sensor: int, arm: str, rng: np.random.Generator, failing: float, slower: float) -> Exposure:
    took = float(MEDIAN_MS * slower * np.exp(SIGMA * rng.standard_normal()))
    fault = "error" if rng.random() < failing else ""
    return an_exposure(number, arm, key=f"sensor-{sensor}", latency_ms=took, fault=fault)


def trips(rollout: Rollout, evidence: Evidence) -> set[str]:
    return {trip.name for trip in check_health(rollout, evidence).trips}


def without_late(evidence: Evidence) -> Evidence:
    return replace(evidence, candidates=tuple(replace(each, lately=()) for each in evidence.candidates))


@pytest.mark.parametrize("name", HARMS)
def test_what_goes_wrong_after_six_hours_is_found_within_minutes(name: str) -> None:
    found_after: dict[str, float] = {}
    for turn, (rollout, evidence) in enumerate(looks(1, hours=6.05, harm=HARMS[name], minutes=25)):
        assert Evidence.from_dict(evidence.as_dict()) == evidence
        for which, seen in {"with": evidence, "without": without_late(evidence)}.items():
            if name in trips(rollout, seen):
                found_after.setdefault(which, (turn + 1) * EVERY_S / 60)
    assert found_after["with"] <= 15
    assert found_after.get("without", np.inf) > found_after["with"]


@pytest.mark.parametrize(
    ("seeds", "hours"), [(1, 1), pytest.param(6, 6, marks=pytest.mark.slow)], ids=["an hour", "six hours"]
)
def test_equal_models_stay_beside_each_other_for_hours(seeds: int, hours: int) -> None:
    begun_anew = 0
    for seed in range(seeds):
        for rollout, evidence in looks(seed, hours=0, harm=Harm(), minutes=60 * hours):
            assert trips(rollout, evidence) == set()
        begun_anew = max(each.number for each in evidence.candidates[0].lately)
    assert begun_anew == 6 * hours - 1  # the first ten minutes are the whole's
