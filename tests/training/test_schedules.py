"""Learning-rate schedules as state machines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecosight.errors import InvalidInput
from training.schedules import LearningRateScheduler


def rates(schedule, losses):
    """The rate of each epoch, when the losses come one after the other."""
    seen = []
    for epoch, loss in enumerate(losses):
        seen.append(schedule.rate(epoch))
        schedule.update(loss)
    return seen


def test_plateau_halves_after_patience_epochs_without_progress():
    schedule = LearningRateScheduler("plateau", learning_rate=0.8, patience=2)
    assert rates(schedule, [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]) == [0.8, 0.8, 0.8, 0.4, 0.4, 0.2]


def test_plateau_never_falls_below_its_least_rate():
    schedule = LearningRateScheduler("plateau", learning_rate=0.01, patience=1, factor=0.1, min_rate=0.001)
    assert rates(schedule, [1.0] * 6)[-1] == 0.001


def test_cosine_falls_from_the_first_rate_to_almost_nothing():
    schedule = LearningRateScheduler("cosine", learning_rate=0.1, epochs=10, min_rate=0.0)
    seen = rates(schedule, [1.0] * 10)
    assert seen[0] == 0.1
    assert seen[5] == pytest.approx(0.05)
    assert seen == sorted(seen, reverse=True)
    assert schedule.rate(10) == pytest.approx(0.0)


def test_none_keeps_the_rate():
    assert set(rates(LearningRateScheduler("none", learning_rate=0.3, patience=1), [1.0] * 20)) == {0.3}


@given(st.lists(st.floats(0, 5), min_size=2, max_size=30), st.integers(1, 4), st.data())
def test_a_restored_schedule_goes_on_as_if_never_interrupted(losses, patience, data):
    cut = data.draw(st.integers(0, len(losses) - 1))
    whole = LearningRateScheduler("plateau", patience=patience)
    expected = rates(whole, losses)
    first, second = (LearningRateScheduler("plateau", patience=patience) for _ in range(2))
    seen = rates(first, losses[:cut])
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert seen + rates(second, losses[cut:]) == expected


def test_an_unknown_schedule_lists_the_known_ones():
    with pytest.raises(InvalidInput) as caught:
        LearningRateScheduler("linear")
    assert "plateau, cosine, none" in caught.value.hint


@pytest.mark.parametrize("wrong", [{"learning_rate": 0}, {"epochs": 0}, {"patience": 0}, {"factor": 1.0}])
def test_arguments_out_of_range_are_refused(wrong):
    with pytest.raises(InvalidInput):
        LearningRateScheduler("plateau", **wrong)
