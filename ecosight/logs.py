"""Logging: one structured line an event on standard error; pretty on a terminal, JSON otherwise."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

__all__ = ["configure_logging", "get_logger"]


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
