"""Logging: one structured line an event on standard error; pretty on a terminal, JSON otherwise.

A traceback shows where, never what the variables held there: that may be a client's recording, or a key.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

import structlog

__all__ = ["configure_logging", "get_logger", "native_stderr_held_back"]


def configure_logging(*, level: str = "INFO", json_lines: bool | None = None) -> None:
    """Set up logging for a process. Called once, by the command; libraries only call ``get_logger``.

    Args:
        level: the least severe level that is written.
        json_lines: None writes JSON unless standard error is a terminal.
    """
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    structlog.configure(
        processors=_processors(as_json),
        wrapper_class=_from_level(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _StandardError())),
    )


def get_logger(room: str) -> Any:
    """A logger whose lines carry the room they come from.

    In a program that set nothing up, warnings alone are written; what that program logs itself stays as it is.
    """
    if structlog.is_configured():
        return structlog.get_logger().bind(room=room)
    # Not structlog's own defaults: those write to standard output, and into tracebacks what the variables held.
    plain = structlog.wrap_logger(
        structlog.WriteLogger(cast(TextIO, _StandardError())),
        processors=_processors(as_json=not sys.stderr.isatty()),
        wrapper_class=_from_level("WARNING"),
    )
    return plain.bind(room=room)


class _StandardError:
    """Whatever standard error is when a line is written: a logger outlives what a program sets it to for a while."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _processors(as_json: bool) -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]


def _from_level(level: str) -> Any:
    return structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level])


@contextmanager
def native_stderr_held_back() -> Iterator[None]:
    """Hold back what compiled libraries write to standard error while the block runs; show it if the block fails.

    For imports that greet everybody with lines no setting turns off. Of other threads' lines, those written meanwhile
    are held back too, so keep the block short.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        real = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
