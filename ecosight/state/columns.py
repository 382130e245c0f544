"""Column types that behave the same on SQLite and PostgreSQL, and JSON that both accept."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from ecosight.text import storable

__all__ = ["PlainText", "Sequence", "UtcDateTime", "to_json"]

Sequence = BigInteger().with_variant(Integer, "sqlite")
"""A growing row number: SQLite grows only a column that is INTEGER to the letter."""


class UtcDateTime(TypeDecorator[datetime]):
    """Aware moments in, aware UTC out; a naive one is refused before it is stored."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        # SQLite keeps no zone; what was bound was UTC.
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class PlainText(TypeDecorator[str]):
    """Text from outside: file names and client keys may hold what a database cannot.

    PostgreSQL refuses NUL, and both refuse the lone surrogates by which Python spells undecodable file names.
    Each becomes U+FFFD, since a strange name must not make a good recording unacceptable.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


def to_json(value: Any) -> str:
    """JSON that every parser accepts: NaN and infinities, which JSON has no word for, become null."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value
