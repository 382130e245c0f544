"""Owns the metrics that can be asked for by name, of any kind of model."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ecosight.errors import InvalidInput
from evaluation import report as classification
from evaluation.detection import report as detection
from evaluation.estimates import Estimate
from evaluation.multilabel import report as multilabel
from evaluation.report import ClassificationReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.detection import DetectionReport, FoundBoxes, TrueBoxes
    from evaluation.multilabel import MultilabelReport

    AnyReport = ClassificationReport | MultilabelReport | DetectionReport

__all__ = ["METRICS", "MetricCalculator"]

_CLASSIFICATION = {name: name for name in classification.OVERALL} | {
    "precision": "macro_precision",
    "recall": "balanced_accuracy",
    "macro_recall": "balanced_accuracy",
    "f1": "macro_f1",
    "micro_precision": "accuracy",
    "micro_recall": "accuracy",
    "micro_f1": "accuracy",
    "weighted_recall": "accuracy",
    "map50": "map",
}
"""Name -> field. Precision, recall and F1 of the whole are means over the classes (macro). A classifier answers for the
whole sample: there are no boxes whose overlap could matter, so ``map50`` is ``map``. Where every sample has one label
and one answer, micro averages and weighted recall are the accuracy."""
METRICS: dict[str, Mapping[str, str]] = {
    "classification": _CLASSIFICATION,
    "multilabel": {name: name for name in multilabel.OVERALL}
    | {"accuracy": "subset_accuracy", "map50": "map"}
    | {name: f"macro_{name}" for name in ("precision", "recall", "f1")},
    "detection": {name: name for name in detection.OVERALL},
}
"""Kind of model -> name of a metric -> field of its report."""
_ALL = dict.fromkeys(name for names in METRICS.values() for name in names)


class MetricCalculator:
    """Picks metrics from a report by their names, and makes reports from answers.

    Raises: InvalidInput: an unknown name; the hint lists the known ones.
    """

    def __init__(self, metrics: Sequence[str] = ("accuracy", "precision", "recall", "f1", "map")) -> None:
        unknown = [name for name in metrics if name not in _ALL]
        if unknown or not metrics:
            near = difflib.get_close_matches(unknown[0], _ALL, n=1) if unknown else []
            raise InvalidInput(
                f"there is no metric {', '.join(map(repr, unknown))}" if unknown else "no metric was asked for",
                hint=(f"Did you mean {near[0]!r}? " if near else "") + f"Known: {', '.join(_ALL)}.",
            )
        self.metrics = tuple(metrics)

    def calculate(self, report: AnyReport) -> dict[str, Estimate]:
        """Name -> figure with its interval, in the order they were asked for.

        Raises: InvalidInput: this kind of model has no such metric.
        """
        names = METRICS[report.kind]
        missing = [name for name in self.metrics if name not in names]
        if missing:
            raise InvalidInput(
                f"a {report.kind} report has no metric {', '.join(map(repr, missing))}",
                hint=f"It has: {', '.join(names)}.",
            )
        return {name: getattr(report, names[name]) for name in self.metrics}

    @staticmethod
    def classification(
        truth: Sequence[int] | NDArray[Any],
        probabilities: NDArray[Any],
        labels: Sequence[str],
        groups: Sequence[str],
        **options: Any,
    ) -> ClassificationReport:
        """See ``evaluation.classification.evaluate_classification``."""
        from evaluation.classification import evaluate_classification

        return evaluate_classification(truth, probabilities, labels, groups, **options)

    @staticmethod
    def multilabel(
        truth: NDArray[Any], probabilities: NDArray[Any], labels: Sequence[str], groups: Sequence[str], **options: Any
    ) -> MultilabelReport:
        """See ``evaluation.multilabel.evaluate_multilabel``."""
        from evaluation.multilabel import evaluate_multilabel

        return evaluate_multilabel(truth, probabilities, labels, groups, **options)

    @staticmethod
    def detection(truth: TrueBoxes, found: FoundBoxes, images: Sequence[str], **options: Any) -> DetectionReport:
        """See ``evaluation.detection.evaluate_detection``."""
        from evaluation.detection import evaluate_detection

        return evaluate_detection(truth, found, images, **options)
