"""The routing over Redis: whatever happens to Redis, every reader sees the newest, and never an older one again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis_kit import RedisServer
from relay import Relay

from ecosight.clock import SystemClock
from ecosight.errors import Conflict, Unavailable
from ecosight.ports import Clock
from ecosight.state import Database, Leadership, RoutingStore, open_database
from ecosight.state.shared import Shared, SharedRoutings, open_shared
from ecosight.state.shared.line import Line
from ecosight.state.shared.routing_board import RoutingBoard
from ecosight.testing import LeadershipConformance, ManualClock, RoutingsConformance
from ecosight.testing.routings import NOON, a_routing

Machine = Callable[..., Shared]

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
"""For tests that take long: several machines are its case."""


@pytest.fixture
def machine(database: Database, redis_server: RedisServer) -> Iterator[Machine]:
    """Opens what one more machine would: its own connections to Redis."""
    opened = []

    def open_another(over: Database | None = None, *, url: str | None = None) -> Shared:
        opened.append(open_shared(url or redis_server.url, over or database, SystemClock()))
        return opened[-1]

    yield open_another
    for each in opened:
        each.close()


@pytest.fixture
def routings(machine: Machine) -> SharedRoutings:
    return machine().routings


class TestSharedRoutings(RoutingsConformance):
    """With Redis."""


class TestSharedRoutingsWithoutRedis(RoutingsConformance):
    @pytest.fixture(autouse=True)
    def away(self, redis_server: RedisServer) -> None:
        redis_server.stop()


class TestLeadershipOverSharedRoutings(LeadershipConformance):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def claim(self, database: Database) -> Callable[[str, Clock], Leadership]:
        return lambda holder, clock: Leadership(database, "rollouts", holder, clock, ttl_s=3.0)


def wait_for(look: Callable[[], bool], within_s: float = 5.0) -> float:
    """Seconds until it is so."""
    began = time.monotonic()
    while not look():
        assert time.monotonic() - began < within_s
        time.sleep(0.02)
    return time.monotonic() - began


def steps_to(routings: SharedRoutings, epoch: int, within_s: float = 5.0) -> list[int]:
    """The epochs that a reader sees, looking like a server, until it sees this one."""
    seen = [routings.epoch()]

    def look() -> bool:
        seen.append(routings.epoch())
        time.sleep(0.1)
        return seen[-1] == epoch

    wait_for(look, within_s)
    assert seen == sorted(seen)  # never back
    found = routings.current()
    assert found is not None
    assert found.epoch == epoch
    return seen


def test_a_move_on_one_machine_is_seen_on_the_next_look_of_every_other(machine: Machine) -> None:
    one, two = machine().routings, machine().routings
    assert (one.epoch(), two.epoch()) == (0, 0)
    for epoch in range(1, 50):
        assert one.move(a_routing(epoch))
        assert two.epoch() == epoch
        one, two = two, one
    assert one.current() == two.current() == a_routing(49)


@on_postgresql
def test_looking_for_news_leaves_the_database_alone(machine: Machine, database: Database) -> None:
    from sqlalchemy import event

    servers = [machine().routings for _ in range(20)]
    servers[0].move(a_routing(1))
    for each in servers:
        assert each.epoch() == 1
    time.sleep(0.5)
    asked = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    for _ in range(8):  # two seconds of twenty servers
        for each in servers:
            assert each.epoch() == 1
        time.sleep(0.25)
    of_routings = [statement for statement in asked if "FROM routings" in statement]
    assert 2 <= len(of_routings) <= 8  # all of them together; each by itself would have been 160


@on_postgresql
@pytest.mark.parametrize("harm", ["stopped", "silent", "emptied", "emptied and stopped"])
def test_a_routing_that_is_made_while_redis_is_harmed_reaches_everybody(
    machine: Machine, redis_server: RedisServer, harm: str
) -> None:
    one, two, late = machine().routings, machine().routings, machine().routings
    assert one.move(a_routing(1))
    assert steps_to(two, 1)[-1] == 1
    if "emptied" in harm:
        redis_server.flush()
    if "stopped" in harm:
        redis_server.stop()
    if harm == "silent":
        redis_server.silence()
    assert one.move(a_routing(2))
    assert steps_to(two, 2, within_s=1.0)[-1] == 2
    if "stopped" in harm:
        redis_server.start()
    if harm == "silent":
        redis_server.wake()
    assert late.current() == a_routing(2)
    assert one.move(a_routing(3))
    assert steps_to(two, 3)[-1] == 3
    wait_for(lambda: (two.epoch(), posted_epoch(redis_server)) == (3, 3))


@on_postgresql
def test_a_redis_that_is_restarted_or_emptied_again_and_again_never_turns_a_reader_back(
    machine: Machine, redis_server: RedisServer
) -> None:
    writer, readers = machine().routings, [machine().routings for _ in range(3)]
    seen: list[list[int]] = [[] for _ in readers]
    for epoch in range(1, 31):
        if epoch % 5 == 0:
            redis_server.flush()
        if epoch % 10 == 5:
            redis_server.stop()
        if epoch % 10 == 8:
            redis_server.start()
        assert writer.move(a_routing(epoch))
        for told, reader in zip(seen, readers, strict=True):
            told.append(reader.epoch())
    wait_for(lambda: all(reader.epoch() == 30 for reader in readers))
    assert all(told == sorted(told) for told in seen)


GARBAGE: dict[str, Callable[..., object]] = {
    "no text": lambda client, key: client.set(key, b"\xff\xfe\x00"),
    "another text": lambda client, key: client.set(key, "hello"),
    "another document": lambda client, key: client.set(key, '9 {"epoch": 9}'),
    "an epoch that is not the document's": lambda client, key: client.set(key, b"9" + client.get(key)[1:]),
    "half of it": lambda client, key: client.set(key, client.get(key)[:50]),
    "a list": lambda client, key: (client.delete(key), client.rpush(key, "1", "2")),
    "a far epoch": lambda client, key: client.set(key, "9" * 40 + " {}"),
}


@on_postgresql
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_in_redis_is_replaced_by_what_the_database_says(
    machine: Machine, redis_server: RedisServer, kind: str
) -> None:
    one, two = machine().routings, machine().routings
    one.move(a_routing(1))
    one.move(a_routing(2))
    two.epoch()
    (key,) = redis_server.keys("routing")
    with redis_server.client() as client:
        GARBAGE[kind](client, key)
    assert two.current() == a_routing(2)
    assert wait_for(lambda: posted_epoch(redis_server) == 2 and one.epoch() == 2 and two.epoch() == 2) < 1
    assert one.move(a_routing(3))
    assert two.epoch() == 3


def test_an_old_snapshot_of_redis_holds_nobody_back(machine: Machine, redis_server: RedisServer) -> None:
    one, two = machine().routings, machine().routings
    one.move(a_routing(1))
    snapshot = redis_server.take_snapshot()
    for epoch in (2, 3, 4):
        one.move(a_routing(epoch))
    assert two.epoch() == 4
    redis_server.restore(snapshot)
    assert posted_epoch(redis_server) == 1
    fresh = machine().routings
    assert (two.epoch(), one.epoch(), fresh.epoch()) == (4, 4, 4)
    assert wait_for(lambda: posted_epoch(redis_server) == 4) < 1
    assert one.move(a_routing(5))
    assert two.epoch() == 5


@on_postgresql
def test_a_redis_that_is_ahead_of_the_database_does_not_win(
    machine: Machine, redis_server: RedisServer, database: Database
) -> None:
    """As after a restore of the database from a backup."""
    one, two = machine().routings, machine().routings
    for epoch in range(1, 6):
        one.move(a_routing(epoch))
    assert two.epoch() == 5
    forget_epochs_above(database, 3)
    assert wait_for(lambda: (one.epoch(), two.epoch()) == (3, 3)) < 1.5
    assert two.current() == a_routing(3)
    assert posted_epoch(redis_server) == 3
    assert one.move(a_routing(4, why="after the restore"))
    assert two.epoch() == 4
    assert two.current() == a_routing(4, why="after the restore")


def test_another_epoch_of_the_same_number_does_not_stay(
    machine: Machine, redis_server: RedisServer, database: Database
) -> None:
    one = machine().routings
    for epoch in (1, 2):
        one.move(a_routing(epoch))
    forget_epochs_above(database, 1)
    RoutingStore(database).move(a_routing(2, why="after the restore"))
    assert machine().routings.current() == a_routing(2, why="after the restore")
    wait_for(lambda: one.current() == a_routing(2, why="after the restore"))


def test_projects_on_one_redis_do_not_see_each_other(
    machine: Machine, redis_server: RedisServer, tmp_path: Path
) -> None:
    other = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    ours, theirs = machine().routings, machine(other).routings
    for epoch in (1, 2, 3):
        assert ours.move(a_routing(epoch, why="ours"))
    assert theirs.epoch() == 0
    assert theirs.move(a_routing(1, why="theirs"))
    assert ours.current() == a_routing(3, why="ours")
    assert len(redis_server.keys("routing")) == 2
    other.close()


@on_postgresql
def test_who_does_not_know_of_redis_is_heard_within_a_second(machine: Machine, database: Database) -> None:
    server = machine().routings
    server.move(a_routing(1))
    server.epoch()
    for epoch in range(2, 6):
        time.sleep(0.13 * epoch)
        assert RoutingStore(database).move(a_routing(epoch))  # as a command whose environment names no Redis
        took_s = wait_for(lambda epoch=epoch: (time.sleep(0.23), server.epoch() == epoch)[1])  # type: ignore[misc]
        assert took_s < 1


def test_a_writer_that_died_before_it_told_redis_is_heard_all_the_same(
    machine: Machine, redis_server: RedisServer, database: Database
) -> None:
    one = machine().routings
    one.move(a_routing(1))
    RoutingStore(database).move(a_routing(2))  # what it had done when it died
    assert one.move(a_routing(3))
    assert machine().routings.epoch() == 3


def test_who_comes_late_overwrites_nothing_newer(redis_server: RedisServer) -> None:
    line = Line(redis_server.url, SystemClock())
    board = RoutingBoard(line, "ecosight:{late}")
    seen_by_a_slow_one = board.look()
    assert board.post(a_routing(10))
    assert not board.post(a_routing(9, why="slept between the database and Redis"))
    assert not board.replace(seen_by_a_slow_one, a_routing(9, why="compared with what was there before"))
    assert board.look().routing == a_routing(10)
    line.close()


def test_a_replaced_leader_changes_neither_the_database_nor_redis(
    machine: Machine, redis_server: RedisServer, database: Database
) -> None:
    clock = ManualClock()
    one, two = (Leadership(database, "rollouts", name, clock) for name in ("one", "two"))
    routings, old = machine().routings, one.try_lead()
    assert routings.move(a_routing(1), fence=old)
    clock.advance(10)
    assert two.try_lead() is not None
    with pytest.raises(Conflict):
        routings.move(a_routing(2, why="slept"), fence=old)
    assert posted_epoch(redis_server) == 1
    assert routings.current() == a_routing(1)


@on_postgresql
def test_a_silent_redis_holds_a_reader_up_for_a_fraction_of_a_second(
    machine: Machine, redis_server: RedisServer
) -> None:
    one, two = machine().routings, machine().routings
    one.move(a_routing(1))
    two.epoch()
    redis_server.silence()
    slowest_s, whole_s = timed(lambda: two.epoch() == 1, times=40, every_s=0.05)
    assert slowest_s < 0.5
    assert whole_s < 1  # of 3 at most: Redis is tried again after ten times what the last try cost
    slowest_s, _ = timed(lambda: one.move(a_routing(one.epoch() + 1)), times=20, every_s=0)
    assert slowest_s < 0.5
    redis_server.wake()
    wait_for(lambda: (two.epoch(), posted_epoch(redis_server)) == (21, 21))


@on_postgresql
def test_a_redis_behind_a_broken_line_holds_nobody_up(
    machine: Machine, redis_server: RedisServer, database: Database
) -> None:
    with Relay(("127.0.0.1", redis_server.port)) as line:
        there = machine(url=f"redis://127.0.0.1:{line.port}/0").routings
        assert there.move(a_routing(1))
        for harm in (line.freeze, line.cut):
            harm()
            slowest_s, _ = timed(lambda: there.epoch() >= 1, times=20, every_s=0.05)
            assert slowest_s < 0.5
            assert there.move(a_routing(there.epoch() + 1))
            line.mend()
            time.sleep(0.1)
        here = machine().routings
        assert here.epoch() == 3
        wait_for(lambda: here.move(a_routing(4)) or here.epoch() == 4)
        wait_for(lambda: there.epoch() == 4)


@pytest.mark.parametrize("harm", ["cut", "freeze"])
def test_while_the_database_is_away_the_routing_is_still_read(
    postgres_url: str, redis_server: RedisServer, harm: str
) -> None:
    direct = open_database(postgres_url)
    host, _, port = postgres_url.partition("@")[2].partition("/")[0].partition(":")
    with Relay((host, int(port))) as line:
        database = open_database(postgres_url.replace(f":{port}/", f":{line.port}/"))
        here, elsewhere = (open_shared(redis_server.url, each, SystemClock()) for each in (database, direct))
        elsewhere.routings.move(a_routing(1))
        assert here.routings.epoch() == 1
        getattr(line, harm)()
        assert elsewhere.routings.move(a_routing(2))  # seen here in Redis alone
        slowest_s, _ = timed(lambda: here.routings.epoch() == 2, times=20, every_s=0.05)
        assert slowest_s < 0.5
        slowest_s, _ = timed(lambda: here.routings.current() == a_routing(2), times=2, every_s=0)
        assert slowest_s < 2
        if harm == "cut":
            with pytest.raises(Unavailable):
                here.routings.move(a_routing(3))
            with pytest.raises(Unavailable):
                here.routings.at(NOON)
        line.mend()
        assert elsewhere.routings.move(a_routing(3))
        wait_for(lambda: here.routings.epoch() == 3 and here.routings.current() == a_routing(3))
        for each in (here, elsewhere):
            each.close()
        database.close()
    direct.close()


def test_the_past_is_the_databases(routings: SharedRoutings, redis_server: RedisServer) -> None:
    for epoch in (1, 2, 3):
        routings.move(a_routing(epoch, minutes=10 * epoch))
    redis_server.flush()
    assert [each.epoch for each in routings.history()] == [1, 2, 3]
    assert routings.at(NOON + timedelta(minutes=25)) == a_routing(2, minutes=20)


MOVER = """
import sys
from ecosight.clock import SystemClock
from ecosight.state import open_database
from ecosight.state.shared import open_shared
from ecosight.testing.routings import a_routing
routings = open_shared(sys.argv[2], open_database(sys.argv[1]), SystemClock()).routings
print("ready", flush=True)
sys.stdin.readline()
won, seen = [], []
while (epoch := routings.epoch() + 1) <= 60:
    seen.append(epoch)
    if routings.move(a_routing(epoch, why=sys.argv[3])):
        won.append(epoch)
