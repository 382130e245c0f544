"""Owns turning one row of an annotation file into a value: what is wrong with it skips it, with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from dataset.labels import check_group, check_label
from dataset.readers.tables import SURPLUS
from dataset.readers.values import Found, Skipped
from ecosight.errors import InvalidInput

__all__ = ["checked", "row", "table_row"]


def row(path: Path, place: str, make: Callable[[], Found]) -> Found | Skipped:
    """What ``make`` gives; or why it could not, with the annotation file and the place (``line 3``) in it."""
    try:
        return checked(make())
    except InvalidInput as error:
        return Skipped(path=path, reason=f"{place}: {error.message}")


def table_row(path: Path, line: int, cells: Mapping[str, str], make: Callable[[], Found]) -> Found | Skipped:
    """``row`` for a row of a table: one that does not fit its columns is skipped, since all in it may be shifted."""
    if SURPLUS in cells:
        return Skipped(path=path, reason=f"line {line}: more fields than columns (a comma without quotes?)")
    return row(path, f"line {line}", make)


def checked(found: Found) -> Found:
    """Raises: InvalidInput: the label or the group is none that can be stored."""
    for label in (found.label, *found.others):
        check_label(label)
    if found.group is not None:
        check_group(found.group)
    return found
