"""Every figure against pycocotools, the reference."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evaluation.detection import evaluate_detection
from evaluation.detection.boxes import Scene
from evaluation.detection.matching import match
from evaluation.detection.precision import average_precision, average_recall
from evaluation.evaluator import ModelEvaluator

MOST = (1, 10, 100)


class Reference(COCOeval):  # type: ignore[misc]
    """pycocotools, which overwrites ``ignore`` by ``iscrowd`` before it begins; here it keeps both."""

    def _prepare(self) -> None:
        for kind, source in (("_gts", self.cocoGt), ("_dts", self.cocoDt)):
            rows = defaultdict(list)
            for row in source.dataset["annotations"]:
                rows[row["image_id"], row["category_id"]].append(row)
            setattr(self, kind, rows)
        self.evalImgs, self.eval = defaultdict(list), {}


def reference(case: Any) -> Reference:
    image = {name: n + 1 for n, name in enumerate(case.images)}
    label = {name: n + 1 for n, name in enumerate(case.labels)}
    head = {
        "images": [{"id": each} for each in image.values()],
        "categories": [{"id": each, "name": name} for name, each in label.items()],
        "info": {},
    }
    truth, found = case.truth, case.found
    true = [
        {
            "id": n + 1,
            "image_id": image[truth.image[n]],
            "category_id": label[truth.label[n]],
            "bbox": list(map(float, truth.box[n])),
            "area": float(truth.area[n]),
            "iscrowd": int(truth.crowd[n]),
            "ignore": int(truth.crowd[n] or truth.ignore[n]),
        }
        for n in range(len(truth.image))
    ]
    said = [
        {
            "id": n + 1,
            "image_id": image[found.image[n]],
            "category_id": label[found.label[n]],
            "bbox": list(map(float, found.box[n])),
            "area": float(found.box[n][2] * found.box[n][3]),
            "score": float(found.score[n]),
        }
        for n in range(len(found.image))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        sides = []
        for rows in (true, said):
            side = COCO()
            side.dataset = head | {"annotations": rows}
            side.createIndex()
            sides.append(side)
        made = Reference(*sides, iouType="bbox")
        made.evaluate()
        made.accumulate()
        made.summarize()
    return made


def close(ours: Any, theirs: Any) -> bool:
    """COCO says -1 for undefined."""
    return np.allclose(np.where(np.isnan(ours), -1, ours), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(50))
def test_every_average_precision_and_recall_is_that_of_pycocotools(draw_boxes: Callable[..., Any], seed: int) -> None:
    case = draw_boxes(seed, classes=1 + seed % 5, ties=seed % 3 > 0, most=3 + 3 * (seed % 4))
    theirs = reference(case)
    matches = match(Scene(case.truth, case.found, case.images, case.labels))
    for index, most in enumerate(MOST):
        ours = average_precision(matches, len(case.labels), most)
        assert close(ours, theirs.eval["precision"][..., index].mean(axis=1).transpose(2, 0, 1))
        ours = average_recall(matches, len(case.labels), most)
        assert close(ours, theirs.eval["recall"][..., index].transpose(2, 0, 1))


@pytest.mark.parametrize("seed", range(4))
def test_the_twelve_figures_of_the_report_are_those_of_pycocotools(draw_boxes: Callable[..., Any], seed: int) -> None:
    case = draw_boxes(seed)
    report = evaluate_detection(case.truth, case.found, case.images, labels=case.labels, bootstrap_samples=5)
    names = ["map", "map50", "map75", "map_small", "map_medium", "map_large"]
    names += ["ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large"]
    assert close([getattr(report, name).value for name in names], reference(case).stats)


def test_only_the_hundred_surest_detections_of_a_class_in_a_picture_count(draw_boxes: Callable[..., Any]) -> None:
    case = draw_boxes(4, images=2, classes=1, false=250.0)
    assert len(case.found.image) > 300
    theirs = reference(case)
    matches = match(Scene(case.truth, case.found, case.images, case.labels))
    assert close(average_precision(matches, 1), theirs.eval["precision"][..., 2].mean(axis=1).transpose(2, 0, 1))


def test_of_detections_that_are_equally_sure_those_of_the_picture_with_the_lower_number_come_first() -> None:
    truth = {
        "images": [{"id": 10}, {"id": 2}],
        "categories": [{"id": 1, "name": "fox"}],
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 1, "bbox": [0, 0, 50, 50], "area": 2500, "iscrowd": 0}
        ],
    }
    found = [{"image_id": each, "category_id": 1, "bbox": [0, 0, 50, 50], "score": 0.5} for each in (2, 10)]
    with contextlib.redirect_stdout(io.StringIO()):
        there = COCO()
        there.dataset = truth
        there.createIndex()
        theirs = COCOeval(there, there.loadRes(found), "bbox")
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    assert close(ModelEvaluator.evaluate_detections(truth, found, bootstrap_samples=5).map.value, theirs.stats[0])
