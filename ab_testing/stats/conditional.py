"""Owns the conditional test of shares: given that something happened, to which arm did it happen?

If the arms do not differ, the next bad unit (or label, or unit at all) is of arm j with probability w_j, the arm's
share, whatever the base rate is and however it drifts. The probabilities are therefore known exactly, and a mixture
of likelihood ratios against them is a martingale that starts at 1: it may be looked at after every unit.

Source: Lindon & Malek (2022), "Anytime-valid inference for multinomial count data", arXiv 2011.03567: the Bayes
factor with a Dirichlet prior; the conditioning on events of inhomogeneous Bernoulli processes is theirs as well.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, gammaln

from ab_testing.stats.mixing import Floats, log_threshold
from ecosight.errors import InvalidInput

__all__ = ["log_e_share", "log_e_shares", "optimal_concentration", "share_interval"]


def log_e_share(candidate: ArrayLike, control: ArrayLike, share: float, *, concentration: float = 100.0) -> Floats:
    """ln of the e-value against "an event is the candidate's with probability ``share``", two-sided.

    Args:
        share: of the candidate under the null hypothesis, above 0 and below 1.
        concentration: κ of the Beta(κw, κ(1−w)) mixture. Small finds great differences soon, large finds small
            ones; ``optimal_concentration`` says which for how many events.
    Input: events of the candidate and of the control, any shapes that broadcast; need not be whole.
    Returns: float64, shape of the input.
    Raises: InvalidInput: the share is none.
    """
    if not 0 < share < 1:
        raise InvalidInput(f"a share must lie between 0 and 1, not {share}")
    ours, theirs = np.asarray(candidate, dtype=np.float64), np.asarray(control, dtype=np.float64)
    a, b = concentration * share, concentration * (1 - share)
    found: Floats = betaln(a + ours, b + theirs) - betaln(a, b) - ours * math.log(share) - theirs * math.log1p(-share)
    return found


def log_e_shares(counts: ArrayLike, weights: tuple[float, ...], *, concentration: float = 100.0) -> Floats:
    """ln of the e-value against "units fall on the arms as ``weights`` say", for two arms or more.

    Input: counts, last axis: arms. weights: above 0; they need not sum to 1.
    Returns: float64, shape of the input without its last axis.
    Raises: InvalidInput: a weight is not above 0, or there are not as many as arms.
    """
    seen = np.asarray(counts, dtype=np.float64)
    shares, log_shares, prior, constant = _dirichlet(tuple(weights), concentration)
    if seen.shape[-1:] != shares.shape:
        raise InvalidInput(f"{seen.shape[-1:]} counts do not fit {len(shares)} weights")
    # gammaln of each arm, then of the sum, which is where the shares' normalisation comes in.
    total = gammaln(concentration + seen.sum(axis=-1))
    found: Floats = gammaln(prior + seen).sum(axis=-1) - total - constant - seen @ log_shares
    return found


def optimal_concentration(events: float, alpha: float) -> float:
    """κ whose test is most powerful, to a good approximation, after so many events.

    Source: Howard & Ramdas (2022), arXiv 1906.09712, whose beta-binomial mixture is tuned by
    r = V / (2 ln(1/α) + ln(1 + 2 ln(1/α))) − w(1−w) with V = n·w(1−w); in their terms κ = r / (w(1−w)).
    """
    twice = 2 * log_threshold(alpha)
    return max(1e-3, events / (twice + math.log1p(twice)) - 1)


def share_interval(
    candidate: float, control: float, *, alpha: float, concentration: float = 2.0
) -> tuple[float, float]:
    """Confidence sequence for the candidate's share of events: what no look so far can reject.

    The test of each share θ takes a Beta(κ/2, κ/2) mixture, which does not move with θ, so the interval is where the
    likelihood of θ is within a factor α of the mixture's. Robbins (1970) for κ = 2. Events need not be whole: the
    likelihood ratio is convex, so an outcome between 0 and 1 makes it no larger than one drawn with that probability.
    Returns: (low, high) within [0, 1].
    """
    if candidate + control == 0:
        return 0.0, 1.0
    a = concentration / 2
    level = float(betaln(a + candidate, a + control) - betaln(a, a)) - log_threshold(alpha)
    return _edge(candidate, control, level, upper=False), _edge(candidate, control, level, upper=True)


@lru_cache(maxsize=256)
def _dirichlet(weights: tuple[float, ...], concentration: float) -> tuple[Floats, Floats, Floats, float]:
    shares = np.asarray(weights, dtype=np.float64)
    if shares.ndim != 1 or len(shares) < 2 or not (shares > 0).all():
        raise InvalidInput(f"weights must be of two arms or more and above 0, not {weights}")
    shares = shares / shares.sum()
    prior = concentration * shares
    constant = float(gammaln(prior).sum() - gammaln(concentration))
    return shares, np.log(shares), prior, constant


def _edge(candidate: float, control: float, level: float, *, upper: bool) -> float:
    """Where k ln θ + j ln(1−θ) falls to ``level`` on one side of its peak. Bisection; ends on the outer side."""
    peak = candidate / (candidate + control)
    inner, outer = peak, 1.0 if upper else 0.0
    for _ in range(50):
        middle = (inner + outer) / 2
        if middle in (0.0, 1.0) or middle in (inner, outer):
            break
        likelihood = candidate * math.log(middle) + control * math.log1p(-middle)
        inner, outer = (middle, outer) if likelihood > level else (inner, middle)
    return outer
