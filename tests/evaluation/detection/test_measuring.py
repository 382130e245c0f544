from __future__ import annotations

import json
import os
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecosight.errors import InvalidInput, NotEnoughData
from evaluation.bootstrap import Groups, group_weights
from evaluation.detection import DetectionReport, FoundBoxes, TrueBoxes, evaluate_detection
from evaluation.detection.boxes import Scene
from evaluation.detection.matching import match
from evaluation.detection.precision import average_precision, average_recall
from evaluation.detection.report import detection_lines
from evaluation.detection.resampling import BoxCounts, PrecisionResamples
from evaluation.evaluator import ModelEvaluator

FOX = [10.0, 20.0, 100.0, 50.0]


def evaluate(case: Any, **more: Any) -> DetectionReport:
    options = {"labels": case.labels, "bootstrap_samples": 100, **more}
    return evaluate_detection(case.truth, case.found, case.images, **options)


def copied(case: Any, times: np.ndarray[Any, Any]) -> tuple[TrueBoxes, FoundBoxes, list[str]]:
    """Every picture as often as ``times`` says, under names of their own."""

    def rows(boxes: Any, names: tuple[str, ...]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {name: [] for name in names}
        for n, image in enumerate(boxes.image):
            for copy in range(int(times[case.images.index(image)])):
                for name in names:
                    found[name].append(f"{image}/{copy}" if name == "image" else getattr(boxes, name)[n])
        return found

    images = [f"{image}/{copy}" for image, count in zip(case.images, times, strict=True) for copy in range(int(count))]
    truth = TrueBoxes(**rows(case.truth, ("image", "label", "box", "crowd", "ignore", "area")))
    return truth, FoundBoxes(**rows(case.found, ("image", "label", "box", "score"))), images


@pytest.mark.parametrize("seed", range(4))
def test_a_resample_is_the_test_part_with_its_pictures_copied(draw_boxes: Callable[..., Any], seed: int) -> None:
    case = draw_boxes(seed, ties=False)
    matches, classes = match(Scene(case.truth, case.found, case.images, case.labels)), len(case.labels)
    groups = Groups(case.images, seed=0)
    counts = BoxCounts(matches, groups, classes)
    weights = next(group_weights(len(case.images), 5, seed=seed))
    found = PrecisionResamples(matches, counts, groups, classes).resampled(weights)
    recall = counts.recall(weights, 10)
    for row, times in enumerate(weights):
        truth, said, images = copied(case, times)
        again = match(Scene(truth, said, images, case.labels))
        # Copies of one picture tie in score, and between them any order is as good: hence not exactly.
        assert np.allclose(found[row], average_precision(again, classes), atol=0.03, equal_nan=True)
        assert np.allclose(recall[row], average_recall(again, classes, 10).mean(axis=1), equal_nan=True)


def test_figures_at_the_chosen_score_are_those_of_a_calculation_by_hand() -> None:
    truth = TrueBoxes(image=["a", "a", "b"], label=["fox", "owl", "fox"], box=[FOX, [300, 20, 50, 50], FOX])
    found = FoundBoxes(
        image=["a", "a", "b", "c"],
        label=["fox", "owl", "fox", "fox"],
        box=[FOX, [300, 20, 50, 50], [10, 20, 100, 20], FOX],
        score=[0.9, 0.4, 0.8, 0.7],
    )
    report = evaluate_detection(truth, found, ["a", "b", "c", "d"], score_threshold=0.5, bootstrap_samples=10)
    assert report.precision.value == pytest.approx(1 / 3)  # of three foxes found, one lies on a fox
    assert report.recall.value == pytest.approx(1 / 3)
    assert report.per_class["owl"].precision.value == 0.0  # it is there and was never said
    assert report.per_class["owl"].found == 0
    sure = evaluate_detection(truth, found, ["a", "b", "c", "d"], score_threshold=0.4, bootstrap_samples=10)
    assert sure.per_class["owl"].recall.value == 1.0
    assert sure.macro_recall.value == pytest.approx(0.75)
    assert sure.map == report.map  # mAP looks at all scores


def test_a_class_without_boxes_is_undefined_and_costs_the_mean_nothing() -> None:
    truth = TrueBoxes(image=["a"], label=["fox"], box=[FOX])
    found = FoundBoxes(image=["a", "a"], label=["fox", "owl"], box=[FOX, FOX], score=[0.9, 0.8])
    report = evaluate_detection(truth, found, ["a", "b"], labels=["fox", "owl", "bat"], bootstrap_samples=10)
    assert report.map.value == 1.0
    assert report.per_class["owl"].ap.value is None
    assert report.per_class["owl"].precision.value == 0.0
    assert report.per_class["bat"].precision.value is None
    assert report.map_large.value is None


def test_nothing_there_and_nothing_found_is_undefined_and_no_error() -> None:
    nothing = TrueBoxes(image=[], label=[], box=[]), FoundBoxes(image=[], label=[], box=[], score=[])
    report = evaluate_detection(*nothing, ["a", "b"], labels=["fox"], bootstrap_samples=10)
    assert (report.map.value, report.precision.value, report.n) == (None, None, 0)
    assert json.dumps(report.as_dict(), allow_nan=False)
    assert evaluate_detection(*nothing, ["a"], bootstrap_samples=10).labels == ()


def test_a_perfect_detector_is_not_certain_to_be_perfect() -> None:
    names = [f"p{n}" for n in range(20)]
    truth = TrueBoxes(image=names, label=["fox"] * 20, box=[FOX] * 20)
    found = FoundBoxes(image=names, label=["fox"] * 20, box=[FOX] * 20, score=[0.9] * 20)
    report = evaluate_detection(truth, found, names, bootstrap_samples=50)
    assert report.map.value == 1.0
    assert report.map.low == pytest.approx(0.025 ** (1 / 20))
    sites = evaluate_detection(truth, found, names, groups={name: f"s{n % 4}" for n, name in enumerate(names)})
    assert sites.map.low == pytest.approx(0.025 ** (1 / 4))


def test_intervals_resample_sites_where_they_are_told(draw_boxes: Callable[..., Any]) -> None:
    case = draw_boxes(2, images=60, ties=False)
    truth, found, images = copied(case, np.full(60, 4))
    alone = evaluate(case, bootstrap_samples=500).map50
    groups = {image: image.split("/")[0] for image in images}
    report = evaluate_detection(truth, found, images, groups=groups, labels=case.labels, bootstrap_samples=500)
    assert report.group_count == 60
    widths = [(e.high or 0) - (e.low or 0) for e in (alone, report.map50)]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)


