"""What is wrong on purpose with a test part is told wherever something was measured on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ecosight.blobs import LocalBlobs
from evaluation.classification import evaluate_classification
from evaluation.comparing import ModelComparator, comparison_lines
from evaluation.detection import FoundBoxes, TrueBoxes, evaluate_detection
from evaluation.detection.report import detection_lines
from evaluation.errors import ErrorAnalyzer, error_page
from evaluation.evaluator import ModelEvaluator
from evaluation.multilabel import evaluate_multilabel
from evaluation.multilabel.report import multilabel_lines
from evaluation.page import report_page
from evaluation.predictions import Predictions
from evaluation.report import report_lines

CAVEAT = "override of group since v2: 1 on two sides, because: <published>"
OPTIONS: dict[str, Any] = {"bootstrap_samples": 10, "caveats": [CAVEAT]}
LINES: dict[str, Callable[..., list[str]]] = {
    "classification": report_lines,
    "multilabel": multilabel_lines,
    "detection": detection_lines,
}


def measured(kind: str) -> Any:
    if kind == "classification":
        return evaluate_classification([0, 1], np.eye(2), ["fox", "owl"], ["a", "b"], **OPTIONS)
    if kind == "multilabel":
        return evaluate_multilabel([[0, 1], [1, 1]], np.eye(2), ["fox", "owl"], ["a", "b"], **OPTIONS)
    box = [0.0, 0.0, 9.0, 9.0]
    truth = TrueBoxes(image=["a"], label=["fox"], box=[box])
    return evaluate_detection(truth, FoundBoxes(image=["a"], label=["fox"], box=[box], score=[0.9]), ["a"], **OPTIONS)


def answered() -> Predictions:
    """Forty samples of twenty groups, some of them answered wrong."""
    table = [[0.1, 0.9] if number % 5 else [0.9, 0.1] for number in range(40)]
    return Predictions.of(
        sample_ids=[f"s{number}" for number in range(40)],
        labels=["owl"] * 40,
        groups=[f"g{number // 2}" for number in range(40)],
        sources=[f"{number}.wav" for number in range(40)],
        answers=np.array(table),
        known_labels=["fox", "owl"],
        model_digest="d" * 64,
        caveats=[CAVEAT],
    )


@pytest.mark.parametrize("kind", LINES)
def test_reports_of_every_kind_tell_it_in_text_in_json_and_on_the_page(kind: str) -> None:
    report = measured(kind)
    assert f"  ! {CAVEAT}" in LINES[kind](report)
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["caveats"] == [CAVEAT]
    assert type(report).from_dict(plain) == report
    assert type(report).from_dict({name: plain[name] for name in plain if name != "caveats"}).caveats == ()
    assert "\\u003cpublished>" in report_page(report)


def test_comparisons_tell_it() -> None:
    comparator = ModelComparator(bootstrap_samples=20)
    found = comparator.compare([answered(), replace(answered(), model="other")])
    assert f"  ! {CAVEAT}" in comparison_lines(found)
    assert found.as_dict()["caveats"] == (CAVEAT,)
    assert '<p class="caveat">override of group since v2' in comparator.page(found)
    assert "<published>" not in comparator.page(found)


def test_reviews_of_mistakes_tell_it() -> None:
    analyzer = ErrorAnalyzer(answered(), shuffles=19)
    assert f"  ! {CAVEAT}" in analyzer.lines()
    assert analyzer.analyze().as_dict()["caveats"] == [CAVEAT]
    page = error_page(analyzer.analyze())
    assert '<p class="caveat">override of group since v2' in page
    assert "<published>" not in page


def test_an_evaluator_repeats_what_it_was_told_of_its_samples(
    make_servable: Callable[..., Any], put: Callable[..., Any], blobs: LocalBlobs
) -> None:
    entries = [put("fox", {"fox": 0.9, "owl": 0.1}, "a"), put("owl", {"fox": 0.2, "owl": 0.8}, "b")]
    servable = make_servable(["fox", "owl"])
    evaluator = ModelEvaluator(servable, entries, blobs, bootstrap_samples=10, caveats=[CAVEAT])
    assert evaluator.evaluate().caveats == (CAVEAT,)
    assert evaluator.compare_models([servable]).caveats == (CAVEAT,)
