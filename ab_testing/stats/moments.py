"""Owns count, mean and sum of squared deviations, and how two of them become one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ecosight.errors import InvalidInput

__all__ = ["Moments"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """What a mean and its variance need to be known. Sums of them are moments: replicas add up.

    Attributes:
        n: how many values.
        mean: their mean.
        m2: sum of squared deviations from the mean.
    """

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.n < math.inf and 0 <= self.m2 < math.inf and math.isfinite(self.mean)):
            raise InvalidInput(f"a count and a sum of squares are numbers from 0 upwards, a mean is finite: {self}")

    @classmethod
    def of(cls, values: ArrayLike) -> Self:
        """The moments of some values."""
        found = np.asarray(values, dtype=np.float64)
        if found.size == 0:
            return cls()
        if not np.isfinite(found).all():
            raise InvalidInput("a value is not a finite number")
        mean = float(found.mean())
        return cls(n=found.size, mean=mean, m2=float(((found - mean) ** 2).sum()))

    @classmethod
    def of_share(cls, hits: int, n: int) -> Self:
        """The moments of ``n`` values that are 1 in ``hits`` cases and else 0."""
        if not 0 <= hits <= n:
            raise InvalidInput(f"{hits} of {n} is no share")
        mean = hits / n if n else 0.0
        return cls(n=n, mean=mean, m2=n * mean * (1 - mean))

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """What ``as_dict`` wrote."""
        return cls(**told)

    def __add__(self, other: Moments) -> Moments:
        """Source: Chan, Golub & LeVeque (1979), "Updating formulae and a pairwise algorithm", formula 2.1."""
        n = self.n + other.n
        if n == 0:
            return Moments()
        apart = other.mean - self.mean
        return Moments(
            n=n,
            mean=self.mean + apart * other.n / n,
            m2=self.m2 + other.m2 + apart * apart * self.n * other.n / n,
        )

    @property
    def variance(self) -> float:
        """Unbiased; 0 below two values."""
        return self.m2 / (self.n - 1) if self.n > 1 else 0.0

    def as_dict(self) -> dict[str, float]:
        """A JSON object; ``from_dict`` reads it."""
        return asdict(self)
