"""Owns the test of a ratio of rates with a margin: is the candidate worse, or surely not worse, by that factor?

With share w and a ratio ρ of the candidate's rate to the control's, the next bad unit is the candidate's with
probability θ(ρ) = wρ/(wρ + 1−w), whatever the base rate is. Each ρ of a fixed grid bets against the margin's θ at
every stage of the split, with the share that held there; the weighted mean over the grid is the e-value:

    E = Σ_k v_k Π_s (θ_sk/θ_s0)^(candidate bad) · ((1−θ_sk)/(1−θ_s0))^(control bad)

A factor's expectation rises with the true ratio and is 1 at the margin, so E is a supermartingale under every ratio on
the margin's own side, even one that changes all the time. Pooling stages would not do: when the base rate drifts while
the share grows, a pooled test finds differences that are not there.

Source: the conditional probability and the mixture are of Lindon & Malek (2022), arXiv 2011.03567; the composite,
one-sided null is the argument above (tests enumerate it).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ab_testing.stats.mixing import Floats, log_mean_exp, log_threshold
from ecosight.errors import InvalidInput

__all__ = ["log_e_not_worse", "log_e_worse", "rate_ratio", "ratio_interval", "soft_trip"]

GRID_SIZE = 40
WORST_RATIO = 200.0
"""A candidate that fails on every unit beside a control at .5%."""
SOUGHT_RATIO = 5.0
SOUGHT_WITHIN = 0.9
"""Weights v of the ratios of harm: a bell over ln ρ with its middle at five times the rate, and this standard
deviation. Total failure shows in seconds whatever its weight, and little harm takes long whatever its weight; where a
weight matters is between. Any weights that are fixed beforehand are valid. With equal weights, four times the errors
take a tenth longer to find."""
EQUAL = math.inf
"""As ``SOUGHT_WITHIN``: all weights alike."""
FIRST_STEP = 1.2
"""The mildest alternative lies a fifth above the margin: nearer ones would take longer than any rollout lasts."""
BEST_RATIO = 0.5
NEAREST_TO_MARGIN = 0.5
"""The alternative nearest to a margin that is to be ruled out lies half-way (in logarithms) between it and 1."""
_SHOWN = np.exp(np.linspace(-math.log(1000.0), math.log(1000.0), 801))


def log_e_worse(
    control_bad: ArrayLike,
    candidate_bad: ArrayLike,
    shares: tuple[float, ...],
    *,
    margin: float = 0.25,
    worst_ratio: float = WORST_RATIO,
) -> Floats:
    """ln of the e-value against "the candidate's rate is at most 1 + ``margin`` times the control's".

    Args:
        shares: the candidate's share at each stage.
        margin: 0 or more.
        worst_ratio: the largest alternative of the grid.
    Input: bad units, last axis: stages; need not be whole.
    Returns: float64, shape of the input without its last axis.
    Raises: InvalidInput: margin, grid or shapes do not fit.
    """
    if not (margin >= 0 and FIRST_STEP * (1 + margin) < worst_ratio < math.inf):
        raise InvalidInput(f"a margin of {margin} leaves no ratio up to {worst_ratio} to look for")
    first = FIRST_STEP * (1 + margin)
    return _log_e(control_bad, candidate_bad, tuple(shares), 1 + margin, first, worst_ratio, SOUGHT_WITHIN)


def log_e_not_worse(
    control_bad: ArrayLike, candidate_bad: ArrayLike, shares: tuple[float, ...], *, margin: float = 0.1
) -> Floats:
    """ln of the e-value against "the candidate's rate is at least 1 + ``margin`` times the control's".

    The mirror of ``log_e_worse``: it grows while the candidate is not worse by so much.
    Raises: InvalidInput: the margin is not above 0, or shapes do not fit.
    """
    if not 0 < margin < math.inf:
        raise InvalidInput(f"a margin must be above 0 and finite, not {margin}: equality can never be shown")
    return _log_e(
        control_bad, candidate_bad, tuple(shares), 1 + margin, BEST_RATIO, (1 + margin) ** NEAREST_TO_MARGIN, EQUAL
    )


def rate_ratio(control_bad: ArrayLike, candidate_bad: ArrayLike, shares: tuple[float, ...]) -> Floats:
    """The candidate's rate over the control's, adjusted for the stages.

    Returns: float64, shape of the input without its last axis; infinite where only the candidate has bad units,
        NaN where there are none.
    Source: Mantel & Haenszel's ratio of rates (Rothman & Greenland, Modern Epidemiology), with the shares as exposure.
    """
    share = np.asarray(shares, dtype=np.float64)
    ours = np.asarray(candidate_bad, dtype=np.float64) @ (1 - share)
    theirs = np.asarray(control_bad, dtype=np.float64) @ share
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Floats = np.divide(ours, theirs)
    return ratio


def ratio_interval(
    control_bad: ArrayLike, candidate_bad: ArrayLike, shares: tuple[float, ...], *, alpha: float
) -> tuple[float, float]:
    """Confidence sequence for the ratio of rates: all ratios that no look so far can reject.

    Input: bad units, float (stages,).
    Returns: (low, high); 0 and infinity where there is no bound yet. Rounded outwards to steps of 1.7%.
    """
    ours, theirs = np.asarray(candidate_bad, dtype=np.float64), np.asarray(control_bad, dtype=np.float64)
    log_candidate, log_control = _shown(tuple(shares))
    likelihood: Floats = ours @ log_candidate + theirs @ log_control
    inside = np.flatnonzero(likelihood > float(log_mean_exp(likelihood)) - log_threshold(alpha))
    low, high = int(inside[0]), int(inside[-1])
    return (
        0.0 if low == 0 else float(_SHOWN[low - 1]),
        math.inf if high == len(_SHOWN) - 1 else float(_SHOWN[high + 1]),
    )


def soft_trip(
    log_e: ArrayLike,
    effect: ArrayLike,
    candidate_bad: ArrayLike,
    *,
    alpha: float = 0.01,
    min_effect: float = 1.25,
    min_bad: int = 5,
) -> NDArray[np.bool_]:
    """Whether to roll back: evidence, an effect that matters, and more than a handful of bad units."""
    sure = np.asarray(log_e) >= log_threshold(alpha)
    tripped: NDArray[np.bool_] = sure & (np.asarray(effect) >= min_effect) & (np.asarray(candidate_bad) >= min_bad)
    return tripped


def _log_e(
    control_bad: ArrayLike,
    candidate_bad: ArrayLike,
    shares: tuple[float, ...],
    null: float,
    low: float,
    high: float,
    within: float,
) -> Floats:
    ours, theirs = np.asarray(candidate_bad, dtype=np.float64), np.asarray(control_bad, dtype=np.float64)
    if ours.shape[-1:] != (len(shares),) or theirs.shape[-1:] != (len(shares),):
        raise InvalidInput(f"bad units of {ours.shape} and {theirs.shape} do not fit {len(shares)} stages")
    if not shares:
        return np.zeros(ours.shape[:-1])
    bad_candidate, bad_control, log_weights = _bets(shares, null, low, high, within)
    return log_mean_exp(ours @ bad_candidate + theirs @ bad_control + log_weights)


@lru_cache(maxsize=256)
def _bets(
    shares: tuple[float, ...], null: float, low: float, high: float, within: float
) -> tuple[Floats, Floats, Floats]:
    """ln of what each ρ's bet becomes with a bad unit of the candidate, and of the control: (stages, K); ln K·v_k.

    Neither the grid nor its weights depend on the shares: a mixture that changed with a stage would be no martingale.
    """
    ratios = np.exp(np.linspace(math.log(low), math.log(high), GRID_SIZE))
    log_candidate, log_control = _log_probabilities(shares, ratios)
    null_candidate, null_control = _log_probabilities(shares, np.array([null]))
    weights = np.exp(-0.5 * (np.log(ratios / SOUGHT_RATIO) / within) ** 2)
    return log_candidate - null_candidate, log_control - null_control, np.log(weights / weights.mean())


@lru_cache(maxsize=256)
def _shown(shares: tuple[float, ...]) -> tuple[Floats, Floats]:
    return _log_probabilities(shares, _SHOWN)


def _log_probabilities(shares: tuple[float, ...], ratios: Floats) -> tuple[Floats, Floats]:
    """ln θ and ln(1−θ), (stages, ratios)."""
    share = np.asarray(shares, dtype=np.float64)[:, None]
    if not ((share > 0) & (share < 1)).all():
        raise InvalidInput(f"shares must lie between 0 and 1: {shares}")
    whole = share * ratios + 1 - share
    return np.log(share * ratios / whole), np.log((1 - share) / whole)
