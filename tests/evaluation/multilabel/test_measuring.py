from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from ecosight.errors import InvalidInput, NotEnoughData
from evaluation.multilabel import MultilabelReport, choose_thresholds, evaluate_multilabel
from evaluation.multilabel.report import multilabel_lines
from evaluation.plots import draw_plots

LABELS = ["fox", "owl", "rain"]
cell = st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]))
tables = st.lists(st.tuples(cell, cell, cell), min_size=1, max_size=14)


def split(rows: list[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    return np.array([[t for t, _ in row] for row in rows]).astype(int), np.array([[p for _, p in row] for row in rows])


def evaluate(truth: Any, table: Any, **more: Any) -> MultilabelReport:
    groups = [f"g{n}" for n in range(len(truth))]
    return evaluate_multilabel(truth, table, LABELS, groups, **{"bootstrap_samples": 10, **more})


def same(ours: float | None, theirs: float) -> bool:
    return np.isnan(theirs) if ours is None else ours == pytest.approx(theirs)


@settings(max_examples=150, deadline=None)
@given(tables)
def test_every_figure_agrees_with_scikit_learn(rows: list[Any]) -> None:
    truth, table = split(rows)
    said, report = (table >= 0.5).astype(int), evaluate(truth, table)
    nan = float("nan")
    assert same(report.subset_accuracy.value, sk.accuracy_score(truth, said))
    assert same(report.hamming_loss.value, sk.hamming_loss(truth, said))
    for average in ("micro", "macro", "weighted"):
        if average == "weighted" and not truth.any():
            assert report.weighted_f1.value is None  # there is nothing to weigh by; scikit-learn says 0
            continue
        f1 = sk.f1_score(truth, said, average=average, zero_division=nan)
        assert same(getattr(report, f"{average}_f1").value, f1)
        recall = sk.recall_score(truth, said, average=average, zero_division=nan)
        assert same(getattr(report, f"{average}_recall").value, recall)
    some = (truth + said).any(axis=0)  # a label neither there nor said is left out; scikit-learn counts it as 0
    if some.any():
        each = [sk.precision_score(truth[:, c], said[:, c], zero_division=0) for c in np.flatnonzero(some)]
        assert same(report.macro_precision.value, float(np.mean(each)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        there = truth.any(axis=0)
        for column, label in enumerate(LABELS):
            figures = report.per_class[label]
            assert figures.support == truth[:, column].sum()
            assert figures.predicted == said[:, column].sum()
            precision = sk.average_precision_score(truth[:, column], table[:, column]) if there[column] else nan
            assert same(figures.average_precision.value, precision)
        if there.any():
            mean = sk.average_precision_score(truth[:, there], table[:, there], average="macro")
            assert same(report.map.value, mean)


@settings(max_examples=100, deadline=None)
@given(tables)
def test_sample_averages_agree_with_scikit_learn(rows: list[Any]) -> None:
    truth, table = split(rows)
    said, report = (table >= 0.5).astype(int), evaluate(truth, table)
    some, there = (truth + said).any(axis=1), truth.any(axis=1)
    for name, rows_of, score in (
        ("precision", some, sk.precision_score),
        ("f1", some, sk.f1_score),
        ("recall", there, sk.recall_score),
    ):
        value = getattr(report, f"samples_{name}").value
        if rows_of.any():
            wanted = score(truth[rows_of], said[rows_of], average="samples", zero_division=0)
            assert same(value, wanted)
        else:
            assert value is None


def test_thresholds_may_differ_by_label_and_count_from_themselves_on() -> None:
    truth, table = [[1, 1, 0]], np.array([[0.3, 0.8, 0.9]])
    assert evaluate(truth, table, thresholds=[0.3, 0.9, 0.95]).per_class["fox"].predicted == 1
    assert evaluate(truth, table, thresholds=[0.31, 0.9, 0.95]).per_class["fox"].predicted == 0
    assert evaluate(truth, table, thresholds=0.85).per_class["rain"].predicted == 1


def test_thresholds_chosen_on_one_part_are_the_best_there() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((400, 3)) < (0.1, 0.3, 0.0)
    table = np.clip(rng.normal(0.3, 0.15, (400, 3)) + 0.25 * truth, 0, 1)
    chosen = choose_thresholds(truth, table)
    assert chosen[2] == 0.5  # never there
    for column in range(2):
        best = sk.f1_score(truth[:, column], table[:, column] >= chosen[column])
        assert all(best >= sk.f1_score(truth[:, column], table[:, column] >= t) for t in np.linspace(0, 1, 60))


def test_a_sample_without_any_label_is_right_if_nothing_is_said() -> None:
    report = evaluate([[0, 0, 0], [1, 0, 0]], np.array([[0.1, 0.2, 0.3], [0.9, 0.1, 0.1]]))
    assert report.subset_accuracy.value == 1.0
    assert report.samples_f1.value == 1.0


def test_intervals_resample_groups_and_are_honest_about_perfection() -> None:
    truth = np.eye(3, dtype=int)[np.arange(60) % 3]
    report = evaluate_multilabel(truth, truth * 0.9, LABELS, [f"g{n // 3}" for n in range(60)], bootstrap_samples=50)
    assert report.group_count == 20
    assert report.map.value == 1.0
    assert report.map.low == pytest.approx(0.025 ** (1 / 20))
    copied = evaluate_multilabel(
        np.repeat(truth, 5, axis=0), np.repeat(truth, 5, axis=0) * 0.9, LABELS, [f"g{n // 15}" for n in range(300)]
    )
    assert copied.map.low == report.map.low


def test_a_report_survives_json_is_told_and_drawn() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((50, 3)) < 0.4).astype(int)
    report = evaluate(truth, rng.random((50, 3)))
    text = json.dumps(report.as_dict(), allow_nan=False)
    assert MultilabelReport.from_dict(json.loads(text)) == report
    assert "map" in report.metrics()
    assert "recall/fox" in report.metrics()
    assert any("mAP" in line for line in multilabel_lines(report))
    assert set(draw_plots(report)) == {"per_class", "class_reliability", "roc", "precision_recall"}
    with pytest.raises(InvalidInput):
        MultilabelReport.from_dict({"format": 1, "kind": "classification"})


@pytest.mark.parametrize(
    ("truth", "table", "more"),
    [
        ([[1, 0]], [[0.5, 0.5, 0.5]], {}),
        ([[2, 0, 0]], [[0.5, 0.5, 0.5]], {}),
        ([[1, 0, 0]], [[0.5, 0.5, 1.5]], {}),
        ([[1, 0, 0]], [[0.5, 0.5, float("nan")]], {}),
        ([[1, 0, 0]], [[0.5, 0.5, 0.5]], {"thresholds": [0.5, 0.5]}),
        ([[1, 0, 0]], [[0.5, 0.5, 0.5]], {"thresholds": 2}),
    ],
)
def test_input_that_does_not_fit_is_refused(truth: Any, table: Any, more: Any) -> None:
    with pytest.raises(InvalidInput):
        evaluate(truth, np.array(table), **more)


@pytest.mark.parametrize(
    ("table", "more"),
    [
        ([[0.5, 0.5, 0.5]], {"thresholds": {"a": 0.5}}),
        ([[0.5, 0.5, 0.5]], {"groups": [None]}),
        ([[0.5, "x", 0.5]], {}),
        ([[0.5], [0.5, 0.5]], {}),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(table: Any, more: Any) -> None:
    given: Any = {"groups": ["g"], **more}
    with pytest.raises(InvalidInput):
        evaluate_multilabel([[1, 0, 1]], table, ["a", "b", "c"], **given)


def test_no_samples_are_not_enough() -> None:
    with pytest.raises(NotEnoughData):
        evaluate(np.zeros((0, 3)), np.zeros((0, 3)))
