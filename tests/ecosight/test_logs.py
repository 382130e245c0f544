"""Logging: one JSON object an event on standard error, with the room it comes from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
import structlog

from ecosight.logs import configure_logging, get_logger, native_stderr_held_back


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_an_event_is_one_json_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json_lines=True)
    get_logger("serving").info("model swapped", version="4")
    out, err = capsys.readouterr()
    assert out == ""
    row = json.loads(err)
    assert row.pop("timestamp").endswith("Z")
    assert row == {"event": "model swapped", "level": "info", "room": "serving", "version": "4"}


def test_events_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="WARNING", json_lines=True)
    get_logger("serving").info("chatter")
    get_logger("serving").warning("trouble")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["trouble"]


def test_an_exception_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json_lines=True)
    try:
        raise KeyError("theirs")
    except KeyError:
        get_logger("worker").exception("job failed")
    [line] = capsys.readouterr().err.splitlines()
    assert "KeyError" in json.loads(line)["exception"]


def test_held_back_lines_are_shown_only_when_the_block_fails(capfd: pytest.CaptureFixture[str]) -> None:
    with native_stderr_held_back():
        os.write(2, b"greeting\n")
    assert capfd.readouterr().err == ""
    with pytest.raises(ValueError, match="broken"):
        fail_while_held_back()
    assert capfd.readouterr().err == "the reason\n"
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


def fail_while_held_back() -> None:
    with native_stderr_held_back():
        os.write(2, b"the reason\n")
        raise ValueError("broken")
