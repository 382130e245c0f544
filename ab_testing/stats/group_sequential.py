"""Owns a few looks before a known end: O'Brien-Fleming boundaries by spending α.

α is spent as a function of the share of the planned units that was seen, so looks need not be equally far apart nor
be planned; they must not be chosen by what was seen. Early looks need overwhelming evidence, the last one hardly more
than a fixed-horizon test.

Source: O'Brien & Fleming (1979); Lan & DeMets (1983), "Discrete sequential boundaries for clinical trials": spending
2 − 2Φ(z(α/2)/√t), for each side with half of α (as in their programs: two-sided boundaries are two one-sided ones);
the recursive integration is Armitage, McPherson & Rowe's (1969), as in Jennison & Turnbull (1999), chapter 19.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from ab_testing.stats.mixing import Floats
from ecosight.errors import InvalidInput

__all__ = ["obrien_fleming_boundaries", "spent"]

_POINTS = 401
_INFINITE = 12.0
"""A boundary in z-scores that nothing crosses."""


def spent(share: float, alpha: float) -> float:
    """How much of a two-sided α may be spent when ``share`` of the planned units was seen."""
    if share <= 0:
        return 0.0
    return float(4 * ndtr(ndtri(alpha / 4) / math.sqrt(min(1.0, share))))


def obrien_fleming_boundaries(shares: tuple[float, ...], *, alpha: float = 0.05) -> tuple[float, ...]:
    """The |z| that each look must reach to reject.

    Args:
        shares: of the planned units that were seen at each look so far, rising, above 0 and at most 1. Boundaries of
            earlier looks do not depend on later ones.
    Returns: one boundary a look.
    Raises: InvalidInput: the shares do not rise from above 0 to at most 1.
    """
    if not shares or shares[0] <= 0 or shares[-1] > 1 or any(b <= a for a, b in pairwise(shares)):
        raise InvalidInput(f"looks must be at rising shares of the planned units, above 0 and at most 1: {shares}")
    return _after(shares, alpha)[0]


_State = tuple[tuple[float, ...], Floats, Floats]
"""Boundaries so far; then, while none was crossed, where the score z·√t may be and with what mass."""


@lru_cache(maxsize=1024)
def _after(shares: tuple[float, ...], alpha: float) -> _State:
    if not shares:
        return (), np.zeros(1), np.ones(1)
    before = shares[-2] if len(shares) > 1 else 0.0
    boundaries, grid, mass = _after(shares[:-1], alpha)
    step, scale = math.sqrt(shares[-1] - before), math.sqrt(shares[-1])
    edge = _solve(grid, mass, step, spent(shares[-1], alpha) - spent(before, alpha), scale)
    return (*boundaries, edge), *_advance(grid, mass, step, edge * scale)


def _solve(grid: Floats, mass: Floats, step: float, to_spend: float, scale: float) -> float:
    def excess(edge: float) -> float:
        crossed = ndtr((grid - edge * scale) / step) + ndtr((-edge * scale - grid) / step)
        return float(mass @ crossed) - to_spend

    return _INFINITE if excess(_INFINITE) >= 0 else float(brentq(excess, 0.0, _INFINITE, xtol=1e-10))


def _advance(grid: Floats, mass: Floats, step: float, edge: float) -> tuple[Floats, Floats]:
    """The sub-density after one more step, between the edges, as masses of Simpson's rule."""
    reach = min(edge, _INFINITE)
    points = np.linspace(-reach, reach, _POINTS)
    weights = np.ones(_POINTS)
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
    weights *= (points[1] - points[0]) / 3
    apart = (points[:, None] - grid[None, :]) / step
    density = np.exp(-0.5 * apart * apart) @ mass / (step * math.sqrt(2 * math.pi))
    return points, density * weights
