"""The verbs in this process: a process for each would take seconds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

__all__ = ["Command", "verbs"]

Command = Callable[..., Any]
"""Runs a verb by its words, with ``--json``; returns what it told."""


@contextlib.contextmanager
def verbs(capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Verbs of the project in the current folder."""
    from pipeline.cli import app

    def run(*arguments: str) -> Any:
        app([*arguments, "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)

    yield run
    structlog.reset_defaults()
