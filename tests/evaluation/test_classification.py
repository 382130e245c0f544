from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from ecosight.errors import InvalidInput, NotEnoughData
from evaluation.classification import evaluate_classification, part_digest
from evaluation.report import ClassificationReport, read_report, report_lines, write_report


def evaluate(case: Any, **more: Any) -> ClassificationReport:
    return evaluate_classification(*case, **{"bootstrap_samples": 200, "seed": 7, **more})


def answers(*rows: tuple[str, str, float, str]) -> Any:
    """(truth, answer, confidence, group) of a two-class classifier."""
    names = ["fox", "owl"]
    table = [[sure if name == said else 1 - sure for name in names] for _, said, sure, _ in rows]
    return [names.index(row[0]) for row in rows], np.array(table), names, [row[3] for row in rows]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("classes", [2, 5])
def test_every_figure_agrees_with_scikit_learn(random_case: Callable[..., Any], seed: int, classes: int) -> None:
    case = truth, table, labels, _ = random_case(200, classes, seed=seed, skill=1.0)
    report, said = evaluate(case), table.argmax(axis=1)
    precision, recall, f1, support = sk.precision_recall_fscore_support(truth, said, zero_division=0)
    for index, label in enumerate(labels):
        figures = report.per_class[label]
        assert figures.precision.value == pytest.approx(precision[index])
        assert figures.recall.value == pytest.approx(recall[index])
        assert figures.f1.value == pytest.approx(f1[index])
        assert figures.support == support[index]
        assert figures.predicted == (said == index).sum()
    assert report.accuracy.value == pytest.approx(sk.accuracy_score(truth, said))
    assert report.balanced_accuracy.value == pytest.approx(sk.balanced_accuracy_score(truth, said))
    assert report.macro_f1.value == pytest.approx(sk.f1_score(truth, said, average="macro"))
    assert report.macro_precision.value == pytest.approx(sk.precision_score(truth, said, average="macro"))
    assert report.log_loss.value == pytest.approx(sk.log_loss(truth, table))
    assert np.array_equal(report.confusion, sk.confusion_matrix(truth, said))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_zero_division_agrees_with_scikit_learn_wherever_it_has_an_answer(pairs: list[tuple[int, int]]) -> None:
    truth, said = zip(*pairs, strict=True)
    report = evaluate((truth, np.eye(4)[list(said)], list("abcd"), [str(n) for n in range(len(truth))]))
    assert report.macro_f1.value == pytest.approx(sk.f1_score(truth, said, average="macro", zero_division=0))
    macro = sk.precision_score(truth, said, average="macro", zero_division=0)
    assert report.macro_precision.value == pytest.approx(macro)
    recalls = sk.recall_score(truth, said, average=None, labels=sorted(set(truth)), zero_division=0)
    assert report.balanced_accuracy.value == pytest.approx(recalls.mean())


def test_what_has_no_denominator_is_undefined_and_never_a_silent_zero() -> None:
    truth, said = [0, 0, 1], [0, 1, 1]
    report = evaluate((truth, np.eye(4)[said], ["seen", "also", "never", "nowhere"], ["a", "b", "c"]))
    never = report.per_class["never"]
    assert (never.precision.value, never.recall.value, never.f1.value, never.support) == (None, None, None, 0)
    assert report.balanced_accuracy.value == 0.75  # a mean over the two classes that are there
    guessed = evaluate(([0, 0], np.eye(2)[[0, 1]], ["there", "only guessed"], ["a", "b"])).per_class["only guessed"]
    assert (guessed.precision.value, guessed.recall.value, guessed.f1.value) == (0.0, None, 0.0)


def test_calibration_error_is_that_of_a_calculation_by_hand() -> None:
    report = evaluate(
        answers(
            ("fox", "fox", 0.95, "a"), ("fox", "fox", 0.97, "b"), ("fox", "owl", 0.99, "c"), ("owl", "owl", 0.6, "d")
        )
    )
    # Top bin: 2 of 3 right at a mean confidence of 0.97; the bin of 0.6: 1 of 1 right.
    assert report.ece.value == pytest.approx(3 / 4 * abs(2 / 3 - 0.97) + 1 / 4 * abs(1 - 0.6))
    assert [each.count for each in report.calibration] == [0] * 8 + [1, 0, 0, 0, 0, 0, 3]
    top = report.calibration[-1]
    assert (top.low, top.high, top.accuracy) == (14 / 15, 1.0, pytest.approx(2 / 3))
    assert report.calibration[0].accuracy is None