def test_the_order_of_pictures_and_boxes_changes_nothing(draw_boxes: Callable[..., Any]) -> None:
    case = draw_boxes(3, ties=False)
    back = np.arange(len(case.found.image))[::-1]
    found = FoundBoxes(**{n: [getattr(case.found, n)[k] for k in back] for n in ("image", "label", "box", "score")})
    again = evaluate_detection(case.truth, found, case.images[::-1], labels=case.labels[::-1], bootstrap_samples=100)
    assert again == evaluate(case)


def test_a_report_survives_json_and_is_told(draw_boxes: Callable[..., Any]) -> None:
    report = evaluate(draw_boxes(1))
    assert DetectionReport.from_dict(json.loads(json.dumps(report.as_dict(), allow_nan=False))) == report
    assert {"map", "map50", "ap/c0", "error_cost/missed"} <= set(report.metrics())
    assert any(line.strip().startswith("mAP@.5:.95") for line in detection_lines(report))
    with pytest.raises(InvalidInput):
        DetectionReport.from_dict({"format": 1})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"box": [[0, 0, -5, 5]]}, "is no box"),
        ({"box": [[0, 0, float("nan"), 5]]}, "is no box"),
        ({"box": [[0, 0, 5]]}, "do not fit"),
        ({"image": ["z"]}, "the picture 'z', which is not listed"),
        ({"label": ["bear"]}, "the class 'bear', which is not listed"),
        ({"score": [float("nan")]}, "is no number"),
        ({"score": [0.1, 0.2]}, "2 values for 1 boxes"),
    ],
)
def test_boxes_that_are_none_are_refused_with_a_sentence(change: dict[str, Any], told: str) -> None:
    truth = TrueBoxes(image=["a"], label=["fox"], box=[FOX])
    found = FoundBoxes(**{"image": ["a"], "label": ["fox"], "box": [FOX], "score": [0.5], **change})
    with pytest.raises(InvalidInput, match=told):
        evaluate_detection(truth, found, ["a"], labels=["fox"], bootstrap_samples=5)


