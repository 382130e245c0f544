"""Owns what was measured of one model: all that a rule may look at. In memory only; evidence keeps what rules need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.estimates import Estimate
from evaluation.gates.unseen import learned
from evaluation.metrics import METRICS

if TYPE_CHECKING:
    from evaluation.metrics import AnyReport
    from evaluation.predictions import Predictions
    from evaluation.speed import SpeedReport
    from evaluation.taught import Taught

__all__ = ["Measured"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """One model on a test part.

    Attributes:
        report: of any kind.
        predictions: the answers behind it; None where they were not kept, or the model is no classifier.
        speed: None where it was not measured.
    """

    report: AnyReport
    predictions: Predictions | None = None
    speed: SpeedReport | None = None

    def metric(self, name: str) -> Estimate | None:
        """A figure by its name: of the report, ``recall/fox`` of a class, ``speed/fps``; None where undefined."""
        figure, _, label = name.partition("/")
        if figure == "speed":
            value = None if self.speed is None else self.speed.metrics().get(name)
            found: Any = None if value is None else Estimate(value=value)
        elif label:
            found = getattr(self.report.per_class.get(label), figure, None)
        else:
            found = getattr(self.report, METRICS[self.report.kind].get(figure, ""), None)
        return found if isinstance(found, Estimate) and found.value is not None else None

    def identity(self) -> dict[str, Any]:
        """What was measured on what, as JSON."""
        report = self.report
        return {
            "kind": report.kind,
            "n": report.n,
            "groups": report.group_count,
            "test_digest": report.test_digest,
            "model_digest": report.model_digest,
        } | learned(self.taught)

    @property
    def taught(self) -> Taught | None:
        """How many of the samples the model learned from; None where nobody looked."""
        return None if self.predictions is None else self.predictions.taught
