"""The figures beyond accuracy and F1: weighted means, top-k, Brier score, calibration of classes, older reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from evaluation.classification import evaluate_classification
from evaluation.report import ClassificationReport


def evaluate(case: Any, **more: Any) -> ClassificationReport:
    return evaluate_classification(*case, **{"bootstrap_samples": 5, **more})


probable = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=6, max_size=6).filter(lambda row: sum(row) > 0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), probable), min_size=1, max_size=15))
def test_weighted_means_top_k_and_brier_agree_with_scikit_learn(rows: list[tuple[int, list[float]]]) -> None:
    truth = np.array([label for label, _ in rows])
    table = np.array([row for _, row in rows])
    table /= table.sum(axis=1, keepdims=True)
    said = table.argmax(axis=1)
    report = evaluate((truth, table, list("abcdef"), [str(n) for n in range(len(truth))]))
    assert report.weighted_precision.value == pytest.approx(
        sk.precision_score(truth, said, average="weighted", zero_division=0)
    )
    assert report.weighted_f1.value == pytest.approx(sk.f1_score(truth, said, average="weighted", zero_division=0))
    assert report.accuracy.value == pytest.approx(sk.recall_score(truth, said, average="micro"))
    one_hot = np.eye(6)[truth]
    assert report.brier.value == pytest.approx(((table - one_hot) ** 2).sum(axis=1).mean())
    assert report.brier.value == pytest.approx(sk.brier_score_loss(truth, table, labels=range(6), scale_by_half=False))
    for k, found in ((3, report.top_3_accuracy), (5, report.top_5_accuracy)):
        # Of equal probabilities scikit-learn ranks the last column first; here it is the first, as for the answer.
        mirrored = sk.top_k_accuracy_score(5 - truth, table[:, ::-1], k=k, labels=range(6))
        assert found.value == pytest.approx(mirrored)


def test_top_k_says_nothing_with_no_more_classes_than_k(random_case: Callable[..., Any]) -> None:
    report = evaluate(random_case(50, 4))
    assert report.top_3_accuracy.value is not None
    assert report.top_5_accuracy.value is None


def test_the_calibration_of_classes_is_that_of_a_calculation_by_hand() -> None:
    table = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])
    report = evaluate(([0, 1, 1], table, ["fox", "owl"], ["a", "b", "c"]))
    fox = abs(0.9 - 0.5) * 2 / 3 + abs(0.2 - 0.0) / 3
    owl = abs(0.1 - 0.5) * 2 / 3 + abs(0.8 - 1.0) / 3
    assert report.classwise_ece.value == pytest.approx((fox + owl) / 2)
    assert [each.count for each in report.class_calibration["fox"]] == [1, 2]


def test_a_report_of_the_first_format_can_still_be_read(random_case: Callable[..., Any]) -> None:
    plain = evaluate(random_case(40)).as_dict()
    newer = {name for name in plain if name.startswith(("weighted", "top_", "macro_auc", "map", "brier", "classwise"))}
    newer |= {"class_calibration", "curves", "kind"}
    old = {name: value for name, value in plain.items() if name not in newer} | {"format": 1}
    old["per_class"] = {
        label: {name: figures[name] for name in ("precision", "recall", "f1", "support", "predicted", "group_count")}
        for label, figures in plain["per_class"].items()
    }
    read = ClassificationReport.from_dict(old)
    assert read.accuracy.value == plain["accuracy"]["value"]
    assert read.map.value is None
    assert read.per_class["c0"].auc.value is None
