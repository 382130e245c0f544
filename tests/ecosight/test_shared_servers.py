"""Servers' reports over Redis: nobody who is alive is missed, whatever happens to Redis, and whoever sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis_kit import RedisServer
from relay import Relay

from ecosight.clock import SystemClock
from ecosight.errors import Unavailable
from ecosight.rollouts import ServerReport
from ecosight.state import Database, Servers, open_database
from ecosight.state.shared import Shared, SharedServers, open_shared
from ecosight.state.shared.line import Line
from ecosight.state.shared.reports import ReportBoard
from ecosight.testing import ServersConformance
from ecosight.testing.servers import a_report

Machine = Callable[..., Shared]

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
"""For tests that take long: several machines are its case."""


@pytest.fixture
def machine(database: Database, redis_server: RedisServer) -> Iterator[Machine]:
    """Opens what one more machine would; ``sees_redis=False``: where the line to Redis is broken."""
    opened = []

    def open_another(over: Database | None = None, *, sees_redis: bool = True) -> Shared:
        url = redis_server.url if sees_redis else "redis://127.0.0.1:1"
        opened.append(open_shared(url, over or database, SystemClock()))
        return opened[-1]

    yield open_another
    for each in opened:
        each.close()


@pytest.fixture
def servers(machine: Machine) -> SharedServers:
    return machine().servers


class TestSharedServers(ServersConformance):
    """With Redis."""


class TestSharedServersWithoutRedis(ServersConformance):
    @pytest.fixture(autouse=True)
    def away(self, redis_server: RedisServer) -> None:
        redis_server.stop()


def now(name: str, epoch: int = 3) -> ServerReport:
    return a_report(name, seen_at=datetime.now(UTC), epoch=epoch)


def live(servers: Servers) -> dict[str, int]:
    """Who is live, and which epoch each follows."""
    return {each.server_id: each.epoch for each in servers.live(datetime.now(UTC))}


@pytest.mark.parametrize("leader_sees_redis", [True, False])
def test_servers_that_see_redis_and_servers_that_do_not_are_all_waited_for(
    machine: Machine, leader_sees_redis: bool
) -> None:
    sees, blind, leader = machine().servers, machine(sees_redis=False).servers, machine(sees_redis=leader_sees_redis)
    sees.report(now("sees"))
    blind.report(now("blind"))
    time.sleep(0.3)
    assert set(live(leader.servers)) == {"sees", "blind"}


@on_postgresql
@pytest.mark.parametrize(
    ("harm", "at"),
    [
        ("emptied", 2),
        ("stopped", 2),
        ("silent", 2),
        ("restarted", 2),
        ("another value", 2),
        pytest.param("emptied", 12, marks=pytest.mark.slow),
    ],
)
def test_nobody_is_missed_at_any_moment_while_redis_is_harmed(
    machine: Machine, redis_server: RedisServer, harm: str, at: int
) -> None:
    """``at``: counted in reports; the first ones count no longer at the twelfth."""
    servers = {f"server {number}": machine().servers for number in range(5)}
    leader = machine().servers
    for epoch in range(at + 2):
        for name, each in servers.items():
            each.report(now(name, epoch))
        if epoch == at:
            time.sleep(0.1)
            if harm in ("emptied", "another value"):
                redis_server.flush()
            if harm in ("stopped", "restarted"):
                redis_server.stop()
            if harm == "restarted":
                redis_server.start()
            if harm == "silent":
                redis_server.silence()
            if harm == "another value":
                break_the_key(redis_server)
        for _ in range(4):
            assert set(live(leader)) == set(servers)
            time.sleep(0.12)
    if harm == "silent":
        redis_server.wake()


def test_the_newest_word_counts_wherever_it_was_said(machine: Machine, redis_server: RedisServer) -> None:
    one, leader = machine().servers, machine().servers
    one.report(now("one", epoch=1))
    redis_server.silence()
    one.report(now("one", epoch=2))  # to the database
    redis_server.wake()
    assert live(leader) == {"one": 2}
    deadline = time.monotonic() + 10
    epoch = 2
    while "one" not in live_in_redis(redis_server, epoch):
        epoch += 1
        one.report(now("one", epoch=epoch))
        assert live(leader) == {"one": epoch}
        assert time.monotonic() < deadline
        time.sleep(0.1)


@on_postgresql
def test_reports_leave_the_database_alone_but_for_one_in_two_seconds(machine: Machine, database: Database) -> None:
    from sqlalchemy import event

    servers = {f"server {number}": machine().servers for number in range(10)}
    written = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: written.append(told[2]))
    for _ in range(8):  # four seconds of ten servers
        for name, each in servers.items():
            each.report(now(name))
        time.sleep(0.5)
    inserts = sum("INSERT INTO servers" in statement for statement in written)
    assert 20 <= inserts <= 30  # without Redis it would be 80


def test_who_stops_in_order_is_forgotten_everywhere(machine: Machine, redis_server: RedisServer) -> None:
    one, leader = machine().servers, machine().servers
    for _ in range(20):
        one.report(now("one"))
        one.forget("one")
        assert live(leader) == {}


def test_a_server_that_is_silent_for_long_is_dropped_from_redis(redis_server: RedisServer) -> None:
    line = Line(redis_server.url, SystemClock())
    board = ReportBoard(line, "ecosight:{x}", kept_s=1)
    board.say(a_report("dead"))
    for _ in range(5):
        time.sleep(0.5)
        board.say(a_report("alive"))
    assert [each.server_id for each in board.all()] == ["alive"]
    time.sleep(2.1)
    assert redis_server.keys("servers") == []  # when nobody reports any more, nothing stays
    line.close()


def test_a_report_that_cannot_be_read_hides_no_other(machine: Machine, redis_server: RedisServer) -> None:
    one = machine().servers
    one.report(now("one"))
    (key,) = redis_server.keys("servers")
    with redis_server.client() as client:
        for field, value in ("a", "hello"), ("b", b"\xff"), ("c", f"{int(time.time())} {{}}"), ("d", "9 []"):
            client.hset(key, field, value)
    assert set(live(one)) == {"one"}


def test_projects_on_one_redis_do_not_wait_for_each_other(
    machine: Machine, redis_server: RedisServer, tmp_path: Path
) -> None:
    other = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    ours, theirs = machine().servers, machine(other).servers
    ours.report(now("ours"))
    theirs.report(now("theirs"))
    assert (set(live(ours)), set(live(theirs))) == ({"ours"}, {"theirs"})
    other.close()


@pytest.mark.parametrize("harm", ["cut", "freeze"])
def test_a_server_goes_on_reporting_while_the_database_is_away(
    postgres_url: str, redis_server: RedisServer, harm: str
) -> None:
    direct = open_database(postgres_url)
    host, _, port = postgres_url.partition("@")[2].partition("/")[0].partition(":")
    with Relay((host, int(port))) as line:
        database = open_database(postgres_url.replace(f":{port}/", f":{line.port}/"))
        here, leader = (open_shared(redis_server.url, each, SystemClock()) for each in (database, direct))
        here.servers.report(now("here", epoch=1))
        time.sleep(0.2)
        getattr(line, harm)()
        for epoch in range(2, 7):
            began = time.monotonic()
            here.servers.report(now("here", epoch=epoch))
            assert time.monotonic() - began < 0.3
            assert live(leader.servers) == {"here": epoch}
            time.sleep(0.5)
        if harm == "cut":
            with pytest.raises(Unavailable):  # those that stand in the database alone would be missed
                here.servers.live(datetime.now(UTC))
        line.mend()
        for each in (here, leader):
            each.close()
        database.close()
    direct.close()


def test_a_report_that_was_made_before_the_clock_was_set_right_does_not_hide_newer_ones(machine: Machine) -> None:
    one = machine().servers
    ahead = datetime.now(UTC) + timedelta(hours=1)
    one.report(a_report("one", seen_at=ahead, epoch=1))
    time.sleep(0.2)
    one.report(now("one", epoch=2))
    assert live(one) == {"one": 2}


def break_the_key(server: RedisServer) -> None:
    with server.client() as client:
        for key in server.keys("servers"):
            client.delete(key)
            client.set(key, "hello")


def live_in_redis(server: RedisServer, epoch: int) -> str:
    with server.client() as client:
        held = [value for key in server.keys("servers") for value in client.hvals(key)]
    return " ".join(value.decode() for value in held if f'"epoch": {epoch},' in value.decode())
