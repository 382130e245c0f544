"""Every strategy from its start to its end, through the controller: clients ask, evidence grows, weights move."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rollout_kit import NEW, OLD
from rollout_world import RolloutWorld

from ecosight.errors import InvalidInput, Refused
from ecosight.rollouts import BUCKETS
from ecosight.values import ModelRef
from pipeline.rollouts_told import overview_lines

QUICK = {"min_units": 30, "min_step_s": 0, "reference_requests": 20}


def start(site: RolloutWorld, strategy: str, **policy: Any) -> None:
    site.service.start(candidate="2", strategy=strategy, policy={**QUICK, **policy}, actor="ann")


def cannot_say(site: RolloutWorld) -> str:
    return " ".join(site.records.overview()["cannot_say_yet"])


def test_a_canary_goes_up_its_steps_also_where_the_same_sensors_ask_again_and_again(site: RolloutWorld) -> None:
    start(site, "canary", steps=[10, 25, 50, 100])
    sensors = [f"sensor-{number}" for number in range(800)]
    site.seconds(30, sensors, until=site.is_in("promoted"))
    assert list(dict.fromkeys(site.percents()[:-1])) == [0, 10, 25, 50, 100]
    assert site.aliases.named["champion"] == NEW
    assert cannot_say(site) == ""  # it is over
    assert site.replays()


def test_a_step_that_needs_a_word_is_taken_once_a_person_goes_on(site: RolloutWorld) -> None:
    start(site, "canary", steps=[20, 50, 100], pause_at=[1, 3])
    site.seconds(20, 50, until=site.is_in("paused"))
    assert site.rollout.stage == 0
    assert site.answered["candidate"] == 0
    assert "before step 1" in site.rollout.outcome
    site.service.resume(actor="ann")
    site.seconds(40, 50, until=site.is_in("paused"))
    assert site.rollout.stage == 2
    site.service.resume(actor="ann")
    site.seconds(40, 50, until=site.is_in("promoted"))
    assert site.replays()


def test_blue_green_switches_everything_and_keeps_blue_warm_for_the_way_back(site: RolloutWorld) -> None:
    start(site, "blue-green", rollback_window_s=120)
    site.seconds(20, 50, until=site.is_in("running", stage=1))
    site.second(50)
    assert {arm.name: arm.weight for arm in site.routing.arms} == {"champion": 0, "candidate": BUCKETS, "control": 0}
    assert site.routing.arms[0].model == OLD  # every server holds it still
    site.seconds(20, 50, until=site.is_in("promoted"))
    assert site.percents()[0] == 0
    assert site.routing.arms[0].model == NEW
    assert site.routing.standby == (OLD,)
    site.seconds(60)
    assert site.routing.standby == (OLD,)  # within the window
    site.service.roll_back(actor="ann", why="foxes look wrong")
    site.seconds(5, until=site.is_in("rolled_back"))
    assert site.routing.arms[0].model == OLD
    assert site.aliases.named["champion"] == OLD
    assert site.incidents.list()[0].model == NEW


def test_after_the_window_blue_is_let_go(site: RolloutWorld) -> None:
    start(site, "blue-green", rollback_window_s=20)
    site.seconds(60, 50, until=site.is_in("promoted"))
    site.seconds(25)
    assert (site.routing.rollout_id, site.routing.standby) == ("", ())
    assert site.routing.arms[0].model == NEW


def test_a_green_that_fails_for_most_is_switched_back(site: RolloutWorld) -> None:
    start(site, "blue-green", min_units=1000)
    site.seconds(20, 50, until=site.is_in("running", stage=1))
    site.behaviour[NEW.digest].fails = 0.9
    site.seconds(10, 50, until=site.is_in("rolled_back"))
    assert site.routing.arms[0].model == OLD
    assert site.replays()


def test_a_green_that_fails_for_many_is_switched_back_though_nobody_answers_beside_it(site: RolloutWorld) -> None:
    start(site, "blue-green", min_units=500)
    site.seconds(20, 50, until=site.is_in("running", stage=1))
    site.behaviour[NEW.digest].fails = 0.2
    site.seconds(20, 50, until=site.is_in("rolled_back"))
    assert "of the requests of" in site.rollout.outcome
    assert site.routing.arms[0].model == OLD
    assert site.replays()


def test_a_shadow_meets_no_client_and_tells_how_many_labels_it_needs(site: RolloutWorld) -> None:
    site.behaviour[NEW.digest].wrong = 0.02
    site.behaviour[OLD.digest].wrong = 0.1
    start(site, "shadow")
    site.seconds(5, 50, until=site.is_in("running"))  # there is no control to measure, so nothing is waited for
    site.seconds(65, 20)  # what only holds on is recorded once a minute
    assert set(site.answered) <= {"champion"}
    verdict = site.records.overview()["verdict"]
    gate, errors = verdict["gates"]
    assert errors["passed"]
    assert gate["figures"]["pairs"] > 500
    assert 0 < gate["figures"]["disagreed"] < 0.3 * gate["figures"]["pairs"]
    assert "label" in cannot_say(site)
    assert "both arms" not in cannot_say(site)  # nobody will ever be answered by it
    site.label_rate = 1.0
    site.seconds(200, 50, until=site.is_in("paused"))
    assert "a person decides" in site.rollout.outcome
    site.service.promote(actor="ann")
    site.seconds(5, until=site.is_in("promoted"))
    assert site.aliases.named["champion"] == NEW
    assert site.replays()


def test_a_challenger_that_came_meanwhile_still_waits_when_the_rollout_is_over(site: RolloutWorld) -> None:
    newer = ModelRef(name=NEW.name, version="3", digest="c" * 64)
    start(site, "shadow")
    site.seconds(5, 20, until=site.is_in("running"))
    site.aliases.set_alias("challenger", newer)
    site.service.promote(actor="ann")
    site.seconds(5, until=site.is_in("promoted"))
    assert (site.aliases.named["champion"], site.aliases.named["challenger"]) == (NEW, newer)


def test_a_shadow_that_is_worse_is_told_and_the_longest_time_holds_for_it_too(site: RolloutWorld) -> None:
    site.label_rate, site.behaviour[NEW.digest].wrong = 1.0, 0.4
    start(site, "shadow")
    site.seconds(60, 50, until=site.is_in("paused"))
    assert "worse" in site.rollout.outcome
    site.service.abort(actor="ann")
    site.label_rate = 0.0
    start(site, "shadow", max_duration_s=10)
    site.seconds(20, 50, until=site.is_in("paused"))
    assert "longer than the policy allows" in site.rollout.outcome


def test_a_shadow_that_fails_requests_is_not_said_to_be_as_good_and_its_failures_are_told(site: RolloutWorld) -> None:
    site.label_rate, site.behaviour[NEW.digest].fails = 1.0, 0.2
    start(site, "shadow")
    site.seconds(65, 20)  # what only holds on is recorded once a minute
    assert site.rollout.state == "running"
    assert "fewer failures" in site.records.overview()["verdict"]["reason"]
    assert "it failed" in cannot_say(site)
    page = "\n".join(overview_lines(site.records.overview()))
    assert re.search(r"copies to candidate: [\d,]+ answered, .* failed", page), page
    assert "candidate errors" not in page
    assert site.replays()


def test_thompson_sampling_waits_for_labels_then_gives_more_to_the_better_arm(site: RolloutWorld) -> None:
    site.behaviour[OLD.digest].wrong, site.behaviour[NEW.digest].wrong = 0.3, 0.02
    start(site, "thompson", steps=[20], min_step_s=5)
    site.seconds(20, 50, until=site.is_in("running", stage=1))
    site.seconds(15, 50)
    assert site.rollout.stage == 1  # without a label nothing is known to be better
    assert "labelled keys" in cannot_say(site)
    site.label_rate = 0.5
    site.seconds(40, 50)
    assert site.rollout.stage >= 3
    assert site.percents()[-1] > 80
    assert site.percents()[-1] <= 95  # the champion keeps a share to be compared with
    assert site.replays()


def test_thompson_sampling_takes_back_what_becomes_slow_after_most_keys_are_its_own(site: RolloutWorld) -> None:
    site.label_rate, site.behaviour[OLD.digest].wrong = 0.5, 0.3
    start(site, "thompson", steps=[20], min_step_s=5)
    site.seconds(60, 50, until=lambda: max(site.percents(), default=0) > 80)
    assert 5 <= site.percents("control")[-1] < 6
    site.behaviour[NEW.digest].slower = 3.0
    site.seconds(120, 50, until=site.is_in("rolled_back"))
    assert "latency" in site.rollout.outcome
    assert site.replays()


def test_equal_models_under_thompson_sampling_stay_though_the_same_keys_ask_again_and_again(site: RolloutWorld) -> None:
    site.label_rate = 0.2
    start(site, "thompson", steps=[20], min_step_s=5)
    sensors = [f"sensor-{n}" for n in range(200)]
    for _ in range(120):
        site.second(site.rng.choice(sensors, 50))
    assert site.rollout.state == "running"
    assert site.rollout.stage > 10
    assert len(set(site.percents())) > 5  # the shares went up and down


def test_thompson_sampling_stops_after_its_longest_time_and_at_its_budget(site: RolloutWorld) -> None:
    site.label_rate = 0.5
    start(site, "thompson", steps=[20], min_step_s=5, max_exposed_keys=100)
    site.seconds(60, 50, until=site.is_in("paused"))
    assert site.percents()[-1] == 0
    site.service.resume(actor="ann", policy={"max_exposed_keys": 100_000, "max_duration_s": 1.0})
    site.seconds(3, 50, until=site.is_in("paused"))
    assert "longer" in site.rollout.outcome
    assert site.replays()


def test_a_fixed_split_stays_as_it_is_until_its_planned_number_and_then_asks_a_person(site: RolloutWorld) -> None:
    site.label_rate = 0.5
    start(site, "fixed", steps=[30], min_units=400)
    site.seconds(20, 50, until=site.is_in("running", stage=1))
    site.seconds(10, 50)
    assert site.rollout.state == "running"
    assert "more keys for candidate" in cannot_say(site)
    site.seconds(120, 50, until=site.is_in("paused"))
    assert site.answered["candidate"] >= 400
    assert set(site.percents()) == {0, 30}
    assert "a person decides" in site.rollout.outcome
    site.service.promote(actor="ann")
    site.seconds(5, until=site.is_in("promoted"))
    assert site.replays()


def test_thompson_sampling_asks_a_person_where_the_policy_says_so_and_goes_on_when_told(site: RolloutWorld) -> None:
    site.label_rate = 1.0
    start(site, "thompson", steps=[20], min_step_s=2, pause_at=[2])
    site.seconds(30, 50, until=site.is_in("paused"))
    assert (site.rollout.stage, site.rollout.paused_for) == (1, "agreement")
    site.service.resume(actor="ann")
    site.seconds(20, 50, until=site.is_in("running", stage=3))
    assert site.replays()


def test_thompson_sampling_without_anybody_beside_the_candidate_is_not_begun(site: RolloutWorld) -> None:
    with pytest.raises(InvalidInput, match="at no step does the champion answer"):
        start(site, "thompson", steps=[100])


def test_a_limit_that_is_exceeded_already_is_refused_on_the_way(site: RolloutWorld) -> None:
    start(site, "canary", steps=[50, 100], min_step_s=600)
    site.seconds(40, 50, until=site.is_in("running", stage=1))
    site.seconds(5, 50)
    site.service.pause(actor="ann")
    with pytest.raises(Refused, match="blast radius is spent"):
        site.service.resume(actor="ann", policy={"max_exposed_keys": 10})
    assert site.rollout.state == "paused"
