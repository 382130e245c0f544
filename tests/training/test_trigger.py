"""The trigger: a pure decision over counts of distinct recordings."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecosight.errors import InvalidInput
from ecosight.state.retrainings import RetrainingRecord
from training.trigger import decide_trigger, replay_trigger

COUNTS = st.integers(0, 10_000)


def finished(samples: int, verdict: str = "promoted") -> RetrainingRecord:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    return RetrainingRecord(
        job_id="job_0", started_at=now, finished_at=now, reason="r", verdict=verdict, total_samples=samples
    )


@pytest.mark.parametrize(
    ("accepted", "last", "due", "new"),
    [
        (0, None, False, 0),
        (1, None, True, 1),
        (3550, None, True, 3550),
        (3550 + 45, finished(3550), False, 45),
        (3550 + 120, finished(3550), True, 120),
        (3550 + 100, finished(3550), True, 100),
        (3550 + 99, finished(3550), False, 99),
        (3550, finished(3550), False, 0),
        (100, finished(0, "failed"), True, 100),
        (120, finished(120, "failed"), False, 0),
        (120, finished(120, "rejected"), False, 0),
        (10, finished(20), False, 0),
    ],
)
def test_due_when_enough_samples_are_new_since_the_last_finished_training(accepted, last, due, new):
    decision = decide_trigger(accepted, last, 100)
    assert (decision.due, decision.new_samples) == (due, new)


@given(COUNTS, st.none() | COUNTS, st.integers(1, 500))
def test_the_recorded_evidence_leads_to_the_same_decision(accepted, trained, threshold):
    decision = decide_trigger(accepted, None if trained is None else finished(trained), threshold)
    assert replay_trigger(json.loads(json.dumps(decision.as_dict()))["evidence"]) == decision


@given(COUNTS, COUNTS, st.integers(1, 500))
def test_a_training_that_had_all_samples_never_starts_itself_again(accepted, more, threshold):
    for verdict in ("promoted", "rejected", "failed"):
        assert not decide_trigger(accepted, finished(accepted, verdict), threshold).due
    assert decide_trigger(accepted + more, finished(accepted), threshold).due == (more >= threshold)


def test_a_threshold_below_one_is_refused():
    with pytest.raises(InvalidInput, match="min_new_samples"):
        decide_trigger(5, None, 0)
