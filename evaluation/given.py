"""Owns reading what callers hand over to be measured: arrays of numbers, and names of groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosight.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["array_of", "group_names"]


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


def group_names(groups: Iterable[Any]) -> list[str]:
    """Names of groups as text; whole numbers name groups too. Raises: InvalidInput: one is neither."""
    given = list(groups)
    for each in given:
        if not isinstance(each, str | int | np.integer):
            raise InvalidInput(f"the group {each!r} is no name", hint="Take text or a whole number for each sample.")
    return [str(each) for each in given]
