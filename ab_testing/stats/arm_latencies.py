"""Owns the latencies behind a comparison of whole distributions: those of both arms, for each share of the split.

Of each unit only the first answer is here, for the reason that a unit is bad only once (``counts``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ab_testing.stats.histogram import LatencyHistogram
from ecosight.errors import InvalidInput

__all__ = ["ArmLatencies", "StageLatencies"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLatencies:
    """What was seen while the candidate had one share.

    Attributes:
        share: the candidate's share of the units of these two arms, above 0 and below 1.
    """

    share: float
    control: LatencyHistogram = field(default_factory=LatencyHistogram)
    candidate: LatencyHistogram = field(default_factory=LatencyHistogram)

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise InvalidInput(f"the candidate's share must lie between 0 and 1, not {self.share}")


@dataclass(frozen=True, slots=True)
class ArmLatencies:
    """Latencies of control and candidate, never pooled over shares. Sums of them are such: replicas add up.

    Attributes:
        stages: one for each share, by rising share.
    """

    stages: tuple[StageLatencies, ...] = ()

    def __post_init__(self) -> None:
        by_share: dict[float, StageLatencies] = {}
        for stage in self.stages:
            known = by_share.get(stage.share, StageLatencies(share=stage.share))
            by_share[stage.share] = StageLatencies(
                share=stage.share, control=known.control + stage.control, candidate=known.candidate + stage.candidate
            )
        object.__setattr__(self, "stages", tuple(by_share[share] for share in sorted(by_share)))

    @classmethod
    def at(cls, share: float, *, control: LatencyHistogram, candidate: LatencyHistogram) -> Self:
        """Latencies at one share."""
        return cls((StageLatencies(share=share, control=control, candidate=candidate),))

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """What ``as_dict`` wrote."""
        read = LatencyHistogram.from_dict
        return cls(
            tuple(
                StageLatencies(share=each["share"], control=read(each["control"]), candidate=read(each["candidate"]))
                for each in told["stages"]
            )
        )

    def __add__(self, other: ArmLatencies) -> ArmLatencies:
        return ArmLatencies(self.stages + other.stages)

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; ``from_dict`` reads it."""
        return {
            "stages": [
                {"share": stage.share, "control": stage.control.as_dict(), "candidate": stage.candidate.as_dict()}
                for stage in self.stages
            ]
        }
