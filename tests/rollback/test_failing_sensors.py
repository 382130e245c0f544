"""Sensors ask once a minute, and some fail. What is not the candidate's fault does not take it back; what is, does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from rollout_kit import BEGAN, a_rollout, an_exposure

from ab_testing import plan
from ab_testing.folding import EvidenceFold
from ab_testing.router import Router
from ab_testing.strategies import load_strategy
from ecosight.rollouts import CANDIDATE, Exposure, Routing
from rollback.triggers import check_health


class Site:
    """A rollout by these steps, which its sensors ask minute by minute."""

    def __init__(self, seed: int, sensors: int, steps: tuple[int, ...] = (5, 10, 25, 50, 100)) -> None:
        self.rng, self.minute, self._number, self._sensors = np.random.default_rng(seed), 0, 0, sensors
        self._rollout = a_rollout(id=f"rollout-{seed}", stage=0, policy={"steps": steps})
        self.fold = EvidenceFold(self._rollout)
        self.advance()

    def advance(self) -> None:
        self._rollout = replace(self._rollout, stage=self._rollout.stage + 1, stage_since=self._now())
        self.fold.rollout = self._rollout
        wanted = plan.planned(self._rollout, load_strategy("canary"))
        self._routing = Routing(
            epoch=self._rollout.stage + 1,
            arms=wanted.arms,
            made_at=self._now(),
            actor="c",
            why="",
            rollout_id=wanted.rollout_id,
            salt=wanted.salt,
            stage=wanted.stage,
        )
        self._router = Router(self._routing)
        self.fold.set_routings([self._routing])

    def pass_minute(self, failing: float) -> None:
        """Each sensor asks once, and gets no answer with this probability, whoever was to answer."""
        asked = range(self._sensors)
        self.fold.add(self.ask(f"sensor-{n}", 60 * n / self._sensors, self.rng.random() < failing) for n in asked)
        self.minute += 1

    def ask(self, key: str, second: float, failed: bool) -> Exposure:
        self._number += 1
        return an_exposure(
            self._number,
            self._router.assign(key).name,
            key=key,
            rollout_id=self._rollout.id,
            stage=self._routing.stage,
            epoch=self._routing.epoch,
            at=self._now() + timedelta(seconds=second),
            fault="error" if failed else "",
        )

    def trips(self) -> list[str]:
        evidence = self.fold.snapshot(self._now(), [], epoch=self._routing.epoch)
        return [trip.name for trip in check_health(self._rollout, evidence).trips]

    def _now(self) -> datetime:
        return BEGAN + timedelta(minutes=self.minute)


@pytest.mark.parametrize("burst", [0.1, 0.2])
def test_errors_that_rise_for_all_when_the_candidate_has_just_got_more_sensors_are_not_its_fault(burst: float) -> None:
    site = Site(seed=1, sensors=600)
    for _ in range(3):
        for _ in range(10):
            site.pass_minute(failing=0.005)
        site.advance()
    for _ in range(30):
        site.pass_minute(failing=burst)
        assert site.trips() == []


@pytest.mark.parametrize("seed", range(6))
def test_a_site_where_a_tenth_of_all_requests_fails_takes_no_equal_model_back(seed: int) -> None:
    """However often one looks: the candidate's luck alone is beyond a fixed multiple of the control's now and then."""
    site = Site(seed=seed, sensors=300, steps=(25, 100))
    for _ in range(20):
        site.pass_minute(failing=0.1)
        assert site.trips() == []


def test_a_fifth_of_the_requests_failing_where_nobody_answers_beside_is_found_after_an_hour_without() -> None:
    site = Site(seed=1, sensors=400, steps=(50, 100))
    for _ in range(10):
        site.pass_minute(failing=0.002)
    site.advance()
    for _ in range(60):
        site.pass_minute(failing=0.002)
    assert site.trips() == []
    for _ in range(15):
        site.pass_minute(failing=0.2)
    assert site.trips() == ["error_ceiling"]


def test_one_broken_sensor_that_asks_all_the_time_takes_no_model_back() -> None:
    site = Site(seed=2, sensors=40, steps=(50, 100))
    broken = next(f"sensor-{n}" for n in range(40) if site.ask(f"sensor-{n}", 0, False).intended == CANDIDATE)
    for _ in range(5):
        site.fold.add([site.ask(broken, second, True) for second in range(60)])
        site.pass_minute(failing=0.0)
        evidence = site.fold.snapshot(BEGAN + timedelta(minutes=site.minute), [], epoch=2).candidates[0]
        assert evidence.recent_faults > evidence.recent_requests / 2
        assert site.trips() == []


def test_failures_that_are_told_an_hour_late_are_none_of_the_last_minute() -> None:
    site = Site(seed=3, sensors=200, steps=(50, 100))
    late = [site.ask(f"sensor-{n}", 0, n % 2 == 0) for n in range(60)]
    for _ in range(60):
        site.pass_minute(failing=0.0)
    site.fold.add(late)
    found = site.fold.snapshot(BEGAN + timedelta(minutes=60), [], epoch=2).candidates[0]
    assert found.recent_faults == 0


@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(days=400)])
def test_a_server_whose_clock_is_ahead_does_not_end_the_comparisons_under_way(ahead: timedelta) -> None:
    site = Site(seed=4, sensors=50, steps=(50, 100))
    site.pass_minute(failing=0.0)
    stray = site.ask("sensor-1", 0, False)
    site.fold.add([replace(stray, at=stray.at + ahead)])
    for _ in range(24):
        site.pass_minute(failing=0.0)
    lately = site.fold.snapshot(BEGAN + timedelta(minutes=25), [], epoch=2).candidates[0].lately
    assert [each.number for each in lately] == [1, 2]
    assert all(each.counts.errors.candidate_units > 10 for each in lately)
