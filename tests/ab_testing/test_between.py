"""Between rollouts the leader tidies up, and no leader that was replaced writes anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from rollout_kit import a_rollout, an_exposure
from rollout_world import RolloutWorld
from sqlalchemy import func, select

from ab_testing.steering import Steering
from ab_testing.verdicts import Verdict
from ecosight.errors import Conflict
from ecosight.state.leadership import Leadership
from ecosight.state.schema import exposures


def kept(site: RolloutWorld) -> int:
    with site.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(exposures)).scalar_one())


def write(site: RolloutWorld, number: int, *, days_ago: float, first: int = 0, **more: Any) -> None:
    at = site.clock.now() - timedelta(days=days_ago)
    for n in range(first, first + number):
        site.log.append(an_exposure(n, at=at, **more))
    site.log.flush()


def test_old_exposures_go_once_an_hour_and_young_ones_stay(site: RolloutWorld) -> None:
    site.leader = site.controller("tidy", keep_exposures_days=7)
    write(site, 20, days_ago=8)
    write(site, 10, days_ago=6, first=100)
    site.second()
    assert kept(site) == 10
    write(site, 5, days_ago=8, first=200)
    site.second()
    assert kept(site) == 15
    site.clock.advance(3600)
    site.second()
    assert kept(site) == 10


def test_a_long_backlog_is_deleted_in_several_looks(site: RolloutWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ab_testing.between.PRUNE_ROWS", 10)
    monkeypatch.setattr("ecosight.state.exposures.PRUNE_ROWS", 10)
    write(site, 25, days_ago=40)
    left = []
    for _ in range(4):
        site.second()
        left.append(kept(site))
    assert left == [15, 5, 0, 0]


def test_nothing_is_deleted_while_a_rollout_runs_and_the_routing_history_stays_for_good(site: RolloutWorld) -> None:
    write(site, 20, days_ago=400)
    site.service.start(candidate="2", actor="ann")
    site.seconds(3)
    assert kept(site) == 20
    site.service.abort(actor="ann")
    epochs = [each.epoch for each in site.routings.history()]
    site.clock.advance(400 * 86_400)
    site.seconds(2)
    assert kept(site) == 0
    assert [each.epoch for each in site.routings.history()][: len(epochs)] == epochs


def test_a_leader_that_was_replaced_records_no_decision(site: RolloutWorld) -> None:
    rollout = a_rollout()
    site.rollouts.add(rollout)
    fence = Leadership(site.database, "rollouts", "old", site.clock, ttl_s=0.0).try_lead()
    assert fence is not None
    site.clock.advance(1)
    assert Leadership(site.database, "rollouts", "new", site.clock, ttl_s=0.0).try_lead() is not None
    steering = Steering(site.rollouts, site.routings, site.clock)
    with pytest.raises(Conflict, match="leads"):
        steering.record(rollout, 1, None, Verdict(action="hold", reason="late"), fence)
    assert site.rollouts.decisions(rollout.id) == []
