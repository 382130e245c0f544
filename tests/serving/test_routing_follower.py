"""Following the routing: at once, through a database that goes away, and with an honest report."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from served_rollout import World
from sqlalchemy import text
from toy import installed
from waiting import wait_until

from ecosight.rollouts import CANDIDATE, CHAMPION, CONTROL
from serving import champion_probe


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    installed(monkeypatch)
    made = World(tmp_path)
    yield made
    made.stop()


def pids(world: World) -> list[int]:
    return [pid for pid in (arm.figures()["pid"] for arm in world.arms) if pid is not None]


def rename(world: World, old: str, new: str) -> None:
    with world.database.begin() as connection:
        connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


def test_the_first_request_finds_the_routing_that_was_there_before_and_arms_end_with_theirs(world: World) -> None:
    routing = world.canary(candidate=1000)
    world.start()
    assert world.epoch() == routing.epoch
    assert not world.follower.wait_for_arms(0.01)  # a process of its own takes longer to begin
    assert world.follower.wait_for_arms(30)
    assert world.arms[0].state == "ready"
    (pid,) = pids(world)
    world.route()
    wait_until(lambda: not psutil.pid_exists(pid), seconds=3)


def test_a_new_routing_is_followed_within_a_second(world: World) -> None:
    world.start()
    for weight in (0, 1000, 5000, 0):
        moved = world.canary(candidate=weight)
        wait_until(lambda epoch=moved.epoch: world.epoch() == epoch, seconds=1)
    assert len(world.arms) == 1  # only weights moved, so the process stays
    world.route()
    wait_until(lambda: world.follower.current is None, seconds=1)


def test_a_server_says_what_it_follows_and_has_loaded_so_that_others_may_rely_on_it(world: World) -> None:
    world.start()
    one, two, three = map(world.source.ref, "123")
    moved = world.route(
        world.arm(CHAMPION, "1", 9000), world.arm(CONTROL, "1", 1000, isolated=True), standby=[one, two, three]
    )
    wait_until(lambda: world.told().epoch == moved.epoch, seconds=2)
    wait_until(lambda: set(world.told().loaded.values()) == {"ready"}, seconds=5)
    assert set(world.told().loaded) == {one.digest, two.digest, three.digest}
    wait_until(lambda: world.told().arms[CONTROL]["state"] == "ready", seconds=30)
    assert world.told().arms[CONTROL]["rss_mb"] > 1
    answered = {"state": "ready", "digest": one.digest}
    wait_until(lambda: answered.items() <= world.told().arms[CHAMPION].items(), seconds=3)


def test_a_model_that_cannot_be_loaded_is_told_and_the_rest_goes_on(world: World) -> None:
    for version, when in (("2", "load"), ("3", "warm")):
        world.source.tell(version, when, "error")
    world.start()
    two, three = map(world.source.ref, "23")
    world.route(world.arm(CHAMPION, "1", 9000), world.arm(CANDIDATE, "2", 1000, isolated=True), standby=[three, two])
    wait_until(lambda: world.told().loaded.get(three.digest) == "failed", seconds=5)
    wait_until(lambda: world.told().arms[CANDIDATE]["state"] == "failed", seconds=30)
    assert "it failed" in world.told().arms[CANDIDATE]["error"]
    (answer,) = world.ask("4")
    assert answer.variant == CHAMPION


def test_a_promotion_and_the_way_back_are_followed_at_once(world: World) -> None:
    world.start()
    one, two = map(world.source.ref, "12")
    world.route(world.arm(CHAMPION, "1", 10_000), standby=[two])
    wait_until(lambda: world.holder.loaded().get(two.digest) == "ready", seconds=5)
    for version, other in (("2", one), ("1", two)):
        world.route(world.arm(CHAMPION, version, 10_000), standby=[other])
        wait_until(lambda version=version: world.holder.current.ref.version == version, seconds=1)
    assert world.holder.swaps == 3  # the first model, there and back


def test_while_the_database_is_away_the_last_routing_stays(world: World) -> None:
    world.start()
    moved = world.canary(candidate=0)
    wait_until(lambda: world.epoch() == moved.epoch, seconds=1)
    rename(world, "routings", "gone")
    time.sleep(0.6)
    (answer,) = world.ask("4")
    assert (world.epoch(), answer.variant) == (moved.epoch, CHAMPION)
    rename(world, "gone", "routings")
    moved = world.canary(candidate=0)
    wait_until(lambda: world.epoch() == moved.epoch, seconds=1)


def test_a_champion_that_hangs_is_told_and_does_not_keep_the_server_from_following(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(champion_probe, "PROBE_S", 0.3)
    world.start()
    wait_until(lambda: world.told().arms[CHAMPION].get("state") == "ready", seconds=2)
    world.source.tell("1", "warm", "hang")
    moved = world.route(world.arm(CHAMPION, "1", 10_000))
    wait_until(lambda: world.epoch() == moved.epoch, seconds=1)
    wait_until(lambda: world.told().arms[CHAMPION]["epoch"] == moved.epoch, seconds=3)
    assert "has not answered" in world.told().arms[CHAMPION]["error"]
    moved = world.route(world.arm(CHAMPION, "2", 10_000))
    wait_until(lambda: world.holder.current.ref.version == "2", seconds=1)
    answered = {"epoch": moved.epoch, "state": "ready", "digest": world.source.ref("2").digest}
    wait_until(lambda: answered.items() <= world.told().arms[CHAMPION].items(), seconds=3)


def test_a_champion_is_asked_its_own_examples_in_every_epoch_that_leaves_it_alone(world: World) -> None:
    world.start()
    wait_until(lambda: world.told().arms[CHAMPION].get("state") == "ready", seconds=2)
    world.source.tell("1", "warm", "error")
    moved = world.canary(candidate=0)
    wait_until(lambda: world.told().epoch == moved.epoch, seconds=2)
    time.sleep(0.3)
    assert world.told().arms[CHAMPION]["state"] == "ready"  # it was not asked: clients are answered meanwhile
    moved = world.route(world.arm(CHAMPION, "1", 10_000))
    wait_until(lambda: world.told().arms[CHAMPION].get("epoch") == moved.epoch, seconds=3)
    champion = world.told().arms[CHAMPION]
    assert (champion["state"], champion["error"]) == ("failed", "RuntimeError('it failed')")


def test_stopping_ends_every_process_and_thread_and_lets_nobody_wait_for_the_server(world: World) -> None:
    before = set(threading.enumerate())
    world.start()
    world.canary(candidate=1000, control=1000)
    wait_until(lambda: len(pids(world)) == 2, seconds=5)
    world.canary(candidate=1000, candidate_version="3")
    wait_until(lambda: len(pids(world)) == 3, seconds=5)
    began = time.monotonic()
    world.follower.stop()
    assert time.monotonic() - began < 2
    assert not any(psutil.pid_exists(pid) for pid in pids(world))
    world.holder.stop()
    assert set(threading.enumerate()) <= before
    assert world.servers.live(world.clock.now()) == []
