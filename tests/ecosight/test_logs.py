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
    structlog.reset_defaults()
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


@pytest.mark.parametrize("setting", [{"json_lines": True}, {"json_lines": False}, None])
def test_a_traceback_never_shows_what_the_variables_held(
    setting: dict[str, bool] | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting is None:  # a program that set nothing up, on a terminal
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    else:
        configure_logging(**setting)
    try:
        fail_over("".join(["key-", "of-a-", "client"]))
    except KeyError:
        get_logger("worker").exception("job failed")
    out, err = capsys.readouterr()
    assert out == ""
    assert "fail_over" in err
    assert "theirs" in err
    assert "key-of-a-client" not in err


def fail_over(secret: str) -> None:
    raise KeyError("theirs" if secret else "ours")


def test_without_a_set_up_only_warnings_are_written_and_nobody_elses_logging_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    get_logger("worker").info("chatter")
    get_logger("worker").warning("trouble")
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["event"] == "trouble"
    assert not structlog.is_configured()


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
