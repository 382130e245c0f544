from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ecosight.config import EvaluationSection
from ecosight.errors import InvalidInput
from evaluation.classification import evaluate_classification
from evaluation.metrics import METRICS, MetricCalculator


def test_metrics_come_in_the_order_they_were_asked_for(random_case: Callable[..., Any]) -> None:
    report = evaluate_classification(*random_case(), bootstrap_samples=10)
    figures = MetricCalculator(["recall", "accuracy"]).calculate(report)
    assert list(figures) == ["recall", "accuracy"]
    assert figures["accuracy"] == report.accuracy
    assert figures["recall"] == report.balanced_accuracy


def test_every_configured_default_and_every_known_name_can_be_calculated(random_case: Callable[..., Any]) -> None:
    report = evaluate_classification(*random_case(), bootstrap_samples=10)
    assert MetricCalculator(EvaluationSection().metrics).calculate(report)
    assert all(estimate.value is not None for estimate in MetricCalculator(list(METRICS)).calculate(report).values())


def test_an_unknown_metric_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="no metric 'map50', 'acuracy'") as caught:
        MetricCalculator(["accuracy", "map50", "acuracy"])
    assert "Known: accuracy, balanced_accuracy" in caught.value.hint
    with pytest.raises(InvalidInput, match="no metric was asked for"):
        MetricCalculator([])
