"""Owns corrections for looking at many slices, metrics or arms at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ab_testing.stats.mixing import log_threshold

__all__ = ["bonferroni", "e_benjamini_hochberg", "e_bonferroni"]


def bonferroni(alpha: float, tests: int) -> float:
    """The α of each of so many tests of which none may reject wrongly."""
    return alpha / max(1, tests)


def e_benjamini_hochberg(log_e: ArrayLike, *, alpha: float = 0.05) -> NDArray[np.bool_]:
    """Which of n e-values to believe so that at most a share α of those is wrong, however they depend on each other.

    Holds at one look, chosen as one likes. What is believed here may fall back at a later look when other slices
    change: where "ever" must hold (a rollback latches), use ``e_bonferroni``.
    Source: Wang & Ramdas (2022), "False discovery rate control with e-values", arXiv 2009.02824; the limit to one
    look: Tavyrikov, Goeman & de Heide (2025), arXiv 2501.19360.
    """
    values = np.asarray(log_e, dtype=np.float64)
    n = values.size
    order = np.argsort(-values, kind="stable")
    enough = np.flatnonzero(values[order] >= np.log(n / (alpha * np.arange(1, n + 1))))
    believed = np.zeros(n, dtype=np.bool_)
    if enough.size:
        believed[order[: enough[-1] + 1]] = True
    return believed


def e_bonferroni(log_e: ArrayLike, *, alpha: float = 0.05) -> NDArray[np.bool_]:
    """Which of n e-processes to believe so that, over all looks, with probability 1 − α none is believed wrongly."""
    values = np.asarray(log_e, dtype=np.float64)
    believed: NDArray[np.bool_] = values >= log_threshold(alpha) + np.log(max(1, values.size))
    return believed
