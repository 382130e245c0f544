"""Owns reading what callers hand over to be measured: arrays of numbers, and names of groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosight.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["array_of", "check_groups"]


def array_of(values: Any, what: str) -> NDArray[Any]:
    """Numbers (or truth values) as an array of their own type. Raises: InvalidInput: it is text, or rows differ."""
    try:
        found = np.asarray(values)
        if found.dtype.kind == "O":
            found = found.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{what}: rows differ in length, or hold other than numbers") from error
    if found.dtype.kind not in "biuf":
        raise InvalidInput(f"{what}: these are no numbers")
    return found


def check_groups(groups: Sequence[str]) -> None:
    """Raises: InvalidInput: a group is no text."""
    wrong = [each for each in groups if not isinstance(each, str)][:1]
    if wrong:
        raise InvalidInput(f"the group {wrong[0]!r} is no text", hint="Groups are names: take str(group) of each.")
