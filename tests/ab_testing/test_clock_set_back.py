"""A clock that is set back by an hour costs a rollout no hour: steps, silence and records go by the clock as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from rollout_kit import BEGAN, NEW, a_rollout, a_routing, an_exposure
from rollout_world import RolloutWorld

from ab_testing.folding import EvidenceFold
from ab_testing.moments import moment_asked_for
from ecosight.clock import iso
from ecosight.rollouts import ServerReport

AN_HOUR = 3_600.0
QUICK: dict[str, Any] = {"steps": [20, 100], "min_units": 5, "min_step_s": 5, "reference_requests": 20}


def test_a_step_lasts_no_hour_longer(site: RolloutWorld) -> None:
    site.service.start(candidate="2", policy=QUICK, actor="ann")
    site.seconds(20, 20, until=site.is_in("running", stage=1))
    site.clock.jump(-AN_HOUR)
    site.seconds(12, 20, until=site.is_in("running", stage=2))
    assert all(each.evidence["stage_age_s"] >= 0 for each in site.rollouts.decisions(site.rollout.id) if each.evidence)
    assert site.replays()


def test_the_reference_window_ends_though_nobody_asks(site: RolloutWorld) -> None:
    site.service.start(candidate="2", policy={**QUICK, "reference_max_s": 5}, actor="ann")
    site.second()
    site.clock.jump(-AN_HOUR)
    site.seconds(10, until=site.is_in("running"))


def test_the_longest_time_counts_on(site: RolloutWorld) -> None:
    site.service.start(candidate="2", policy={**QUICK, "reference_requests": 0, "max_duration_s": 30}, actor="ann")
    site.seconds(5, until=site.is_in("running"))
    site.clock.jump(-AN_HOUR)
    site.seconds(40, until=site.is_in("paused"))


def test_silence_is_seen_and_recorded(site: RolloutWorld) -> None:
    site.service.start(candidate="2", policy={**QUICK, "min_units": 10_000, "no_data_s": 20}, actor="ann")
    site.seconds(20, 20, until=site.is_in("running", stage=1))
    site.seconds(2, 20)
    site.clock.jump(-AN_HOUR)
    site.seconds(90)
    last = site.rollouts.decisions(site.rollout.id, 1)[0]
    assert last.verdict["health"]["state"] == "no_data"
    assert (site.clock.now() - last.at).total_seconds() <= 60


def test_what_was_before_is_not_of_the_last_minute(site: RolloutWorld) -> None:
    """Else an hour of good answers would hide that all fail now, and old crashes would count as new ones."""
    fold = EvidenceFold(a_rollout())
    fold.set_routings([a_routing(1, champion=8_000, candidate=1_000, control=1_000)])
    back = BEGAN - timedelta(seconds=AN_HOUR)
    fold.add(an_exposure(number, at=BEGAN - timedelta(seconds=number)) for number in range(30, 40))
    fold.add(an_exposure(number, at=back, fault="error") for number in range(40, 46))
    crashes = [(BEGAN - timedelta(minutes=each)).isoformat() for each in (3, 6, 9)]
    arms = {"candidate": {"state": "ready", "crashed_at": crashes}}
    server = ServerReport(
        server_id="s", host="h", pid=1, started_at=BEGAN, seen_at=back, epoch=2, loaded={NEW.digest: "ready"}, arms=arms
    )
    found = fold.snapshot(back + timedelta(seconds=1), [server], epoch=2).candidates[0]
    assert (found.recent_requests, found.recent_faults) == (6, 6)
    assert min(found.crashes_s_ago) > AN_HOUR / 2


def test_an_abort_whose_command_died_is_finished(site: RolloutWorld) -> None:
    site.service.start(candidate="2", policy=QUICK, actor="ann")
    site.seconds(20, 20, until=site.is_in("running", stage=1))
    row = site.rollout
    ended: dict[str, Any] = {"state": "aborted", "finished_at": site.clock.now()}
    site.rollouts.save(replace(row, **ended), row.revision)
    site.clock.jump(-AN_HOUR)
    site.second()
    assert site.routing.arm("candidate") is None


def test_who_answers_now_is_known_at_once(site: RolloutWorld) -> None:
    site.service.start(candidate="2", policy=QUICK, actor="ann")
    site.seconds(20, 20, until=site.is_in("running", stage=1))
    site.clock.jump(-AN_HOUR)
    told = site.service.live_at(moment_asked_for(" Now", site.clock.now()), "key-1")
    assert (told["routing"]["epoch"], told["at"]) == (site.routing.epoch, iso(site.clock.now()))
