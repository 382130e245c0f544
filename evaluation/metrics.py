"""Owns the metrics that can be asked for by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from ecosight.errors import InvalidInput
from evaluation.report import ClassificationReport, Estimate

__all__ = ["METRICS", "MetricCalculator"]

METRICS: dict[str, str] = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "precision": "macro_precision",
    "macro_precision": "macro_precision",
    "recall": "balanced_accuracy",
    "macro_recall": "balanced_accuracy",
    "f1": "macro_f1",
    "macro_f1": "macro_f1",
    "log_loss": "log_loss",
    "ece": "ece",
}
"""Name -> field of the report. Precision, recall and F1 of the whole are means over the classes (macro)."""


class MetricCalculator:
    """Picks metrics from a report by their names.

    Raises: InvalidInput: an unknown name; the hint lists the known ones.
    """

    def __init__(self, metrics: Sequence[str]) -> None:
        unknown = [name for name in metrics if name not in METRICS]
        if unknown or not metrics:
            near = difflib.get_close_matches(unknown[0], METRICS, n=1) if unknown else []
            raise InvalidInput(
                f"there is no metric {', '.join(map(repr, unknown))}" if unknown else "no metric was asked for",
                hint=(f"Did you mean {near[0]!r}? " if near else "") + f"Known: {', '.join(METRICS)}.",
            )
        self.metrics = tuple(metrics)

    def calculate(self, report: ClassificationReport) -> dict[str, Estimate]:
        """Name -> figure with its interval, in the order they were asked for."""
        return {name: getattr(report, METRICS[name]) for name in self.metrics}
