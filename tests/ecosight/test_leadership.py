"""Leaders in real processes: killed, stopped and woken; and the fence under a storm of take-overs."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ecosight.errors import Unavailable
from ecosight.ports import Clock
from ecosight.state import Database, open_database
from ecosight.state.leadership import Leadership
from ecosight.state.routings import RoutingStore
from ecosight.testing import LeadershipConformance, ManualClock

# Leads, and as the leader writes one routing after the other that names its process and its number.
LEADER = """
import sys, time
from ecosight.clock import SystemClock
from ecosight.errors import Conflict
from ecosight.state import open_database
from ecosight.state.leadership import Leadership
from ecosight.state.routings import RoutingStore
from ecosight.testing.routings import a_routing
url, holder, ttl_s, pause_s = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
database = open_database(url)
routings = RoutingStore(database)
leadership = Leadership(database, "rollouts", holder, SystemClock(), ttl_s=ttl_s)
print("up", flush=True)
while True:
    fence = leadership.try_lead()
    if fence is not None:
        for _ in range(3):
            time.sleep(pause_s)
            try:
                routings.move(a_routing(routings.epoch() + 1, why=f"{fence.number} {holder}"), fence=fence)
            except Conflict:
                print("refused", flush=True)
                break
    else:
        time.sleep(pause_s)
"""


class TestDatabaseLeadership(LeadershipConformance):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def claim(self, database: Database) -> Callable[[str, Clock], Leadership]:
        return lambda holder, clock: Leadership(database, "rollouts", holder, clock, ttl_s=3.0)

    @pytest.fixture
    def routings(self, database: Database) -> RoutingStore:
        return RoutingStore(database)


def test_what_is_led_by_another_name_is_another_matter(database: Database) -> None:
    clock = ManualClock()
    assert Leadership(database, "rollouts", "one", clock).try_lead() is not None
    assert Leadership(database, "nightly", "two", clock).try_lead() is not None


def test_nobody_takes_over_between_the_look_at_the_fence_and_the_write(database: Database) -> None:
    clock = ManualClock()
    one, two = (Leadership(database, "rollouts", holder, clock) for holder in ("one", "two"))
    fence = one.try_lead()
    assert fence is not None
    clock.advance(10)
    order = []

    def take_over() -> None:
        assert two.try_lead() is not None
        order.append("taken over")

    other = threading.Thread(target=take_over)
    with database.begin() as connection:
        fence.check(connection)
        other.start()
        other.join(0.2)
        order.append("written")
    other.join()
    assert order == ["written", "taken over"]


def test_a_leader_that_stops_in_the_middle_of_a_write_is_replaced(postgres_url: str) -> None:
    database, another = open_database(postgres_url), open_database(postgres_url)
    clock = ManualClock()
    one, two = Leadership(database, "rollouts", "one", clock), Leadership(another, "rollouts", "two", clock)
    fence = one.try_lead()
    assert fence is not None
    clock.advance(10)

    def stand_still() -> None:
        with database.begin() as connection:
            fence.check(connection)  # the row is locked
            assert two.try_lead() is not None

    began = time.monotonic()
    with pytest.raises(Unavailable):
        stand_still()
    assert time.monotonic() - began < 5
    database.close()
    another.close()


def test_resigning_does_not_fail_when_the_database_is_away(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'ecosight.db'}?timeout=0.05")
    one = Leadership(database, "rollouts", "one", ManualClock())
    assert one.try_lead() is not None
    other = sqlite3.connect(tmp_path / "ecosight.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    one.resign()
    other.close()
    database.close()


def test_another_leads_within_5_seconds_of_a_kill(database: Database, database_url: str) -> None:
    routings = RoutingStore(database)
    with leaders(database_url, {"one": 3.0}, pause_s=0.05) as running:
        await_writer(routings, "one", 10)
        with leaders(database_url, {"two": 3.0}, pause_s=0.05):
            running["one"].send_signal(signal.SIGKILL)
            running["one"].wait()
            assert await_writer(routings, "two", 10) < 5


def test_a_leader_that_was_stopped_writes_nothing_when_it_wakes(database: Database, database_url: str) -> None:
    routings = RoutingStore(database)
    with leaders(database_url, {"one": 0.5}, pause_s=0.1) as running:
        await_writer(routings, "one", 10)
        with leaders(database_url, {"two": 0.5}, pause_s=0.1):
            stop_between_writes(running["one"], database_url)
            await_writer(routings, "two", 10)
            running["one"].send_signal(signal.SIGCONT)
            written = routings.epoch()
            while routings.epoch() < written + 5:
                time.sleep(0.05)
    assert_no_number_comes_back(routings)


@pytest.mark.slow
def test_in_a_storm_of_take_overs_no_old_leader_ever_writes(database: Database, database_url: str) -> None:
    # Leases of a millisecond: whoever looks takes over, mostly between another's look and its write.
    routings = RoutingStore(database)
    with leaders(database_url, {"one": 0.001, "two": 0.001, "three": 0.001}, pause_s=0.002) as running:
        # Nearly every write comes too late, and each waits for the disk: beside other work at it that takes minutes.
        deadline = time.monotonic() + 180
        while len(writers(routings)) < 3 or routings.epoch() < 60:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert sum(end(process).count(b"refused") for process in running.values()) > 0
    assert_no_number_comes_back(routings)


@contextmanager
def leaders(url: str, holders: dict[str, float], *, pause_s: float) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    running = {
        holder: subprocess.Popen(
            [sys.executable, "-c", LEADER, url, holder, str(ttl_s), str(pause_s)], stdout=subprocess.PIPE
        )
        for holder, ttl_s in holders.items()
    }
    try:
        for process in running.values():
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
        yield running
    finally:
        for process in running.values():
            end(process)


def end(process: subprocess.Popen[bytes]) -> bytes:
    """Kill it. Returns what it said."""
    process.kill()
    process.wait()
    assert process.stdout is not None
    if process.stdout.closed:
        return b""
    with process.stdout as said:
        return said.read()


def stop_between_writes(process: subprocess.Popen[bytes], url: str) -> None:
    """SQLite's lock cannot be taken from a process that was stopped while it held it; PostgreSQL's can."""
    impatient = f"{url}?timeout=0.01" if url.startswith("sqlite") else url
    while True:
        process.send_signal(signal.SIGSTOP)
        try:
            with closing(open_database(impatient)) as database, database.begin():
                return
        except Unavailable:
            process.send_signal(signal.SIGCONT)
            time.sleep(0.01)


def await_writer(routings: RoutingStore, holder: str, within_s: float) -> float:
    """Seconds until the newest routing is this holder's."""
    began = time.monotonic()
    while (newest := routings.current()) is None or newest.why.split()[1] != holder:
        assert time.monotonic() - began < within_s
        time.sleep(0.02)
    return time.monotonic() - began


def writers(routings: RoutingStore) -> set[str]:
    return {each.why.split()[1] for each in routings.history()}


def assert_no_number_comes_back(routings: RoutingStore) -> None:
    history = routings.history(limit=100_000)
    numbers = [int(each.why.split()[0]) for each in history]
    assert numbers == sorted(numbers)
    by_number = {each.why for each in history}
    assert len(by_number) == len(set(numbers))  # one number is one holder's
