"""Incidents: no step is lost, and a model that was taken back stays latched until a person says otherwise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ecosight.errors import Conflict, NotFound
from ecosight.rollouts import Incident
from ecosight.state import Database
from ecosight.state.incidents import Incidents
from ecosight.values import ModelRef

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
BAD = "2" * 64


def an_incident(name: str = "i", digest: str = BAD, **changes: object) -> Incident:
    values = {
        "id": name,
        "rollout_id": "r",
        "model": ModelRef(name="ecosight", version="2", digest=digest),
        "restored": ModelRef(name="ecosight", version="1", digest="1" * 64),
        "trigger": {"name": "error_rate", "kind": "hard", "observed": 0.25, "rule": "> 0.05"},
        "opened_at": NOON + timedelta(microseconds=123_456),
        "steps": ({"step": "detect", "at": "2026-05-01T12:00:00Z", "status": "done", "details": {"a": [1]}},),
        "closed_at": NOON + timedelta(seconds=1),
        "report": {"keys": 7},
    }
    return Incident(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def incidents(database: Database) -> Incidents:
    return Incidents(database)


def test_an_incident_comes_back_as_it_was(incidents: Incidents) -> None:
    assert incidents.get("i") is None
    incidents.add(an_incident())
    assert incidents.get("i") == an_incident()


def test_an_incident_is_opened_once(incidents: Incidents) -> None:
    incidents.add(an_incident())
    with pytest.raises(Conflict):
        incidents.add(an_incident(report={}))
    assert incidents.list() == [an_incident()]


def test_the_newest_comes_first(incidents: Incidents) -> None:
    for name in ("one", "two", "three"):
        incidents.add(an_incident(name))
    assert [each.id for each in incidents.list(limit=2)] == ["three", "two"]


def test_a_write_on_top_of_anothers_is_refused(incidents: Incidents) -> None:
    incidents.add(an_incident())
    saved = incidents.save(an_incident(report={"keys": 8}), expected_revision=0)
    assert saved == an_incident(report={"keys": 8}, revision=1) == incidents.get("i")
    with pytest.raises(Conflict):
        incidents.save(an_incident(), expected_revision=0)
    assert incidents.get("i") == saved


def test_of_executors_that_race_for_a_step_one_writes_it(incidents: Incidents) -> None:
    incidents.add(an_incident(steps=()))

    def begin(executor: int) -> bool:
        try:
            incidents.save(an_incident(steps=({"step": "stop", "by": executor},)), expected_revision=0)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = [executor for executor, did in enumerate(pool.map(begin, range(8))) if did]
    found = incidents.get("i")
    assert found is not None
    assert found.steps == ({"step": "stop", "by": won[0]},)
    assert len(won) == 1


def test_the_incidents_of_some_bytes_are_found_newest_first_whoever_unlatched_them(incidents: Incidents) -> None:
    assert list(incidents.of(BAD)) == []
    incidents.add(an_incident("one"))
    incidents.add(an_incident("two"))
    incidents.add(an_incident("other", digest="3" * 64))
    assert incidents.unlatch("two", by="ann") == replace(an_incident("two"), unlatched_by="ann", revision=1)
    assert [(each.id, each.unlatched_by) for each in incidents.of(BAD)] == [("two", "ann"), ("one", "")]


def test_who_unlatched_first_is_remembered(incidents: Incidents) -> None:
    incidents.add(an_incident())
    incidents.unlatch("i", by="ann")
    assert incidents.unlatch("i", by="bob").unlatched_by == "ann"


def test_an_unknown_incident_cannot_be_unlatched(incidents: Incidents) -> None:
    with pytest.raises(NotFound):
        incidents.unlatch("unknown", by="ann")
