"""Owns betting on non-inferiority: is the candidate's accuracy not lower than the control's by more than a margin m?

Against H0: E[d] ≤ −m, a stake λ multiplies the wealth by 1 + λ(d + m), whose expectation is at most 1 under H0 and
which never falls below 0 for λ up to 1/(−min d − m). The mean wealth over a fixed grid of λ is the e-value. d takes
few values, so their counts are all there is to remember.

Paired (both models answered): d = candidate right − control right.
Unpaired (each unit saw one arm, the candidate with probability w): d = [control's and wrong]/(1−w) −
[candidate's and wrong]/w. Its expectation is the difference of accuracies at the time of the unit, whatever the
base rate does (Horvitz & Thompson); matching the i-th answer of one arm with the i-th of the other would not have
that property, since the smaller arm's i-th answer comes later.

Source: Waudby-Smith & Ramdas (2024), "Estimating means of bounded random variables by betting", arXiv 2010.09686
(capital process, mixture over a grid of constant bets).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from ab_testing.stats.mixing import Floats, log_mean_exp
from ecosight.errors import InvalidInput

__all__ = ["arms_log_e_not_worse", "arms_log_e_worse", "paired_log_e_not_worse", "paired_log_e_worse"]

GRID_SIZE = 40
SMALLEST_STAKE = 0.005
"""Where there is no margin. With a margin m no stake below m pays: the best one is mean/variance of d + m, the mean is
m for equal models, and the variance of a paired d is at most 1 (unpaired, in shares of the largest stake: m/2)."""
LARGEST_STAKE = 0.9
"""Stakes are shares of the largest stake that cannot ruin; the whole of it would."""


def paired_log_e_not_worse(minus: ArrayLike, zero: ArrayLike, plus: ArrayLike, *, margin: float = 0.01) -> Floats:
    """ln of the e-value against "the candidate's accuracy is lower by ``margin`` or more".

    Args:
        margin: 0 ≤ m < .5, a difference of accuracies.
    Input: how often the difference was −1, 0 and 1; any shapes that broadcast; need not be whole.
    Returns: float64, shape of the input.
    Raises: InvalidInput: the margin is none.
    """
    return _paired(minus, zero, plus, margin, 1.0)


def paired_log_e_worse(minus: ArrayLike, zero: ArrayLike, plus: ArrayLike, *, margin: float = 0.01) -> Floats:
    """ln of the e-value against "the candidate's accuracy is lower by at most ``margin``": it grows with harm."""
    return _paired(minus, zero, plus, margin, -1.0)


def arms_log_e_not_worse(
    right: ArrayLike,
    control_wrong: ArrayLike,
    candidate_wrong: ArrayLike,
    shares: tuple[float, ...],
    *,
    margin: float = 0.01,
) -> Floats:
    """ln of the e-value against "the candidate's accuracy is lower by ``margin`` or more", arms apart.

    Args:
        shares: the candidate's share at each stage.
    Input: units whose label says right (of both arms together), wrong in the control and wrong in the candidate;
        last axis: stages. Units of the candidate that wait for their label belong to ``candidate_wrong`` as long as
        labels of wrong answers may come later than others; those of the control may be left out.
    Returns: float64, shape of the input without its last axis.
    Raises: InvalidInput: the margin is none.
    """
    return _arms(right, control_wrong, candidate_wrong, tuple(shares), margin, 1.0)


def arms_log_e_worse(
    right: ArrayLike,
    control_wrong: ArrayLike,
    candidate_wrong: ArrayLike,
    shares: tuple[float, ...],
    *,
    margin: float = 0.01,
) -> Floats:
    """ln of the e-value against "the candidate's accuracy is lower by at most ``margin``", arms apart."""
    return _arms(right, control_wrong, candidate_wrong, tuple(shares), margin, -1.0)


def _paired(minus: ArrayLike, zero: ArrayLike, plus: ArrayLike, margin: float, side: float) -> Floats:
    of_minus, of_zero, of_plus = _factors((-1.0, 0.0, 1.0), margin, side, margin or SMALLEST_STAKE)
    lost, same, won = (np.asarray(each, dtype=np.float64)[..., None] for each in (minus, zero, plus))
    return log_mean_exp(lost * of_minus + same * of_zero + won * of_plus)


def _arms(
    right: ArrayLike,
    control_wrong: ArrayLike,
    candidate_wrong: ArrayLike,
    shares: tuple[float, ...],
    margin: float,
    side: float,
) -> Floats:
    fine, theirs, ours = (np.asarray(each, dtype=np.float64) for each in (right, control_wrong, candidate_wrong))
    if not shares:
        return np.zeros(fine.shape[:-1])
    # The grid of stakes is one for all stages: each stake is a share of what its stage allows.
    of_candidate, of_right, of_control = _stage_factors(shares, margin, side)
    return log_mean_exp(ours @ of_candidate + fine @ of_right + theirs @ of_control)


@lru_cache(maxsize=256)
def _stage_factors(shares: tuple[float, ...], margin: float, side: float) -> tuple[Floats, Floats, Floats]:
    """(stages, K) each."""
    if not all(0 < share < 1 for share in shares):
        raise InvalidInput(f"shares must lie between 0 and 1: {shares}")
    least = margin / 2 or SMALLEST_STAKE
    stages = [_factors((-1 / share, 0.0, 1 / (1 - share)), margin, side, least) for share in shares]
    low, none, high = (np.array(column) for column in zip(*stages, strict=True))
    return low, none, high


@lru_cache(maxsize=256)
def _factors(values: tuple[float, ...], margin: float, side: float, least: float) -> tuple[Floats, ...]:
    """ln(1 ± λ(d + m)) for each value of d, lowest first: float64 (K,)."""
    if not 0 <= margin < 0.5:
        raise InvalidInput(f"a margin of accuracy must be at least 0 and below 0.5, not {margin}")
    worst = -values[0] - margin if side > 0 else values[-1] + margin
    stakes = np.exp(np.linspace(math.log(least), math.log(LARGEST_STAKE), GRID_SIZE)) / worst
    return tuple(np.log1p(side * stakes * (value + margin)) for value in values)
