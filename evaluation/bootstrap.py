"""Owns the groups of a test part and drawing them with replacement, as weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosight.errors import InvalidInput
from ecosight.seeds import generator
from evaluation.estimates import Support

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_POOLS", "Groups", "group_weights"]

MOST_POOLS = 4096
"""More groups than this are resampled in pools of several: it bounds memory and time, and the standard error of a
figure stays known to 1 part in 90."""
_CELLS_A_CHUNK = 4_200_000
"""Bounds the memory of one chunk of weights to 34 MB."""


class Groups:
    """Which group each sample is of, and the pools of groups that are drawn.

    Up to ``MOST_POOLS`` groups, each is a pool of its own. More are dealt out at random, as evenly as possible: sums
    over such pools are as independent as the groups are, so the spread of a total is the same ("random groups").

    Args:
        names: the group of each sample.
    Attributes:
        names: the distinct names, sorted. index: int64 (n,), position of each sample's group in it.
        pools: how many pools there are. pool: int64 (n,), the pool of each sample.
    Source: Wolter (2007), "Introduction to Variance Estimation", chapter 2.
    """

    def __init__(self, names: Sequence[str], *, seed: int) -> None:
        found, index = np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)
        self.names: list[str] = [str(name) for name in found]
        self.index: NDArray[np.int64] = index.astype(np.int64)
        self.pools = min(len(self.names), MOST_POOLS)
        self.pool = self.index
        if len(self.names) > MOST_POOLS:
            dealt = generator(seed, "bootstrap", "pools").permutation(len(self.names)) % MOST_POOLS
            self.pool = dealt[self.index]

    def __len__(self) -> int:
        return len(self.names)

    def count(self, mask: NDArray[np.bool_]) -> int:
        """Groups with at least one sample of the mask, bool (n,)."""
        return int(np.unique(self.index[mask]).size)

    def support(self, samples: NDArray[np.bool_] | NDArray[np.int64] | None = None) -> Support:
        """What a figure over some samples rests on: a mask, or their positions; None: over all."""
        size = np.bincount(self.index if samples is None else self.index[samples]).astype(np.float64)
        return Support.of_sizes(size[size > 0])

    def sums(self, columns: int, column: NDArray[Any], weight: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """Sums by pool and column, float64 (pools, columns); each sample adds its weight (or 1) to its column."""
        flat = np.bincount(self.pool * columns + column, weights=weight, minlength=self.pools * columns)
        return flat.reshape(self.pools, columns).astype(np.float64)


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
