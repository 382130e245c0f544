"""Owns the tests that stay valid where samples come in groups: two models change places in whole groups.

If two models are equally good, then which of them gave which answers says nothing, and in each group the two could as
well have changed places. Groups are independent of each other; nothing is assumed of the samples inside one. So:

- of counts (accuracy, recall), the distribution of the difference over all changes of places is computed exactly;
- of any other figure, it is drawn at random, and the real arrangement is counted among the drawn ones, which keeps the
  test valid however few are drawn.

Source: Fisher (1935), "The Design of Experiments", chapter 3; Phipson & Smyth (2010), "Permutation p-values should
    never be zero".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosight.errors import InvalidInput
from ecosight.seeds import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SWAPS", "sign_flip", "swapped"]

SWAPS = 1999
"""Arrangements that are drawn; with the real one there are 2,000, so p comes in steps of .0005."""
_AS_FAR = 1e-9
_CELLS_A_CHUNK = 4_200_000


def sign_flip(differences: NDArray[Any]) -> float:
    """Two-sided p-value of the sum, over all changes of sign.

    Input: differences, int (groups,), such as samples that the second model got right more than the first.
    Returns: the share of all 2^groups changes of sign whose sum is at least as far from 0; exact up to 1e-12.
    Raises: InvalidInput: they are no whole numbers.
    """
    whole = np.asarray(differences)
    if whole.dtype.kind not in "iu":
        raise InvalidInput("the differences of groups must be whole numbers")
    sizes, often = np.unique(np.abs(whole[whole != 0]).astype(np.int64), return_counts=True)
    if not sizes.size:
        return 1.0
    # The sum of ±d is a random walk: its characteristic function is a product of cosines, and a discrete Fourier
    # transform over more points than the walk can reach gives every probability back.
    reach = int((sizes * often).sum())
    points = 2 * reach + 1
    angle = 2 * np.pi * np.arange(reach + 1) / points
    turned = np.prod([np.cos(angle * size) ** count for size, count in zip(sizes, often, strict=True)], axis=0)
    chances = np.fft.irfft(turned, points)  # index s: sum s; the negative sums follow from the end
    seen = abs(int(whole.sum()))
    beyond = 2 * float(chances[seen : reach + 1].sum()) if seen else 1.0
    least = 2.0 ** (1 - int(often.sum()))  # all signs alike, either way
    return float(min(1.0, max(beyond, least)))


def swapped(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    measure: Callable[[NDArray[np.float64]], dict[str, NDArray[np.float64]]],
    *,
    seed: int,
    swaps: int = SWAPS,
) -> dict[str, float]:
    """Two-sided p-values of differences of figures that are made of sums over samples.

    Args:
        measure: totals (r, columns) -> figures, each (r,).
    Input: first, second, float64 (pools of groups, columns): what each pool adds to the totals of each model.
    Returns: name of a figure -> p; a figure that is undefined is left out.
    """
    rng, far = generator(seed, "comparison", "swaps"), dict[str, int]()
    whole_first, whole_second = first.sum(axis=0), second.sum(axis=0)
    seen = _apart(measure(whole_first[None]), measure(whole_second[None]))
    known = {name: float(value[0]) for name, value in seen.items() if not np.isnan(value[0])}
    chunk = max(1, _CELLS_A_CHUNK // len(first))
    for start in range(0, swaps, chunk):
        rows = min(chunk, swaps - start)
        moved = rng.integers(2, size=(rows, len(first))).astype(np.float64)
        gained = moved @ (second - first)
        drawn = _apart(measure(whole_first + gained), measure(whole_second - gained))
        for name, value in known.items():
            far[name] = far.get(name, 0) + int((np.nan_to_num(drawn[name], nan=np.inf) >= value - _AS_FAR).sum())
    return {name: (1 + count) / (1 + swaps) for name, count in far.items()}


def _apart(
    first: dict[str, NDArray[np.float64]], second: dict[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    return {name: np.abs(second[name] - first[name]) for name in first}
