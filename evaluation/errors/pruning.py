"""Owns which of several bad parts are worth telling: those that say more than the ones before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.errors.candidates import Candidate
    from evaluation.errors.shuffling import Studentised

__all__ = ["telling_more"]

_CLEAR = 2.0
"""Standard errors from which on a difference is told. Nothing is called bad here that the search did not call bad, so
this limit decides how much is told, not how often it is wrong."""


def telling_more(parts: Sequence[Candidate], studentised: Studentised) -> list[Candidate]:
    """Go through bad parts, worst first, and keep each one that the kept ones do not explain.

    A part inside a kept one must be clearly worse than the rest of it. What a part does not share with kept ones must
    be clearly worse than what is in neither.
    """
    kept: list[tuple[Candidate, NDArray[np.bool_]]] = []
    for part in parts:
        rows = np.zeros(studentised.wrong.size, bool)
        rows[part.rows] = True
        around = [whole for _, whole in kept if not (rows & ~whole).any()]
        beside = [whole for _, whole in kept if (rows & ~whole).any()]
        if all(_clearly_worse(rows, whole & ~rows, studentised) for whole in around) and _own(
            rows, beside, studentised
        ):
            kept.append((part, rows))
    return [part for part, _ in kept]


def _own(rows: NDArray[np.bool_], beside: Sequence[NDArray[np.bool_]], studentised: Studentised) -> bool:
    """Whether what is in none of the others is bad too."""
    if not any((rows & other).any() for other in beside):
        return True
    others = np.any(beside, axis=0)
    return _clearly_worse(rows & ~others, ~rows & ~others, studentised)


def _clearly_worse(one: NDArray[np.bool_], other: NDArray[np.bool_], studentised: Studentised) -> bool:
    """Whether the share of mistakes differs by more than two standard errors, groups counted as clusters."""
    if not one.any():
        return False
    if not other.any():
        return True
    wrong = studentised.wrong
    both = float(wrong[one | other].mean())
    variance = both * (1 - both) * (_per_sample(one, studentised) + _per_sample(other, studentised))
    return bool(wrong[one].mean() - wrong[other].mean() > _CLEAR * np.sqrt(variance))


def _per_sample(rows: NDArray[np.bool_], studentised: Studentised) -> float:
    sizes = np.unique(studentised.groups[rows], return_counts=True)[1]
    return float((sizes * (1 + (sizes - 1) * studentised.rho)).sum()) / float(sizes.sum()) ** 2
