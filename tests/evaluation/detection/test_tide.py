"""Why a detector is wrong, on scenes whose answer is seen at a glance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evaluation.detection import FoundBoxes, TrueBoxes
from evaluation.detection.boxes import Scene
from evaluation.detection.matching import match
from evaluation.detection.precision import average_precision
from evaluation.detection.tide import KINDS, ErrorKind, error_kinds

FOX = [100.0, 100.0, 100.0, 100.0]
Row = tuple[str, list[float], float]


def kinds(found: list[Row], true: list[tuple[str, list[float]]], **more: Any) -> dict[str, ErrorKind]:
    truth = TrueBoxes(image=["p"] * len(true), label=[t[0] for t in true], box=[t[1] for t in true], **more)
    said = FoundBoxes(
        image=["p"] * len(found), label=[f[0] for f in found], box=[f[1] for f in found], score=[f[2] for f in found]
    )
    return error_kinds(Scene(truth, said, ["p", "empty"], ["fox", "owl"]))


def moved(by: float) -> list[float]:
    return [FOX[0] + by, *FOX[1:]]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([("fox", FOX, 0.9)], {}),
        ([], {"missed": 1}),
        ([("fox", moved(50), 0.9)], {"localisation": 1}),  # overlap 1/3
        ([("owl", FOX, 0.9)], {"classification": 1}),
        ([("owl", moved(50), 0.9)], {"both": 1, "missed": 1}),
        ([("fox", FOX, 0.9), ("fox", moved(5), 0.8)], {"duplicate": 1}),
        ([("fox", moved(300), 0.9)], {"background": 1, "missed": 1}),
        ([("fox", moved(85), 0.9)], {"background": 1, "missed": 1}),  # overlap 0.08
    ],
)
def test_every_kind_of_error_is_told_from_the_others(found: list[Row], expected: dict[str, int]) -> None:
    counted = {kind: each.count for kind, each in kinds(found, [("fox", FOX)]).items() if each.count}
    assert counted == expected


def test_what_each_kind_costs_is_what_mending_it_alone_gains() -> None:
    true = [("fox", FOX), ("fox", moved(400))]
    wrong_class = kinds([("fox", FOX, 0.9), ("owl", moved(400), 0.8)], true)
    assert wrong_class["classification"].cost == pytest.approx(1 - 51 / 101)  # recall 0.5, of 101 points 51
    assert wrong_class["missed"].cost == 0  # the second fox is covered by the wrong class
    missed = kinds([("fox", FOX, 0.9)], true)
    assert missed["missed"] == ErrorKind(count=1, cost=pytest.approx(1 - 51 / 101))
    doubled = kinds([("fox", FOX, 0.9), ("fox", moved(5), 0.8), ("fox", moved(400), 0.7)], true)
    assert doubled["duplicate"].cost == pytest.approx(50 / 101 / 3)  # precision 2/3 becomes 1 beyond recall 0.5


def test_two_faults_on_one_box_are_mended_once() -> None:
    found = [("owl", FOX, 0.9), ("owl", moved(5), 0.8)]
    both = kinds(found, [("fox", FOX)])["classification"]
    assert both == ErrorKind(count=2, cost=1.0)


def test_detections_on_ignored_boxes_are_no_errors() -> None:
    found = [("fox", FOX, 0.9), ("fox", moved(3), 0.8)]
    assert all(each.count == 0 for each in kinds(found, [("fox", FOX)], crowd=[True]).values())
    assert all(each.count == 0 for each in kinds(found, [("fox", FOX)], ignore=[True]).values())


@pytest.mark.parametrize("seed", range(12))
def test_kinds_add_up_to_everything_that_is_wrong(draw_boxes: Callable[..., Any], seed: int) -> None:
    case = draw_boxes(seed, ties=False, crowd=0, ignore=0)
    scene = Scene(case.truth, case.found, case.images, case.labels)
    found = error_kinds(scene)
    assert list(found) == list(KINDS)
    right = match(scene).right[0, 0].sum()
    assert sum(each.count for kind, each in found.items() if kind != "missed") == len(scene.score) - right
    assert all(0 <= each.cost <= 1 for each in found.values())
    assert found["missed"].count <= len(scene.true_box) - right


@pytest.mark.parametrize("seed", range(6))
def test_costs_are_measured_from_the_map_that_is_reported(draw_boxes: Callable[..., Any], seed: int) -> None:
    """Without the false detections that are mere background, mAP is what the report says plus their cost."""
    case = draw_boxes(seed * 2, ties=False, crowd=0, ignore=0, false=4.0)
    kept = [n for n in range(len(case.found.image)) if not _is_background(case, n)]
    fewer = FoundBoxes(
        **{name: [getattr(case.found, name)[n] for n in kept] for name in ("image", "label", "box", "score")}
    )
    whole, mended = (_map50(case, found) for found in (case.found, fewer))
    cost = error_kinds(Scene(case.truth, case.found, case.images, case.labels))["background"].cost
    assert cost == pytest.approx(mended - whole, abs=1e-9)


def _is_background(case: Any, n: int) -> bool:
    one = FoundBoxes(
        image=[case.found.image[n]], label=[case.found.label[n]], box=[case.found.box[n]], score=[case.found.score[n]]
    )
    return error_kinds(Scene(case.truth, one, case.images, case.labels))["background"].count == 1


def _map50(case: Any, found: FoundBoxes) -> float:
    matches = match(Scene(case.truth, found, case.images, case.labels))
    return float(np.nanmean(average_precision(matches, len(case.labels))[0, 0]))
