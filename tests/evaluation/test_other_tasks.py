"""Answers of detectors and of models with several labels are measured from what they wrote down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ecosight.errors import InvalidInput
from evaluation.evaluator import ModelEvaluator

TRUTH: dict[str, Any] = {
    "images": [{"id": 1}, {"id": 2}, {"id": 3}],
    "categories": [{"id": 7, "name": "fox"}, {"id": 9, "name": "owl"}],
    "annotations": [
        {"image_id": 1, "category_id": 7, "bbox": [0, 0, 50, 50]},
        {"image_id": 2, "category_id": 9, "bbox": [10, 10, 40, 40]},
        {"image_id": 2, "category_id": 7, "bbox": [0, 0, 100, 100], "iscrowd": 1},
    ],
}
FOUND = [
    {"image_id": 1, "category_id": 7, "bbox": [0, 0, 50, 50], "score": 0.9},
    {"image_id": 3, "category_id": 9, "bbox": [0, 0, 50, 50], "score": 0.8},
]


def test_boxes_in_the_form_of_coco_are_measured() -> None:
    report = ModelEvaluator.evaluate_detections(
        TRUTH, FOUND, bootstrap_samples=20, groups={"1": "a", "2": "a", "3": "b"}
    )
    assert (report.images, report.n, report.group_count) == (3, 2, 2)
    assert report.per_class["fox"].recall.value == 1.0
    assert report.per_class["owl"].recall.value == 0.0
    assert report.precision.value == 0.5


def test_ids_of_coco_are_the_same_as_floats_and_as_text() -> None:
    asked: Any = {"bootstrap_samples": 20, "groups": {"1": "a", "2": "a", "3": "b"}}
    plain = ModelEvaluator.evaluate_detections(TRUTH, FOUND, **asked)
    for write in (float, str, lambda number: f"{number}.0"):
        found = [{**each, **{key: write(each[key]) for key in ("image_id", "category_id")}} for each in FOUND]
        assert ModelEvaluator.evaluate_detections(TRUTH, found, **asked) == plain


@pytest.mark.parametrize(
    ("truth", "found", "told"),
    [
        ({"images": []}, [], "no annotation file of COCO"),
        (TRUTH, [{"image_id": 1, "category_id": 7}], "result 0 has no bbox, score"),
        (TRUTH, [{**FOUND[0], "category_id": 8}], "result 0 is of category 8, which is not listed"),
    ],
)
def test_what_is_not_that_form_is_refused(truth: Any, found: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        ModelEvaluator.evaluate_detections(truth, found)


def test_several_labels_a_sample_are_measured() -> None:
    truth, said = np.array([[1, 1], [0, 1], [1, 0]]), np.array([[0.9, 0.8], [0.1, 0.7], [0.4, 0.2]])
    report = ModelEvaluator.evaluate_labels(truth, said, ["fox", "owl"], ["a", "b", "c"], bootstrap_samples=20)
    assert report.kind == "multilabel"
    assert report.per_class["fox"].recall.value == 0.5


def test_a_model_of_another_task_is_not_measured_as_a_classifier(
    make_servable: Callable[..., Any], put: Callable[..., Any], blobs: Any
) -> None:
    servable = make_servable(["fox"])
    servable.info["task"] = "detection"
    with pytest.raises(InvalidInput, match="this model's task is detection"):
        ModelEvaluator(servable, [put("fox", {"fox": 1.0}, "a")], blobs, bootstrap_samples=10, seed=1).evaluate()
