"""What is known of a candidate beside the control over some time: of the whole rollout, or of the last minutes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from ab_testing.stats.arm_latencies import ArmLatencies
from ab_testing.stats.counts import ArmCounts
from ab_testing.stats.histogram import LatencyHistogram

__all__ = ["Compared", "FailingKeys", "Lately", "plain"]


@dataclass(frozen=True, slots=True)
class FailingKeys:
    """Keys, and how many of them fail: each counts with the share of its requests that did.

    So it is a rate of errors that a noisy key has no more part in than any other, and that does not rise with time: of
    sensors that ask again and again every one fails at last.

    Attributes:
        failing: keys of which any request failed.
    """

    keys: int = 0
    failed: float = 0.0
    failing: int = 0

    def __add__(self, other: FailingKeys) -> FailingKeys:
        return FailingKeys(self.keys + other.keys, self.failed + other.failed, self.failing + other.failing)

    @property
    def rate(self) -> float:
        return self.failed / self.keys if self.keys else 0.0

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; ``from_dict`` reads it."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        return cls(keys=told["keys"], failed=told["failed"], failing=told["failing"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A candidate beside the control over some time, as ``CandidateEvidence`` says."""

    errors: ArmCounts = field(default_factory=ArmCounts)
    slow: ArmCounts = field(default_factory=ArmCounts)
    first_answers: ArmLatencies = field(default_factory=ArmLatencies)
    wrong: ArmCounts = field(default_factory=ArmCounts)
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    control_latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    beside: FailingKeys = field(default_factory=FailingKeys)
    alone: FailingKeys = field(default_factory=FailingKeys)

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; ``from_dict`` reads it."""
        return {each.name: plain(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        return cls(
            errors=ArmCounts.from_dict(told["errors"]),
            slow=ArmCounts.from_dict(told["slow"]),
            first_answers=ArmLatencies.from_dict(told["first_answers"]),
            wrong=ArmCounts.from_dict(told["wrong"]),
            latency=LatencyHistogram.from_dict(told["latency"]),
            control_latency=LatencyHistogram.from_dict(told["control_latency"]),
            beside=FailingKeys.from_dict(told["beside"]),
            alone=FailingKeys.from_dict(told["alone"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """A comparison that began anew during the rollout, and knows nothing of before (``late_spans``).

    Attributes:
        number: from 1 on: how many began before it, and itself.
        since_s: how long after the rollout's beginning it began.
        counts: ``wrong`` is one label a key here, as ``CandidateEvidence.judged``.
    """

    number: int
    since_s: float
    counts: Compared

    def as_dict(self) -> dict[str, Any]:
        """A JSON object; ``from_dict`` reads it."""
        return {each.name: plain(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        return cls(number=told["number"], since_s=told["since_s"], counts=Compared.from_dict(told["counts"]))


def plain(value: Any) -> Any:
    """As JSON holds it."""
    if hasattr(value, "as_dict"):
        return value.as_dict()
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, tuple) else value
