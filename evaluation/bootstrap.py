"""Owns resampling groups with replacement, as weights, and reading intervals off the resamples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ecosight.errors import InvalidInput
from ecosight.seeds import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["COVERAGE", "group_weights", "interval"]

COVERAGE = 0.95
_CELLS_A_CHUNK = 4_000_000
"""Bounds the memory of one chunk of weights to 32 MB, whatever the number of groups."""


def group_weights(groups: int, resamples: int, *, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each group was drawn in each resample, in chunks of resamples.

    Args:
        groups: how many groups there are; each resample draws as many, with replacement.
        seed: the same seed draws the same.
    Yields: float64 (chunk, groups); rows sum to ``groups``.
    Raises: InvalidInput: fewer than one resample.
    """
    if resamples < 1:
        raise InvalidInput(f"{resamples} resamples give no interval", hint="Use 1000.")
    rng = generator(seed, "bootstrap", "groups")
    chunk = max(1, _CELLS_A_CHUNK // groups)
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        drawn = rng.integers(groups, size=(rows, groups))
        drawn += np.arange(rows)[:, None] * groups
        yield np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups).astype(np.float64)


def interval(resampled: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """The 95% percentile interval of one figure over its resamples; those where it is undefined (NaN) are left out."""
    defined = resampled[~np.isnan(resampled)]
    if defined.size == 0:
        return None, None
    low, high = np.quantile(defined, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)
