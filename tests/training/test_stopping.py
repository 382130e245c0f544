"""Early stopping as a state machine."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecosight.errors import InvalidInput
from training.stopping import EarlyStopping

LOSSES = st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("patience", "losses", "stopped_after", "best"),
    [
        (2, [3, 2, 1], None, 2),
        (2, [1, 2, 2], 3, 0),
        (2, [1, 2, 0.5, 2], None, 2),
        (1, [1, 1], 2, 0),  # an equal figure is no improvement
        (None, [1, 2, 3, 4, 5], None, 0),
    ],
)
def test_stops_after_patience_epochs_without_improvement(patience, losses, stopped_after, best):
    stopping = EarlyStopping(patience)
    seen = None
    for epoch, loss in enumerate(losses):
        stopping.update(epoch, loss)
        if stopping.stop and seen is None:
            seen = epoch + 1
    assert (seen, stopping.best_epoch) == (stopped_after, best)


def test_an_accuracy_improves_upwards_and_by_more_than_min_delta():
    stopping = EarlyStopping(3, mode="max", min_delta=0.1)
    assert [stopping.update(e, v) for e, v in enumerate([0.5, 0.55, 0.61])] == [True, False, True]


@given(LOSSES, st.integers(1, 5), st.integers(0, 40))
def test_a_restored_machine_goes_on_as_if_never_interrupted(losses, patience, cut):
    whole, first, second = (EarlyStopping(patience) for _ in range(3))
    for epoch, loss in enumerate(losses):
        whole.update(epoch, loss)
        machine = first if epoch < cut else second
        if epoch == cut:
            second.restore(json.loads(json.dumps(first.state())))
        machine.update(epoch, loss)
    last = second if len(losses) > cut else first
    assert last.state() == whole.state()
    assert last.stop == whole.stop


@given(LOSSES)
def test_the_best_epoch_is_the_first_lowest_loss(losses):
    stopping = EarlyStopping(None)
    for epoch, loss in enumerate(losses):
        stopping.update(epoch, loss)
    assert stopping.best_epoch == losses.index(min(losses))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_figure_that_is_not_finite_is_refused(value):
    with pytest.raises(InvalidInput, match="epoch 0"):
        EarlyStopping(3).update(0, value)


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"min_delta": -1}, {"mode": "up"}])
def test_arguments_out_of_range_are_refused(wrong):
    with pytest.raises(InvalidInput):
        EarlyStopping(**wrong)
