"""Owns the figures of a test part beside those of each resample of its groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from evaluation.estimates import UNDEFINED, Estimate, Kind, Support, estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Spread", "kind_of"]


def kind_of(name: str) -> Kind:
    """The scale of a figure, by its name."""
    if name in ("log_loss", "brier"):
        return "loss"
    return "calibration" if name.endswith("ece") else "share"


class Spread:
    """Named figures with their resamples.

    Input: value, each (1,) or (1, c), NaN where undefined. resampled, the same names in chunks, each (r,) or (r, c).
        floors, of calibration errors, see ``estimate``.
    """

    def __init__(
        self,
        value: Mapping[str, NDArray[np.float64]],
        resampled: Iterable[Mapping[str, NDArray[np.float64]]],
        floors: Mapping[str, float] | None = None,
    ) -> None:
        chunks = list(resampled)
        self._value, self._floors = value, floors or {}
        self._spread = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in value}

    def of(self, name: str, support: Support, column: int | None = None, kind: Kind | None = None) -> Estimate:
        """The figure with its interval; ``column`` picks a class, ``kind`` is that of the name where it is not told.

        Unknown names are undefined.
        """
        if name not in self._value:
            return UNDEFINED
        value, spread = self._value[name], self._spread[name]
        if column is not None:
            value, spread = value[:, column], spread[:, column]
        return estimate(float(value[0]), spread, support, kind or kind_of(name), floor=self._floors.get(name))
