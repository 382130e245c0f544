"""Logging: one structured line an event on standard error; pretty on a terminal, JSON otherwise."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

__all__ = ["configure_logging", "get_logger", "native_stderr_held_back"]


def configure_logging(*, level: str = "INFO", json_lines: bool | None = None) -> None:
    """Set up logging for a process. Called once, by the command; libraries only call ``get_logger``.

    Args:
        level: the least severe level that is written.
        json_lines: None writes JSON unless standard error is a terminal.
    """
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


def get_logger(room: str) -> Any:
    """A logger whose lines carry the room they come from."""
    return structlog.get_logger().bind(room=room)


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
