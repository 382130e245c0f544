"""Progress: bars, JSON lines and silence, all for the same calls."""

from __future__ import annotations

import io
import json

import pytest

from ecosight.progress import BarProgress, JsonProgress, NullProgress, terminal_progress
from ecosight.testing import ProgressConformance


class TestNullProgress(ProgressConformance):
    @pytest.fixture
    def progress(self) -> NullProgress:
        return NullProgress()


class TestJsonProgress(ProgressConformance):
    @pytest.fixture
    def progress(self) -> JsonProgress:
        return JsonProgress(io.StringIO())


class TestBarProgress(ProgressConformance):
    @pytest.fixture
    def progress(self) -> BarProgress:
        return BarProgress()


def rows(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_tell_how_far_and_how_long() -> None:
    stream = io.StringIO()
    with JsonProgress(stream, every_s=0).task("fit", 4, "epochs") as task:
        task.advance(3, loss=0.5)
    first, middle, last = rows(stream)
    assert (first["done"], first["eta_s"]) == (0, None)
    assert (middle["done"], middle["total"], middle["unit"], middle["loss"]) == (3, 4, "epochs", 0.5)
    assert isinstance(middle["eta_s"], float)
    assert last["task"] == "fit"


def test_json_lines_come_at_most_as_often_as_asked() -> None:
    stream = io.StringIO()
    with JsonProgress(stream, every_s=3600).task("embed", 1000, "clips") as task:
        for _ in range(1000):
            task.advance()
    assert [row["done"] for row in rows(stream)] == [0, 1000]


def test_a_task_that_fails_still_says_how_far_it_came() -> None:
    stream = io.StringIO()

    def fail_halfway() -> None:
        with JsonProgress(stream).task("embed", 2, "clips") as task:
            task.advance()
            raise KeyError("theirs")

    with pytest.raises(KeyError):
        fail_halfway()
    assert rows(stream)[-1]["done"] == 1


def test_where_nobody_looks_progress_is_json() -> None:
    assert isinstance(terminal_progress(), JsonProgress)