def _coco(box: dict[str, Any], result: Any) -> DetectionReport:
    head = {"image_id": 1, "category_id": 7, "bbox": FOX}
    truth = {"images": [{"id": 1}], "categories": [{"id": 7, "name": "fox"}], "annotations": [head | box]}
    found = [head | {"score": 0.5} | result] if isinstance(result, dict) else result
    return ModelEvaluator.evaluate_detections(truth, found, bootstrap_samples=5)


def test_a_box_of_coco_whose_area_or_crowd_is_null_or_text_counts_like_any_other() -> None:
    for box in ({"area": None}, {"area": "5000"}, {"iscrowd": "0", "ignore": None}):
        report = _coco(box, {})
        assert (report.n, report.map.value) == (1, 1.0)


@pytest.mark.parametrize(
    ("box", "result", "told"),
    [
        ({"area": float("nan")}, {}, "the area of a true box is no number"),
        ({"area": -5}, {}, "the area of a true box is no number"),
        ({"iscrowd": "no"}, {}, "annotation 0 makes no sense"),
        ({"category_id": [7]}, {}, "annotation 0 makes no sense"),
        ({"bbox": [0, 0, 5]}, {}, "annotation 0 makes no sense"),
        ({"bbox": None}, {}, "annotation 0 has no bbox"),
        ({}, {"score": "high"}, "result 0 makes no sense"),
        ({}, {"score": None}, "result 0 has no score"),
        ({}, [3], "result 0 makes no sense"),
        ({}, {1: 2}.items(), "results of COCO are a list"),
    ],
)
def test_rows_of_coco_that_make_no_sense_are_refused_by_their_number(box: Any, result: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        _coco(box, result)


def test_pictures_without_a_group_and_no_pictures_at_all_are_refused() -> None:
    truth, found = TrueBoxes(image=[], label=[], box=[]), FoundBoxes(image=[], label=[], box=[], score=[])
    with pytest.raises(InvalidInput, match="'a' has no group"):
        evaluate_detection(truth, found, ["a"], groups={})
    with pytest.raises(InvalidInput, match="listed twice"):
        evaluate_detection(truth, found, ["a", "a"])
    with pytest.raises(NotEnoughData):
        evaluate_detection(truth, found, [])


def test_a_thousand_pictures_take_seconds(draw_boxes: Callable[..., Any]) -> None:
    case = draw_boxes(6, images=1000, classes=8, most=5)
    began = time.perf_counter()
    report = evaluate(case, bootstrap_samples=1000)
    assert time.perf_counter() - began < 30
    assert report.images == 1000


def test_real_boxes_moved_by_a_tenth_are_still_found_at_half_overlap() -> None:
    root = os.environ.get("ECOSIGHT_DATA")
    folder = Path(root or "") / "images" / "raccoon" / "dev" / "annotations"
    if not root or not folder.is_dir():
        pytest.skip("ECOSIGHT_DATA names no folder with images/raccoon")
    names: list[str] = []
    boxes: list[list[float]] = []
    files = sorted(folder.glob("*.xml"))
    for file in files:
        for box in ET.parse(file).getroot().iter("bndbox"):
            left, top, right, bottom = (float(box.findtext(side) or 0) for side in ("xmin", "ymin", "xmax", "ymax"))
            names.append(file.stem)
            boxes.append([left, top, right - left, bottom - top])
    truth = TrueBoxes(image=names, label=["raccoon"] * len(names), box=boxes)
    moved = [[x + 0.1 * w, y + 0.1 * h, w, h] for x, y, w, h in boxes]
    found = FoundBoxes(image=names, label=["raccoon"] * len(names), box=moved, score=[0.9] * len(names))
    report = evaluate_detection(truth, found, [file.stem for file in files], bootstrap_samples=200)
    overlap = 0.9 * 0.9 / (2 - 0.9 * 0.9)
    assert (report.n, report.images) == (108, 100)
    assert report.map50.value == 1.0
    assert report.map50.low is not None
    assert report.map50.low < 1
    assert report.map.value == pytest.approx((overlap >= np.linspace(0.5, 0.95, 10)).mean(), abs=1e-9)