def test_confidence_on_the_edge_of_a_bin_belongs_to_the_lower_one() -> None:
    table = np.array([[2 / 3, 1 / 3], [1.0, 0.0]])
    counts = [each.count for each in evaluate(([0, 0], table, ["a", "b"], ["x", "y"])).calibration]
    assert counts[9] == counts[14] == 1


def test_the_interval_resamples_groups_and_not_samples() -> None:
    """Ten copies of each recording know no more than one copy does."""
    rng = np.random.default_rng(0)
    right = rng.random(30) < 0.7
    once = answers(*[("fox", "fox" if good else "owl", 0.9, f"g{n}") for n, good in enumerate(right)])
    rows = [("fox", "fox" if good else "owl", 0.9, f"g{n}") for n, good in enumerate(right) for _ in range(10)]
    alone, copied = evaluate(once).accuracy, evaluate(answers(*rows)).accuracy
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))
    assert copied.high is not None
    assert copied.low is not None
    assert copied.high - copied.low > 0.2


def test_the_fast_bootstrap_is_the_plain_one(random_case: Callable[..., Any]) -> None:
    """Against a loop that copies the samples of each drawn group and asks scikit-learn."""
    truth, table, labels, groups = random_case(60, 3, 15)
    report, said = evaluate((truth, table, labels, groups), bootstrap_samples=300), table.argmax(axis=1)
    names, rng = sorted(set(groups)), np.random.default_rng(1)
    index = {name: np.flatnonzero(np.array(groups) == name) for name in names}
    drawn = [np.concatenate([index[name] for name in rng.choice(names, len(names))]) for _ in range(300)]
    for figure, of in (
        (report.accuracy, lambda rows: sk.accuracy_score(truth[rows], said[rows])),
        (report.macro_f1, lambda rows: sk.f1_score(truth[rows], said[rows], average="macro")),
        (report.log_loss, lambda rows: sk.log_loss(truth[rows], table[rows], labels=range(3))),
    ):
        plain = np.quantile([of(rows) for rows in drawn], [0.025, 0.975])
        assert (figure.low, figure.high) == pytest.approx(tuple(plain), abs=0.06)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Coverage over 100 simulated test parts of 80 groups with accuracy 0.8: 95%, within 3 standard errors."""
    rng, held = np.random.default_rng(3), 0
    for trial in range(100):
        rows = [
            ("fox", "fox" if rng.random() < chance else "owl", 0.9, f"g{group}")
            for group, chance in enumerate(rng.beta(8, 2, size=80))
            for _ in range(4)
        ]
        estimate = evaluate(answers(*rows), seed=trial).accuracy
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= 0.8 <= estimate.high
    assert 0.88 <= held / 100 <= 1.0


def test_one_group_gives_figures_and_no_interval() -> None:
    report = evaluate(answers(("fox", "fox", 0.9, "a"), ("owl", "fox", 0.9, "a")))
    assert report.accuracy.value == 0.5
    assert report.accuracy.low is report.accuracy.high is None
    assert str(report.accuracy) == "0.500"


def test_a_class_of_one_recording_has_no_interval_of_its_own() -> None:
    report = evaluate(answers(("fox", "fox", 0.9, "a"), ("fox", "owl", 0.9, "b"), ("owl", "owl", 0.9, "c")))
    assert report.per_class["fox"].recall.low is not None
    assert report.per_class["owl"].recall.low is None


def test_every_held_out_group_is_reported() -> None:
    report = evaluate(answers(("fox", "fox", 0.9, "a"), ("fox", "owl", 0.9, "a"), ("owl", "owl", 0.9, "b")))
    assert {group: (each.n, each.accuracy) for group, each in report.per_group.items()} == {
        "a": (2, 0.5),
        "b": (1, 1.0),
    }


def test_the_same_seed_gives_the_same_report(random_case: Callable[..., Any]) -> None:
    case = random_case()
    assert evaluate(case) == evaluate(case)
    assert evaluate(case, seed=0).accuracy != evaluate(case, seed=8).accuracy


def test_a_thousand_resamples_of_a_thousand_samples_take_well_under_a_second(random_case: Callable[..., Any]) -> None:
    case = random_case(1000, 10, 1000)
    took = []
    for _ in range(3):
        began = time.perf_counter()
        evaluate(case, bootstrap_samples=1000)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.5  # 0.04 s alone


def test_a_report_survives_json_and_holds_no_nan(random_case: Callable[..., Any], tmp_path: Any) -> None:
    report = evaluate(([0, 0, 1], np.eye(3)[[0, 1, 1]], ["a", "b", "never"], ["x", "y", "z"]))
    text = json.dumps(report.as_dict(), allow_nan=False)
    assert ClassificationReport.from_dict(json.loads(text)) == report
    assert read_report(write_report(report, tmp_path / "new")) == report
    assert not any(math.isnan(value) for value in report.metrics().values())
    assert "recall/never" not in report.metrics()
    assert any("undefined" in line for line in report_lines(report))


@pytest.mark.parametrize(
    "broken", [{}, {"format": 3}, {"format": 2}, {"format": 2, "accuracy": 3}, {"format": 2, "kind": "detection"}]
)
def test_what_is_no_report_is_refused(broken: dict[str, Any], tmp_path: Any) -> None:
    with pytest.raises(InvalidInput):
        ClassificationReport.from_dict(broken)
    with pytest.raises(InvalidInput):
        read_report(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("accuracy", "value"), "high"),
        (("accuracy", "low"), float("nan")),
        (("accuracy", "basis"), ["groups"]),
        (("per_class", "a", "support"), "many"),
        (("confusion", 0, 0), None),
        (("labels", 0), 7),
        (("seed",), 1.5),
    ],
)
def test_a_field_of_another_type_is_refused_where_the_report_is_read(
    place: tuple[Any, ...], wrong: Any, tmp_path: Path
) -> None:
    plain = json.loads(json.dumps(evaluate(([0, 1], np.eye(2), ["a", "b"], ["x", "y"])).as_dict()))
    inner = plain
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = wrong
    (tmp_path / "report.json").write_text(json.dumps(plain), "utf-8")
    with pytest.raises(InvalidInput, match="no evaluation report"):
        read_report(tmp_path / "report.json")


def test_a_report_of_endless_brackets_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("[" * 100_000, "utf-8")
    with pytest.raises(InvalidInput, match="no evaluation report"):
        read_report(tmp_path / "report.json")


@pytest.mark.parametrize(
    ("truth", "table", "labels", "groups"),
    [
        ([0], [[0.5, 0.5]], ["a"], ["g"]),
        ([0], [[0.5, 0.5]], ["a", "a"], ["g"]),
        ([2], [[0.5, 0.5]], ["a", "b"], ["g"]),
        ([-1], [[0.5, 0.5]], ["a", "b"], ["g"]),
        ([0.5], [[0.5, 0.5]], ["a", "b"], ["g"]),
        ([0], [[0.5, 0.5]], ["a", "b"], []),
        ([0], [[0.5, 0.6]], ["a", "b"], ["g"]),
        ([0], [[1.5, -0.5]], ["a", "b"], ["g"]),
        ([0], [[float("nan"), 0.5]], ["a", "b"], ["g"]),
        ([[0], [1]], [[0.5, 0.5]] * 2, ["a", "b"], ["g", "h"]),
        (["a"], [[0.5, 0.5]], ["a", "b"], ["g"]),
        ([0], [["0.5", "half"]], ["a", "b"], ["g"]),
        ([0, 1], [[0.5, 0.5], [1.0]], ["a", "b"], ["g", "h"]),
        ([0, 1], [[0.5, 0.5]] * 2, ["a", "b"], ["g", None]),
    ],
)
def test_input_that_does_not_fit_is_refused(truth: Any, table: Any, labels: Any, groups: Any) -> None:
    with pytest.raises(InvalidInput):
        evaluate((truth, table, labels, groups))


def test_whole_numbers_name_groups_as_text_does() -> None:
    truth, table = [0, 1, 0, 1], np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]])
    by_number = evaluate((truth, table, ["a", "b"], np.array([7, 7, 8, 9])))
    by_name = evaluate((truth, table, ["a", "b"], ["7", "7", "8", "9"]))
    assert by_number.accuracy == by_name.accuracy
    assert by_number.test_digest == by_name.test_digest


def test_no_samples_are_not_enough() -> None:
    with pytest.raises(NotEnoughData):
        evaluate(([], np.zeros((0, 2)), ["a", "b"], []))


def test_a_probability_of_nought_costs_much_but_not_infinitely_much() -> None:
    report = evaluate(([0], np.array([[0.0, 1.0]]), ["a", "b"], ["g"]))
    assert report.log_loss.value == pytest.approx(-math.log(np.finfo(np.float32).eps))


def test_the_test_part_is_named_by_what_is_in_it_in_any_order() -> None:
    assert part_digest(["a", "b"], ["x", "y"]) == part_digest(["b", "a"], ["y", "x"])
    assert part_digest(["a", "b"], ["x", "y"]) != part_digest(["a", "b"], ["y", "x"])
