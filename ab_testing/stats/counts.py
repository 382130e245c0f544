"""Owns the counts behind every comparison of rates: units and bad units of both arms, for each share of the split.

The unit is the sticky key, never the request: requests of one key resemble each other, and counting them rejects
every heavy-tailed A/A test. A key is bad once, by its first bad event; later ones do not count. That event is
counted for the arm that was meant to answer, at the share that held when it happened, so a fallback hides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from ab_testing.stats.mixing import Floats
from ecosight.errors import InvalidInput

__all__ = ["ArmCounts", "StageCounts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCounts:
    """What was seen while the candidate had one share.

    Attributes:
        share: the candidate's share of the units of these two arms, above 0 and below 1.
        control_units, candidate_units: keys that the arm was to answer at this share.
        control_bad, candidate_bad: keys whose first bad event came at this share. May exceed the units of the
            stage: the key may have been counted as a unit of an earlier one.
    """

    share: float
    control_units: int = 0
    control_bad: int = 0
    candidate_units: int = 0
    candidate_bad: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise InvalidInput(f"the candidate's share must lie between 0 and 1, not {self.share}")
        counts = (self.control_units, self.control_bad, self.candidate_units, self.candidate_bad)
        if not all(0 <= count < math.inf for count in counts):  # NaN compares with nothing
            raise InvalidInput(f"counts are numbers from 0 upwards: {self}")

    def __add__(self, other: StageCounts) -> StageCounts:
        if self.share != other.share:
            raise InvalidInput(f"counts at the shares {self.share} and {other.share} cannot be pooled")
        return StageCounts(
            share=self.share,
            control_units=self.control_units + other.control_units,
            control_bad=self.control_bad + other.control_bad,
            candidate_units=self.candidate_units + other.candidate_units,
            candidate_bad=self.candidate_bad + other.candidate_bad,
        )


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """Counts of control and candidate, never pooled over shares. Sums of them are counts: replicas add up.

    Attributes:
        stages: one for each share, by rising share.
    """

    stages: tuple[StageCounts, ...] = ()

    def __post_init__(self) -> None:
        by_share: dict[float, StageCounts] = {}
        for stage in self.stages:
            known = by_share.get(stage.share)
            by_share[stage.share] = stage if known is None else known + stage
        object.__setattr__(self, "stages", tuple(by_share[share] for share in sorted(by_share)))

    @classmethod
    def at(cls, share: float, *, control: tuple[int, int] = (0, 0), candidate: tuple[int, int] = (0, 0)) -> Self:
        """Counts at one share. ``control`` and ``candidate``: (units, bad units)."""
        stage = StageCounts(
            share=share,
            control_units=control[0],
            control_bad=control[1],
            candidate_units=candidate[0],
            candidate_bad=candidate[1],
        )
        return cls((stage,))

    @classmethod
    def total(cls, parts: Iterable[ArmCounts]) -> Self:
        """The sum, of replicas for example; of none: no counts."""
        return cls(tuple(stage for part in parts for stage in part.stages))

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """What ``as_dict`` wrote."""
        return cls(tuple(StageCounts(**stage) for stage in told["stages"]))

    def __add__(self, other: ArmCounts) -> ArmCounts:
        return ArmCounts(self.stages + other.stages)

    @property
    def control_units(self) -> int:
        return sum(stage.control_units for stage in self.stages)

    @property
    def control_bad(self) -> int:
        return sum(stage.control_bad for stage in self.stages)

    @property
    def candidate_units(self) -> int:
        return sum(stage.candidate_units for stage in self.stages)

    @property
    def candidate_bad(self) -> int:
        return sum(stage.candidate_bad for stage in self.stages)

    @property
    def shares(self) -> tuple[float, ...]:
        return tuple(stage.share for stage in self.stages)

    def column(self, name: str) -> Floats:
        """One field of every stage, float64 (stages,)."""
        return np.array([getattr(stage, name) for stage in self.stages], dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; ``from_dict`` reads it."""
        return {"stages": [asdict(stage) for stage in self.stages]}
