"""Owns planning: how many units a fixed-horizon test needs, and what it can find with those it has.

``share`` is the candidate's share of the units; n is of both arms together, rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import stats
from scipy.special import ndtr, ndtri

from ecosight.errors import InvalidInput

__all__ = ["means_n", "means_power", "pairs_n", "rates_n", "rates_power"]


def means_power(n: float, effect: float, sd: float, *, alpha: float = 0.05, share: float = 0.5) -> float:
    """Power of a two-sided t-test with ``n`` units, for a difference ``effect`` at standard deviation ``sd``.

    Exact by the noncentral t distribution; the rejection on the wrong side is left out, as in R's power.t.test.
    """
    control, candidate = n * (1 - share), n * share
    freedom = n - 2
    if min(control, candidate) <= 1:
        return 0.0
    noncentral = abs(effect) / sd / math.sqrt(1 / control + 1 / candidate)
    return float(stats.nct.sf(stats.t.isf(alpha / 2, freedom), freedom, noncentral))


def means_n(effect: float, sd: float, *, alpha: float = 0.05, power: float = 0.8, share: float = 0.5) -> int:
    """Units that a t-test needs to find a difference ``effect``.

    Raises: InvalidInput: no difference, no spread, or shares and rates out of range.
    """
    _check(alpha, power, share)
    if effect == 0 or sd <= 0:
        raise InvalidInput(f"no number of units shows a difference of {effect} at a standard deviation of {sd}")
    return _least(lambda n: means_power(n, effect, sd, alpha=alpha, share=share) >= power)


def rates_power(n: float, control: float, candidate: float, *, alpha: float = 0.05, share: float = 0.5) -> float:
    """Power of the two-sided chi-square test of two rates, by the normal approximation.

    Source: Fleiss, Levin & Paik, "Statistical methods for rates and proportions", without continuity correction; for
    equal arms R's power.prop.test.
    """
    pooled = (1 - share) * control + share * candidate
    under_null = math.sqrt(pooled * (1 - pooled) * (1 / (1 - share) + 1 / share))
    apart = math.sqrt(control * (1 - control) / (1 - share) + candidate * (1 - candidate) / share)
    if apart == 0:
        return 1.0
    return float(ndtr((math.sqrt(n) * abs(candidate - control) + float(ndtri(alpha / 2)) * under_null) / apart))


def rates_n(control: float, candidate: float, *, alpha: float = 0.05, power: float = 0.8, share: float = 0.5) -> int:
    """Units that a chi-square test needs to tell two rates apart.

    Raises: InvalidInput: the rates are equal, or something is out of range.
    """
    _check(alpha, power, share)
    if control == candidate or not (0 <= control <= 1 and 0 <= candidate <= 1):
        raise InvalidInput(f"no number of units tells rates of {control} and {candidate} apart")
    return _least(lambda n: rates_power(n, control, candidate, alpha=alpha, share=share) >= power)


def pairs_n(difference: float, discordant: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Pairs that McNemar's test needs to find a difference of accuracies at a share ``discordant`` of discordant pairs.

    Raises: InvalidInput: no difference, or more difference than discordance.
    Source: Connor (1987), "Sample size for testing differences in proportions for the paired-sample design".
    """
    _check(alpha, power, 0.5)
    if not 0 < abs(difference) <= discordant <= 1:
        raise InvalidInput(f"a difference of {difference} is not possible with {discordant} discordant pairs")
    z_alpha, z_beta = -float(ndtri(alpha / 2)), float(ndtri(power))
    spread = z_alpha * math.sqrt(discordant) + z_beta * math.sqrt(max(0.0, discordant - difference**2))
    return math.ceil((spread / difference) ** 2)


def _check(alpha: float, power: float, share: float) -> None:
    if not (0 < alpha < 1 and alpha < power < 1 and 0 < share < 1):
        raise InvalidInput(
            f"alpha {alpha}, power {power} and share {share} must lie between 0 and 1, power above alpha"
        )


def _least(enough: Callable[[int], bool]) -> int:
    """The least whole number of units that is enough, of a property that stays once it holds."""
    low, high = 3, 4
    while not enough(high):
        low, high = high, high * 2
        if high > 10**12:
            raise InvalidInput("no feasible number of units has that power")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
