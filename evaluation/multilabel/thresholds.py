"""Owns choosing at which probability a label is said; to be done on a validation part, never on the test part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.curves import best_threshold, count_by_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["choose_thresholds"]


def choose_thresholds(truth: NDArray[Any], probabilities: NDArray[Any], *, default: float = 0.5) -> NDArray[np.float64]:
    """For each label the threshold with the best F1; of equals the highest.

    Args:
        default: for labels that are never there.
    Input: truth, 0 or 1, (n, c). probabilities, float (n, c), 0 to 1.
    Returns: float64 (c,); a label is said where its probability is at least that.
    """
    there, table = np.asarray(truth).astype(bool), np.asarray(probabilities, dtype=np.float64)
    best = [best_threshold(count_by_threshold(there[:, c], table[:, c])) for c in range(table.shape[1])]
    return np.array([default if each is None else each for each in best], dtype=np.float64)
