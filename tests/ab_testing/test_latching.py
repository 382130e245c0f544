"""A model that was taken back stays out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rollout_kit import BEGAN, NEW, OLD

from ab_testing.latching import check_latch, require_unlatched
from ecosight.errors import Refused
from ecosight.rollouts import Incident


def incident(number: int, *, hours_ago: float = 1.0, unlatched_by: str = "") -> Incident:
    opened = BEGAN - timedelta(hours=hours_ago)
    return Incident(
        id=f"incident_{number}",
        rollout_id=f"rollout_{number}",
        model=NEW,
        restored=OLD,
        trigger={"name": "errors"},
        opened_at=opened,
        unlatched_by=unlatched_by,
    )


def test_the_latch_is_on_the_bytes_whatever_they_are_registered_as() -> None:
    latch = check_latch(NEW.digest, [incident(1)], BEGAN)
    assert latch.closed
    assert not check_latch(OLD.digest, [incident(1)], BEGAN).closed
    with pytest.raises(Refused, match="stays locked") as refused:
        require_unlatched(NEW, [incident(1)], BEGAN, automatic=False)
    assert "incident_1" in refused.value.hint


def test_a_person_opens_it_and_one_open_latch_does_not_open_the_others() -> None:
    opened = incident(1, unlatched_by="maria")
    require_unlatched(NEW, [opened], BEGAN, automatic=False)
    with pytest.raises(Refused):
        require_unlatched(NEW, [opened, incident(2)], BEGAN, automatic=False)


def test_each_next_try_waits_longer_unless_a_person_starts_it() -> None:
    pauses = []
    for times in range(1, 8):
        all_of_them = [incident(n, hours_ago=0, unlatched_by="maria") for n in range(times)]
        latch = check_latch(NEW.digest, all_of_them, BEGAN)
        assert latch.until is not None
        pauses.append(latch.until - BEGAN)
        with pytest.raises(Refused, match="next try"):
            require_unlatched(NEW, all_of_them, BEGAN, automatic=True)
        require_unlatched(NEW, all_of_them, BEGAN, automatic=False)
    assert pauses[:3] == [timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(days=7)
