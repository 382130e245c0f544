"""The routing document in the database keeps the port's promises, across processes too."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from ecosight.ports import Fence, Routings
from ecosight.state import Database
from ecosight.state.leadership import Leadership
from ecosight.state.routings import RoutingStore
from ecosight.testing import ManualClock, RoutingsConformance
from ecosight.testing.routings import NOON, a_routing

MOVER = """
import sys
from ecosight.state import open_database
from ecosight.state.routings import RoutingStore
from ecosight.testing.routings import a_routing
routings = RoutingStore(open_database(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
won = []
while (epoch := routings.epoch() + 1) <= 60:
    if routings.move(a_routing(epoch, why=sys.argv[2])):
        won.append(epoch)
print(*won)
"""


class TestDatabaseRoutings(RoutingsConformance):
    @pytest.fixture
    def routings(self, database: Database) -> RoutingStore:
        return RoutingStore(database)


def test_of_two_processes_that_race_for_each_epoch_one_wins_it(database: Database, database_url: str) -> None:
    movers = [
        subprocess.Popen(
            [sys.executable, "-c", MOVER, database_url, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    for mover in movers:
        assert mover.stdout is not None
        assert mover.stdout.readline() == "ready\n"
    for mover in movers:
        assert mover.stdin is not None
        mover.stdin.write("go\n")
        mover.stdin.flush()
    won = [[int(epoch) for epoch in mover.communicate(timeout=60)[0].split()] for mover in movers]
    assert sorted(won[0] + won[1]) == list(range(1, 61))  # each epoch once, none left out
    written = {each.epoch: each.why for each in RoutingStore(database).history()}
    assert written == {**dict.fromkeys(won[0], "one"), **dict.fromkeys(won[1], "two")}


def test_the_database_fills_the_ports(database: Database) -> None:
    routings: Routings = RoutingStore(database)
    fence: Fence | None = Leadership(database, "rollouts", "one", ManualClock()).try_lead()
    assert routings.move(a_routing(1), fence=fence)


def test_a_moment_is_found_to_the_microsecond(database: Database) -> None:
    routings = RoutingStore(database)
    routings.move(a_routing(1))
    made_at = NOON + timedelta(microseconds=7)
    assert routings.at(made_at) == a_routing(1)
    assert routings.at(made_at - timedelta(microseconds=1)) is None
