"""Values of a rollout as JSON, and back: the same, whatever was in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecosight.rollouts import Arm, Incident, Rollout, Routing
from ecosight.state.documents import incident_from, plain, rollout_from, routing_from
from ecosight.values import ModelRef

moments = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
models = st.builds(ModelRef, name=st.text(), version=st.text(), digest=st.text())
objects = st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.lists(st.booleans()))
arms = st.builds(
    Arm, name=st.text(), model=models, weight=st.integers(0, 10_000), isolated=st.booleans(), shadow=st.booleans()
)
known: dict[type, dict[str, st.SearchStrategy[Any]]] = {
    Routing: {
        "epoch": st.integers(1),
        "arms": st.lists(arms, max_size=4).map(tuple),
        "made_at": moments,
        "standby": st.lists(models, max_size=2).map(tuple),
    },
    Rollout: {
        "policy": objects,
        "champion": models,
        "candidates": st.dictionaries(st.text(), models, max_size=3),
        "started_at": moments,
        "stage_since": st.none() | moments,
        "finished_at": st.none() | moments,
        "threshold_ms": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "weights": st.dictionaries(st.text(), st.integers()),
    },
    Incident: {
        "model": models,
        "restored": models,
        "trigger": objects,
        "opened_at": moments,
        "closed_at": st.none() | moments,
        "steps": st.lists(objects, max_size=3).map(tuple),
        "report": objects,
    },
}
reading = {Routing: routing_from, Rollout: rollout_from, Incident: incident_from}


@pytest.mark.parametrize("kind", known)
@given(data=st.data())
def test_a_document_gives_the_value_back(kind: type, data: st.DataObject) -> None:
    value = data.draw(st.builds(kind, **known[kind]))
    assert reading[kind](json.loads(json.dumps(plain(value)))) == value


def test_moments_are_written_in_utc_as_everywhere() -> None:
    summer = timezone(timedelta(hours=2))
    made_at = datetime(2026, 5, 1, 14, 0, 0, 250_000, tzinfo=summer)
    routing = Routing(epoch=1, arms=(), made_at=made_at, actor="ann", why="a test")
    assert plain(routing)["made_at"] == "2026-05-01T12:00:00.250Z"
    assert routing_from(plain(routing)).made_at.utcoffset() == timedelta(0)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        plain(Routing(epoch=1, arms=(), made_at=datetime(2026, 5, 1), actor="", why=""))  # noqa: DTZ001
