"""Owns turning one row of an annotation file into a value: what is wrong with it skips it, with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dataset.labels import check_group, check_label
from dataset.readers.values import Found, Skipped
from ecosight.errors import InvalidInput

__all__ = ["checked", "row"]


def row(path: Path, place: str, make: Callable[[], Found]) -> Found | Skipped:
    """What ``make`` gives; or why it could not, with the annotation file and the place (``line 3``) in it."""
    try:
        return checked(make())
    except InvalidInput as error:
        return Skipped(path=path, reason=f"{place}: {error.message}")


def checked(found: Found) -> Found:
    """Raises: InvalidInput: the label or the group is none that can be stored."""
    for label in (found.label, *found.others):
        check_label(label)
    if found.group is not None:
        check_group(found.group)
    return found
