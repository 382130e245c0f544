"""Owns counts of units by arm, for any number of arms, for each set of weights that held.

A key counts once, in the stage in which it was first seen: the router moves keys in one direction only, so keys that
come again would repeat the chance of their first assignment, and no test that multiplies stages would be valid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ecosight.errors import InvalidInput

__all__ = ["AssignmentCounts", "AssignmentStage"]


@dataclass(frozen=True, slots=True)
class AssignmentStage:
    """``counts`` of the arms, in one order, while they had ``weights`` (in any unit, such as router buckets)."""

    weights: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.counts) or len(self.weights) < 2:
            raise InvalidInput(f"{len(self.counts)} counts do not fit {len(self.weights)} weights of two arms or more")
        if not (all(0 < w < math.inf for w in self.weights) and all(0 <= n < math.inf for n in self.counts)):
            raise InvalidInput(
                f"weights must be finite and above 0, counts finite and not below: {self.weights}, {self.counts}",
                hint="Leave out arms that have no weight.",
            )


@dataclass(frozen=True, slots=True)
class AssignmentCounts:
    """Units of each arm for each set of weights. Sums of them are counts: replicas add up.

    Attributes:
        stages: one for each set of weights, in the order of the weights.
    """

    stages: tuple[AssignmentStage, ...] = ()

    def __post_init__(self) -> None:
        by_weights: dict[tuple[float, ...], tuple[int, ...]] = {}
        for stage in self.stages:
            known = by_weights.get(stage.weights, (0,) * len(stage.counts))
            by_weights[stage.weights] = tuple(a + b for a, b in zip(known, stage.counts, strict=True))
        merged = tuple(AssignmentStage(weights, by_weights[weights]) for weights in sorted(by_weights))
        object.__setattr__(self, "stages", merged)

    @classmethod
    def at(cls, weights: Sequence[float], counts: Sequence[int]) -> Self:
        """Counts at one set of weights."""
        return cls((AssignmentStage(tuple(weights), tuple(counts)),))

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """What ``as_dict`` wrote."""
        return cls(tuple(AssignmentStage(tuple(s["weights"]), tuple(s["counts"])) for s in told["stages"]))

    def __add__(self, other: AssignmentCounts) -> AssignmentCounts:
        return AssignmentCounts(self.stages + other.stages)

    @property
    def units(self) -> int:
        return sum(sum(stage.counts) for stage in self.stages)

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; ``from_dict`` reads it."""
        return {"stages": [{"weights": list(s.weights), "counts": list(s.counts)} for s in self.stages]}
