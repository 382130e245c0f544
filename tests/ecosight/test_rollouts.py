"""Rollouts and decisions in the database: one at a time, no write lost, nothing written twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ecosight.errors import Conflict, NotFound
from ecosight.rollouts import Decision, Rollout
from ecosight.state import Database
from ecosight.state.leadership import Leadership
from ecosight.state.rollouts import RolloutStore
from ecosight.testing import ManualClock
from ecosight.values import ModelRef

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)

BEGINNER = """
import sys
from datetime import UTC, datetime
from ecosight.errors import Conflict
from ecosight.rollouts import Rollout
from ecosight.state import open_database
from ecosight.state.rollouts import RolloutStore
from ecosight.values import ModelRef
rollouts = RolloutStore(open_database(sys.argv[1]))
model = ModelRef(name="ecosight", version="1", digest="d")
mine = Rollout(id=sys.argv[2], strategy="canary", policy={}, champion=model, candidates={"candidate": model},
               state="preparing", actor="ann", started_at=datetime.now(UTC))
print("ready", flush=True)
sys.stdin.readline()
try:
    rollouts.add(mine)
    print("won")
except Conflict as error:
    print("lost to", error.context["rollout_id"])
"""


def model(version: str, name: str = "ecosight") -> ModelRef:
    return ModelRef(name=name, version=version, digest=version * 64)


def a_rollout(name: str = "r", **changes: object) -> Rollout:
    values = {
        "id": name,
        "strategy": "canary",
        "policy": {"steps": [5, 100], "alpha_rollback": 0.01, "pause_at": None},
        "champion": model("1"),
        "candidates": {"candidate": model("2"), "candidate-2": model("3")},
        "state": "running",
        "actor": "ann",
        "started_at": NOON + timedelta(microseconds=123_456),
        "stage": 2,
        "stage_since": NOON + timedelta(minutes=1, microseconds=1),
        "threshold_ms": 81.25,
        "weights": {"candidate": 500},
    }
    return Rollout(**(values | changes))  # type: ignore[arg-type]


def a_decision(name: str, rollout_id: str = "r", action: str = "hold") -> Decision:
    return Decision(
        id=name,
        rollout_id=rollout_id,
        at=NOON,
        actor="controller",
        epoch=7,
        action=action,
        state={"id": rollout_id, "stage": 2},
        evidence={"candidates": [{"arm": "candidate", "errors": [1, 2.5, None]}]},
        verdict={"action": action, "reason": "wait für mehr"},
    )


@pytest.fixture
def rollouts(database: Database) -> RolloutStore:
    return RolloutStore(database)


def test_a_rollout_comes_back_as_it_was(rollouts: RolloutStore) -> None:
    assert rollouts.get("r") is None
    rollouts.add(a_rollout())
    assert rollouts.get("r") == a_rollout()
    assert rollouts.active() == a_rollout()


def test_a_rollout_begins_only_when_the_one_before_has_ended(rollouts: RolloutStore) -> None:
    rollouts.add(a_rollout("first"))
    with pytest.raises(Conflict, match="first is under way"):
        rollouts.add(a_rollout("second"))
    rollouts.save(a_rollout("first", state="aborted", finished_at=NOON), expected_revision=0)
    assert rollouts.active() is None
    rollouts.add(a_rollout("second"))
    assert [each.id for each in rollouts.list()] == ["second", "first"]
    assert [each.id for each in rollouts.list(limit=1)] == ["second"]


def test_an_id_is_given_once(rollouts: RolloutStore) -> None:
    rollouts.add(a_rollout(state="aborted", finished_at=NOON))
    with pytest.raises(Conflict, match="already"):
        rollouts.add(a_rollout())


def test_another_model_may_have_a_rollout_of_its_own(rollouts: RolloutStore) -> None:
    rollouts.add(a_rollout("one"))
    rollouts.add(a_rollout("two", champion=model("1", "another")))
    assert {each.id: each.state for each in rollouts.list()} == {"one": "running", "two": "running"}


def test_of_two_processes_that_begin_at_once_one_succeeds(database: Database, database_url: str) -> None:
    beginners = [
        subprocess.Popen(
            [sys.executable, "-c", BEGINNER, database_url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for beginner in beginners:
        assert beginner.stdout is not None
        assert beginner.stdout.readline() == "ready\n"
    for beginner in beginners:
        assert beginner.stdin is not None
        beginner.stdin.write("go\n")
        beginner.stdin.flush()
    said = [beginner.communicate(timeout=60)[0].strip() for beginner in beginners]
    assert sorted(said) in (["lost to one", "won"], ["lost to two", "won"])


def test_a_write_on_top_of_anothers_is_refused(rollouts: RolloutStore) -> None:
    rollouts.add(a_rollout())
    saved = rollouts.save(a_rollout(stage=3), expected_revision=0)
    assert saved == a_rollout(stage=3, revision=1) == rollouts.get("r")
    with pytest.raises(Conflict, match="changed by another"):
        rollouts.save(a_rollout(stage=4), expected_revision=0)
    with pytest.raises(NotFound):
        rollouts.save(a_rollout("unknown"), expected_revision=0)
    assert rollouts.get("r") == saved


def test_of_many_that_write_at_once_no_write_is_lost(rollouts: RolloutStore) -> None:
    rollouts.add(a_rollout(stage=0))

    def raise_stage(_: int) -> None:
        while True:
            seen = rollouts.get("r")
            assert seen is not None
            try:
                rollouts.save(replace(seen, stage=seen.stage + 1), seen.revision)
                return
            except Conflict:
                continue

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(raise_stage, range(20)))
    found = rollouts.get("r")
    assert found is not None
    assert (found.stage, found.revision) == (20, 20)


def test_decisions_are_written_once_and_come_back_as_they_were(rollouts: RolloutStore) -> None:
    for name in ("one", "two", "one"):
        rollouts.record(a_decision(name))
    rollouts.record(a_decision("three", rollout_id="another"))
    assert rollouts.decisions("r") == [a_decision("two"), a_decision("one")]
    assert rollouts.decisions("r", limit=1) == [a_decision("two")]
    assert rollouts.decision("one") == a_decision("one")
    assert rollouts.decision("unknown") is None


@pytest.mark.parametrize(
    "write",
    [
        lambda store, fence: store.save(a_rollout(stage=9), expected_revision=0, fence=fence),
        lambda store, fence: store.record(a_decision("late"), fence=fence),
    ],
)
def test_who_leads_no_more_writes_no_more(
    rollouts: RolloutStore, database: Database, write: Callable[[RolloutStore, object], object]
) -> None:
    rollouts.add(a_rollout())
    clock = ManualClock()
    old = Leadership(database, "rollouts", "one", clock).try_lead()
    clock.advance(4)
    new = Leadership(database, "rollouts", "two", clock).try_lead()
    with pytest.raises(Conflict, match="leads"):
        write(rollouts, old)
    assert rollouts.get("r") == a_rollout()
    assert rollouts.decisions("r") == []
    write(rollouts, new)
