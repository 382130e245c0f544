"""Owns the counts of pairs: both models answered the same sample, and the difference in being right is −1, 0 or 1.

A pair whose two answers agree needs no label: the difference is 0. That is evidence for a model that may be a little
worse, so it must not arrive before the pairs that disagree. A pair that waits for its label is therefore counted as
``pending`` and stands as lost until the label says otherwise.

One pair a key (or recording, or burst): samples of one group are alike. Where only some pairs are to be labelled,
choose them before the answers are known, and count only those.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from ab_testing.stats.moments import Moments
from ecosight.errors import InvalidInput

__all__ = ["PairCounts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCounts:
    """Pairs of answers to the same samples. Sums of them are counts: replicas add up.

    Attributes:
        agreed: both gave the same answer.
        candidate_right: they disagreed, and the candidate was right.
        control_right: they disagreed, and the control was right.
        neither_right: they disagreed, and both were wrong.
        pending: they disagreed, and no label has come yet.
    """

    agreed: int = 0
    candidate_right: int = 0
    control_right: int = 0
    neither_right: int = 0
    pending: int = 0

    def __post_init__(self) -> None:
        counts = (self.agreed, self.candidate_right, self.control_right, self.neither_right, self.pending)
        if not all(0 <= count < math.inf for count in counts):  # NaN compares with nothing
            raise InvalidInput(f"counts are numbers from 0 upwards: {self}")

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """What ``as_dict`` wrote."""
        return cls(**told)

    def __add__(self, other: PairCounts) -> PairCounts:
        return PairCounts(
            agreed=self.agreed + other.agreed,
            candidate_right=self.candidate_right + other.candidate_right,
            control_right=self.control_right + other.control_right,
            neither_right=self.neither_right + other.neither_right,
            pending=self.pending + other.pending,
        )

    @property
    def pairs(self) -> int:
        return self.agreed + self.disagreed

    @property
    def disagreed(self) -> int:
        return self.candidate_right + self.control_right + self.neither_right + self.pending

    @property
    def labelled(self) -> int:
        """Disagreements that have their label."""
        return self.disagreed - self.pending

    @property
    def decided(self) -> int:
        """Disagreements in which exactly one was right: the discordant pairs of McNemar's test."""
        return self.candidate_right + self.control_right

    @property
    def differences(self) -> tuple[int, int, int]:
        """How often the difference is −1, 0 and 1; pending pairs stand as lost."""
        return self.control_right + self.pending, self.agreed + self.neither_right, self.candidate_right

    def moments(self) -> Moments:
        """Of the difference, pairs that wait for their label left out of the disagreements in proportion.

        The labelled disagreements speak for all of them: a figure to show, not what the test uses.
        """
        scale = self.disagreed / self.labelled if self.labelled else 0.0
        plus, minus = self.candidate_right * scale, self.control_right * scale
        n = self.agreed + (self.disagreed if self.labelled else 0)
        mean = (plus - minus) / n if n else 0.0
        return Moments(n=n, mean=mean, m2=max(0.0, plus + minus - n * mean * mean))

    def as_dict(self) -> dict[str, int]:
        """A JSON object; ``from_dict`` reads it."""
        return asdict(self)
