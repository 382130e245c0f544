"""What the simulations share: rejections of many runs at once, and exact enumeration for small numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@pytest.fixture(scope="session")
def first_crossing() -> Callable[..., Floats]:
    """When each run was first at or above a limit: (runs, looks) to (runs,), infinite where never."""

    def find(log_e: Floats, limit: float, looks: Any) -> Floats:
        hit = log_e >= limit
        found: Floats = np.asarray(looks, dtype=np.float64)[hit.argmax(axis=1)]
        found[~hit.any(axis=1)] = np.inf
        return found

    return find


@pytest.fixture(scope="session")
def in_chunks() -> Callable[..., Floats]:
    """Call a function of arrays on 100 runs at a time: its grid would not fit into memory for all of them."""

    def call(function: Callable[..., Floats], *arrays: Any) -> Floats:
        return np.concatenate(
            [function(*(each[start : start + 100] for each in arrays)) for start in range(0, len(arrays[0]), 100)]
        )

    return call


@pytest.fixture(scope="session")
def sequences() -> Callable[..., Iterator[tuple[tuple[int, ...], float]]]:
    """Every sequence of n outcomes, as counts of each outcome, with its probability."""

    def enumerate_all(probabilities: list[float], n: int) -> Iterator[tuple[tuple[int, ...], float]]:
        kinds = range(len(probabilities))
        for outcome in product(kinds, repeat=n):
            chance = float(np.prod([probabilities[each] for each in outcome]))
            yield tuple(outcome.count(kind) for kind in kinds), chance

    return enumerate_all
