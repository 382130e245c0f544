"""Records as lines of JSON. One is made on the path of every request, so orjson makes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, SupportsFloat

import orjson

from ecosight.text import storable

__all__ = ["from_line", "to_line"]


def to_line(record: Any) -> bytes:
    """A dataclass of strings, numbers, aware times and mappings as one line; what is not finite becomes null.

    Half a character, which Python's strings may hold and UTF-8 may not, becomes U+FFFD as it would in the database.
    """
    try:
        return orjson.dumps(record, default=_plain, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        return orjson.dumps(_cleaned(record), default=_plain, option=orjson.OPT_APPEND_NEWLINE)


def from_line(line: bytes) -> dict[str, Any]:
    """Raises: ValueError: it is no JSON object."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:  # earlier versions wrote half characters as escapes, which only Python reads
        row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("no JSON object")
    return row


def _plain(value: Any) -> Any:
    """What orjson does not know by itself: mappings of other kinds, and NumPy's numbers."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, SupportsFloat):
        return float(value)
    raise TypeError(f"{type(value).__name__} is nothing that a record holds")


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if is_dataclass(value) and not isinstance(value, type):
        return _cleaned({name: getattr(value, name) for name in value.__dataclass_fields__})
    if isinstance(value, Mapping):
        return {_cleaned(key): _cleaned(each) for key, each in value.items()}
    return value