assert seen == sorted(seen), seen
print(*won)
"""


@pytest.mark.parametrize("harm", ["none", "flushed"])
def test_of_processes_that_race_for_each_epoch_one_wins_it(
    machine: Machine, database: Database, database_url: str, redis_server: RedisServer, harm: str
) -> None:
    movers = [
        subprocess.Popen(
            [sys.executable, "-c", MOVER, database_url, redis_server.url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two", "three")
    ]
    for mover in movers:
        assert mover.stdout is not None
        assert mover.stdout.readline() == "ready\n"
    for mover in movers:
        assert mover.stdin is not None
        mover.stdin.write("go\n")
        mover.stdin.flush()
    reader, seen = machine().routings, [0]
    while seen[-1] < 60:
        seen.append(reader.epoch())
        if harm == "flushed":
            redis_server.flush()
    assert seen == sorted(seen)
    won = {
        name: mover.communicate(timeout=60)[0].split()
        for name, mover in zip(("one", "two", "three"), movers, strict=True)
    }
    assert [mover.returncode for mover in movers] == [0, 0, 0]
    assert sorted(int(epoch) for each in won.values() for epoch in each) == list(range(1, 61))
    written = {str(each.epoch): each.why for each in RoutingStore(database).history()}
    assert written == {epoch: name for name, each in won.items() for epoch in each}
    assert reader.current() == a_routing(60, why=written["60"])
    wait_for(lambda: reader.epoch() == 60 and posted_epoch(redis_server) == 60)


def posted_epoch(server: RedisServer) -> int:
    """What anybody who looks into this Redis finds; 0: nothing."""
    with server.client() as client:
        held = [client.get(key) if client.type(key) == b"string" else None for key in server.keys("routing")]
    return max((int(each.split()[0]) for each in held if each and each.split()[0].isdigit()), default=0)


def forget_epochs_above(database: Database, epoch: int) -> None:
    from sqlalchemy import text

    with database.begin() as connection:
        connection.execute(text("DELETE FROM routings WHERE epoch > :epoch"), {"epoch": epoch})


def timed(action: Callable[[], bool], *, times: int, every_s: float) -> tuple[float, float]:
    """The slowest of so many calls, and all of them together, in seconds."""
    taken = []
    for _ in range(times):
        began = time.monotonic()
        assert action()
        taken.append(time.monotonic() - began)
        time.sleep(every_s)
    return max(taken), sum(taken)
