"""How a candidate goes back: at once, or down by degrees where its policy or a person says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rollout_kit import NEW, OLD
from rollout_world import RolloutWorld

from ab_testing.service import RolloutService
from ecosight.errors import Conflict, Refused

HALF = {
    "steps": [10, 25, 50, 100],
    "pause_at": [4],
    "min_units": 0,
    "min_step_s": 0,
    "reference_requests": 0,
    "rollback_step_s": 30,
}


def at_half(site: RolloutWorld, **policy: Any) -> None:
    """A rollout that waits at 50 percent, healthy so far."""
    site.service.start(candidate="2", policy={**HALF, **policy}, actor="ann")
    site.seconds(20, 20, until=site.is_in("paused", stage=3))
    assert site.percents()[-1] == 50


def is_back(site: RolloutWorld) -> None:
    assert site.rollout.state == "rolled_back"
    assert [(arm.model, arm.weight) for arm in site.routing.arms] == [(OLD, 10_000)]
    assert site.aliases.named["champion"] == OLD
    (incident,) = site.incidents.list()
    assert incident.closed_at is not None
    assert site.replays()


@pytest.mark.parametrize(
    ("policy", "percents"),
    [
        ({"rollback_ramp": "immediate"}, [50, 0]),
        ({"rollback_ramp": "canary"}, [50, 25, 10, 0]),
        ({"rollback_ramp": "gradual", "rollback_parts": 5}, [50, 40, 30, 20, 10, 0]),
    ],
)
def test_a_soft_trip_takes_the_candidate_back_as_its_policy_says(
    site: RolloutWorld, policy: dict[str, Any], percents: list[float]
) -> None:
    at_half(site, **policy)
    site.behaviour[NEW.digest].fails = 0.3
    site.seconds(30, 50, until=site.is_in("rolling_back", "rolled_back"))
    began = site.clock.monotonic()
    site.behaviour[NEW.digest].fails = 0.1  # far from a hard trip, also in the few requests of a quiet minute
    site.seconds(400, 5, until=site.is_in("rolled_back"))
    assert site.percents()[-len(percents) :] == percents
    assert site.percents("control")[-len(percents) :] == percents  # the control goes down beside it
    steps = len(percents) - 2
    assert site.clock.monotonic() - began == pytest.approx(30 * steps, abs=2 + steps)
    assert site.incidents.list()[0].trigger["kind"] == "soft"
    is_back(site)


def test_a_hard_trip_is_immediate_whatever_the_policy_says(site: RolloutWorld) -> None:
    at_half(site, rollback_ramp="gradual")
    site.behaviour[NEW.digest].fails = 1.0
    site.arms["candidate"] = {"non_finite": 3}
    site.second(50)
    assert site.percents()[-2:] == [50, 0]
    site.seconds(5, until=site.is_in("rolled_back"))
    is_back(site)


def test_a_hard_trip_on_the_way_back_takes_the_rest_of_it_at_once(site: RolloutWorld) -> None:
    at_half(site, rollback_ramp="canary")
    site.behaviour[NEW.digest].fails = 0.3
    site.seconds(30, 50, until=site.is_in("rolling_back"))
    site.seconds(3, 10)
    assert site.percents()[-1] == 25
    assert site.rollout.way_back["percents"] == [25, 10, 0]
    site.arms["candidate"] = {"crashed_at": [site.clock.now().isoformat()] * 3}
    site.second(10)
    assert site.percents()[-2:] == [25, 0]
    site.seconds(5, until=site.is_in("rolled_back"))
    decided = [
        each.verdict["reason"] for each in site.rollouts.decisions(site.rollout.id) if each.action == "roll_back"
    ]
    assert "crashes" in decided[0]
    assert "at once" in decided[0]
    is_back(site)


def test_a_person_takes_back_at_once_also_what_goes_back_by_degrees(site: RolloutWorld) -> None:
    at_half(site, rollback_ramp="canary")
    site.service.roll_back(actor="ann", by_degrees=True)
    site.seconds(3)
    assert site.percents()[-1] == 25
    assert site.service.roll_back(actor="bob", by_degrees=True).way_back  # asked for twice, it stays as it is
    site.service.roll_back(actor="bob", why="it cannot wait")
    assert site.percents()[-1] == 0  # nobody waits for a look of the controller
    site.seconds(5, until=site.is_in("rolled_back"))
    is_back(site)
    assert site.incidents.list()[0].trigger["observed"].startswith("ann")


def test_a_person_may_ask_for_degrees_where_the_policy_has_none(site: RolloutWorld) -> None:
    at_half(site, rollback_parts=2)
    site.service.roll_back(actor="ann", by_degrees=True)
    site.seconds(100, until=site.is_in("rolled_back"))
    assert site.percents()[-3:] == [50, 25, 0]
    assert site.incidents.list()[0].trigger["kind"] == "manual"
    is_back_without_evidence(site)


def test_a_leader_that_takes_over_goes_on_where_the_rows_show(site: RolloutWorld) -> None:
    at_half(site, rollback_ramp="gradual", rollback_parts=5)
    site.service.roll_back(actor="ann", by_degrees=True)
    for number in range(200):
        if site.rollout.finished:
            break
        site.leader = site.controller(f"heir-{number}")
        site.second()
    assert site.percents()[-6:] == [50, 40, 30, 20, 10, 0]
    steps = [step["step"] for step in site.incidents.list()[0].steps]
    assert steps == ["detect", "stop", *["restore"] * 5, "verify", "alert", "report"]
    is_back_without_evidence(site)


def test_nothing_goes_back_by_degrees_where_no_candidate_answers_beside_the_champion(site: RolloutWorld) -> None:
    with pytest.raises(Refused, match="beside the champion"):
        site.service.roll_back(actor="ann", by_degrees=True)
    site.service.start(candidate="2", policy=HALF, actor="ann")
    site.second()
    assert not site.service.roll_back(actor="ann", by_degrees=True).way_back  # no client meets it yet
    site.seconds(5, until=site.is_in("rolled_back"))


def test_two_that_take_back_by_degrees_at_once_leave_one_way_back(site: RolloutWorld) -> None:
    at_half(site, rollback_ramp="canary")
    service: RolloutService = site.service
    service.roll_back(actor="ann", by_degrees=True)
    one, two = site.controller("one"), site.controller("two")
    for _ in range(80):
        for site.leader in (one, two):
            try:
                site.second()
            except Conflict:
                continue
    assert site.percents()[-4:] == [50, 25, 10, 0]
    is_back_without_evidence(site)


class Died(BaseException):
    """kill -9, as far as a test within one process can have it."""


class Fuse:
    """Dies at the n-th call of anything that it guards, before the call or just after it."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.at, self.after, self.calls = at, after, 0

    def guard(self, part: Any) -> Any:
        fuse = self

        class Guarded:
            def __getattr__(self, name: str) -> Any:
                return lambda *args, **more: fuse.burn(lambda: getattr(part, name)(*args, **more))

        return Guarded()

    def burn(self, call: Callable[[], Any]) -> Any:
        self.calls += 1
        if self.calls == self.at and not self.after:
            raise Died
        done = call()
        if self.calls == self.at:
            raise Died
        return done


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_the_way_back_is_gone_to_its_end_wherever_a_leader_dies(site: RolloutWorld, after: bool) -> None:
    deaths = 0
    for point in range(1, 500):
        site.leader = site.controller(f"up-{point}")
        at_half(site, rollback_parts=2, rollback_step_s=2)
        site.service.roll_back(actor="ann", by_degrees=True)
        site.leader = site.controller(f"mortal-{point}", Fuse(point, after=after).guard)
        try:
            site.seconds(12, 5)
        except Died:
            deaths += 1
        survived = deaths < point
        site.leader = site.controller(f"heir-{point}")
        site.seconds(12, 5, until=site.is_in("rolled_back"))
        assert site.percents()[-3:] == [50, 25, 0], point
        is_back_without_evidence(site)
        incident = site.incidents.list(1)[0]
        steps = [step["step"] for step in incident.steps]
        assert steps == ["detect", "stop", "restore", "restore", "verify", "alert", "report"], point
        site.incidents.unlatch(incident.id, by="ann")
        if survived:
            break
    assert deaths == point - 1 > 30


def is_back_without_evidence(site: RolloutWorld) -> None:
    assert site.rollout.state == "rolled_back"
    assert [(arm.model, arm.weight) for arm in site.routing.arms] == [(OLD, 10_000)]


def test_the_report_counts_all_harm_also_of_the_last_minute_and_beside_nobody(site: RolloutWorld) -> None:
    policy = {"steps": [100], "min_units": 10_000, "reference_requests": 20, "reference_max_s": 5}
    site.service.start(candidate="2", policy={**policy, "auto_rollback": False}, actor="ann")
    site.seconds(20, 20, until=site.is_in("running", stage=1))
    site.behaviour[NEW.digest].fails, site.behaviour[NEW.digest].wrong, site.label_rate = 0.5, 1.0, 1.0
    site.seconds(6, 40)  # in the first of them nobody is given to it yet
    site.service.roll_back(actor="bob")
    site.seconds(5, until=site.is_in("rolled_back"))
    exposure = site.incidents.list(1)[0].report["exposure"]
    assert exposure["keys"] == 200
    assert 60 < exposure["failed_keys"] < 140
    assert exposure["wrong_keys"] == exposure["keys"] - exposure["failed_keys"]
