from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ecosight.config import EvaluationSection
from ecosight.errors import InvalidInput
from evaluation.classification import evaluate_classification
from evaluation.detection import FoundBoxes, TrueBoxes
from evaluation.metrics import METRICS, MetricCalculator


def test_metrics_come_in_the_order_they_were_asked_for(random_case: Callable[..., Any]) -> None:
    report = evaluate_classification(*random_case(), bootstrap_samples=10)
    figures = MetricCalculator(["recall", "accuracy"]).calculate(report)
    assert list(figures) == ["recall", "accuracy"]
    assert figures["accuracy"] == report.accuracy
    assert figures["recall"] == report.balanced_accuracy


def test_every_configured_default_and_every_known_name_can_be_calculated(random_case: Callable[..., Any]) -> None:
    report = evaluate_classification(*random_case(classes=6), bootstrap_samples=10)
    assert MetricCalculator(EvaluationSection().metrics).calculate(report)
    figures = MetricCalculator(list(METRICS["classification"])).calculate(report)
    assert all(estimate.value is not None for estimate in figures.values())


def test_an_unknown_metric_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="no metric 'iou', 'acuracy'") as caught:
        MetricCalculator(["accuracy", "iou", "acuracy"])
    assert "Known: accuracy, balanced_accuracy" in caught.value.hint
    with pytest.raises(InvalidInput, match="no metric was asked for"):
        MetricCalculator([])


def test_what_the_documents_ask_of_a_detector_can_be_asked_of_any_model(random_case: Callable[..., Any]) -> None:
    asked = MetricCalculator(["map", "map50", "precision", "recall"])
    sound = asked.classification(*random_case(), bootstrap_samples=10)
    assert asked.calculate(sound)["map50"] == sound.map
    truth = TrueBoxes(image=["a.jpg"], label=["fox"], box=[[0, 0, 10, 10]])
    found = FoundBoxes(image=["a.jpg"], label=["fox"], box=[[0, 0, 10, 8]], score=[0.9])
    boxes = asked.detection(truth, found, ["a.jpg"], bootstrap_samples=10)
    assert asked.calculate(boxes)["map50"].value == 1.0
    assert asked.calculate(boxes)["map"].value == pytest.approx(0.7)  # overlap 0.8: found at 7 of 10 thresholds
    several = asked.multilabel([[1, 0], [1, 1]], np.array([[0.9, 0.1], [0.8, 0.7]]), ["fox", "owl"], ["x", "y"])
    assert asked.calculate(several)["map"].value == 1.0


def test_a_metric_of_another_kind_of_model_lists_those_of_this_kind(random_case: Callable[..., Any]) -> None:
    report = evaluate_classification(*random_case(), bootstrap_samples=10)
    with pytest.raises(InvalidInput, match="a classification report has no metric 'ar_100'") as caught:
        MetricCalculator(["ar_100"]).calculate(report)
    assert "It has: accuracy" in caught.value.hint
