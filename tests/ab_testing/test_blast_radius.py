"""A spent blast radius: the candidate meets nobody more until a person knowingly allows it."""

from __future__ import annotations

from typing import Any

import pytest
from rollout_kit import NEW
from rollout_world import RolloutWorld

from ab_testing.plan import WITHHELD_STAGE
from ecosight.errors import Refused
from ecosight.rollouts import BUCKETS

POLICY = {"steps": [50, 100], "min_units": 10_000, "min_step_s": 0, "reference_requests": 0}


def spent(site: RolloutWorld, **policy: Any) -> None:
    site.service.start(candidate="2", policy={**POLICY, **policy}, actor="ann")
    site.seconds(40, 20, until=site.is_in("paused"))


def test_a_spent_budget_takes_the_candidates_clients_away_at_once(site: RolloutWorld) -> None:
    spent(site, max_exposed_keys=50)
    met = site.answered["candidate"]
    assert 50 < met <= 80  # looked at once a second
    weights = {arm.name: arm.weight for arm in site.routing.arms}
    assert weights == {"champion": BUCKETS - 5_000, "candidate": 0, "control": 5_000}
    assert site.routing.stage == WITHHELD_STAGE + 1
    site.seconds(30, 20)
    assert site.answered["candidate"] == met
    assert site.rollout.state == "paused"
    overview = site.records.overview()
    assert "more than 50 keys were exposed" in overview["rollout"]["outcome"]
    assert overview["rollout"]["paused_for"] == "budget"
    pause = next(each for each in site.rollouts.decisions(site.rollout.id) if each.action == "pause")
    assert "more than 50 keys were exposed" in pause.verdict["reason"]
    assert site.replays()


def test_bad_answers_are_a_budget_too(site: RolloutWorld) -> None:
    site.behaviour[NEW.digest].fails = 0.1
    spent(site, max_bad_answers=2)
    assert "met a bad answer" in site.rollout.outcome
    assert site.percents()[-1] == 0


def test_going_on_needs_a_higher_limit_and_that_is_a_limit_again(site: RolloutWorld) -> None:
    spent(site, max_exposed_keys=50)
    met = site.answered["candidate"]
    with pytest.raises(Refused, match="of 50 exposed keys") as refused:
        site.service.resume(actor="ann")
    assert "ecosight rollout resume --policy max_exposed_keys=" in refused.value.hint
    with pytest.raises(Refused):
        site.service.resume(actor="ann", policy={"max_exposed_keys": met - 1})
    with pytest.raises(Refused, match="min_units cannot change"):
        site.service.resume(actor="ann", policy={"max_exposed_keys": 200, "min_units": 1})
    site.service.resume(actor="ann", policy={"max_exposed_keys": 120})
    site.second(20)
    assert site.percents()[-1] == 50
    site.seconds(60, 20, until=site.is_in("paused"))
    assert 120 < site.answered["candidate"] <= 160
    assert site.percents()[-1] == 0
    site.service.resume(actor="ann", policy={"max_exposed_keys": None})
    site.seconds(20, 20)
    assert site.rollout.state == "running"
    assert site.replays()


def test_a_rollout_that_a_person_paused_keeps_within_its_budget(site: RolloutWorld) -> None:
    site.service.start(candidate="2", policy={**POLICY, "max_exposed_keys": 100}, actor="ann")
    site.seconds(5, 20)
    site.service.pause(actor="ann", why="lunch")
    site.seconds(30, 20)
    assert 100 < site.answered["candidate"] <= 130
    assert site.rollout.paused_for == "budget"
    assert site.replays()


def test_keys_count_where_nobody_is_left_to_compare_with(site: RolloutWorld) -> None:
    site.service.start(
        candidate="2",
        strategy="blue-green",
        policy={**POLICY, "max_exposed_keys": 200, "max_bad_answers": None},
        actor="ann",
    )
    site.seconds(40, 20, until=site.is_in("paused"))
    assert site.rollout.paused_for == "budget"
    assert 200 < site.answered["candidate"] <= 240
    assert site.percents("champion")[-1] == 100


def test_a_trip_takes_back_a_candidate_that_meets_nobody(site: RolloutWorld) -> None:
    spent(site, max_exposed_keys=50)
    site.arms["candidate"] = {"crashed_at": [site.clock.now().isoformat()] * 3}
    site.seconds(5, 20, until=site.is_in("rolled_back"))
    assert site.replays()


def test_clients_that_return_after_a_pause_break_no_split(site: RolloutWorld) -> None:
    sensors = [f"sensor-{number}" for number in range(400)]
    site.service.start(candidate="2", policy={**POLICY, "steps": [10, 20, 100], "max_exposed_keys": 15}, actor="ann")
    site.seconds(10, sensors, until=site.is_in("paused"))
    site.seconds(5, sensors)
    site.service.resume(actor="ann", policy={"max_exposed_keys": 10_000})
    site.seconds(5, sensors)
    assert site.rollout.state == "running"
    evidence = site.records.overview()["evidence"]
    assert sum(sum(stage["counts"]) for stage in evidence["assigned"]["stages"]) == len(sensors)
