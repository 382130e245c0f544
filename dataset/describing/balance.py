"""Owns how evenly something is spread over classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Balance", "balance_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """How even counts are.

    Attributes:
        classes: how many have any.
        entropy: normalised, 1 where all have as many, 0 where one has all; None with fewer than two classes.
        effective: the number of equally large classes that would be as even, the exponential of the entropy.
        imbalance: the largest over the smallest class; None without any.
    Source: Shannon (1948); Hill (1973), "Diversity and evenness: a unifying notation", of order 1.
    """

    classes: int
    entropy: float | None
    effective: float | None
    imbalance: float | None


def balance_of(counts: Mapping[str, int]) -> Balance:
    """The balance of counts; classes with none are passed over."""
    import numpy as np

    some = np.array([count for count in counts.values() if count > 0], np.float64)
    if not some.size:
        return Balance(classes=0, entropy=None, effective=None, imbalance=None)
    shares = some / some.sum()
    nats = max(0.0, -float(np.sum(shares * np.log(shares))))
    return Balance(
        classes=int(some.size),
        entropy=nats / float(np.log(some.size)) if some.size > 1 else None,
        effective=float(np.exp(nats)),
        imbalance=float(some.max() / some.min()),
    )
