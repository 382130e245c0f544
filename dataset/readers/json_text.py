"""Owns reading JSON of others: one sentence with the line where it is damaged, and values of the expected type."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from dataset.readers.encoded import encoding_of
from ecosight.errors import InvalidInput

__all__ = ["listed", "load_json", "mapped", "number", "text"]


def load_json(path: Path) -> Any:
    """What a JSON file holds. Raises: InvalidInput: it cannot be read, is cut off, or is no JSON."""
    try:
        return json.loads(path.read_text(encoding_of(path)), parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"{path.name} is no whole JSON file: line {error.lineno}, column {error.colno}: {error.msg}",
            hint="Was it cut off on its way? Export it again.",
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name} is not UTF-8 text", hint="Export it again as UTF-8.") from error
    except RecursionError as error:
        raise InvalidInput(f"{path.name} is nested too deep to be read", hint="Is it an annotation file?") from error
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path.name} cannot be read: {error}", hint="Is it an annotation file?") from error


def number(value: Any, what: str) -> float:
    """A finite number. Raises: InvalidInput: it is none."""
    if isinstance(value, str):  # XML, and the numbers that some exporters quote
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{what} is no number")
    try:
        found = float(value)
    except OverflowError:  # an integer of JSON may have any length
        raise InvalidInput(f"{what} is too large a number") from None
    if not math.isfinite(found):
        raise InvalidInput(f"{what} is no number")
    return found


def text(value: Any, what: str) -> str:
    """A text that is not empty. Raises: InvalidInput."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{what} is missing")
    return value.strip()


def mapped(value: Any, what: str) -> dict[str, Any]:
    """A JSON object. Raises: InvalidInput."""
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} is no JSON object")
    return value


def listed(value: Any, what: str) -> list[Any]:
    """A JSON array. Raises: InvalidInput."""
    if not isinstance(value, list):
        raise InvalidInput(f"{what} is no list")
    return value


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
