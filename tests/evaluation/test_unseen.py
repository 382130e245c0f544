"""Intervals of one test part do not contradict each other, and admit what it happens not to hold."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.classification import evaluate_classification
from evaluation.estimates import Estimate
from evaluation.multilabel.measuring import evaluate_multilabel
from evaluation.report import ClassificationReport


def report_of(truth: list[int], said: list[int], groups: list[str]) -> ClassificationReport:
    sure = 0.94 + 0.05 * np.random.default_rng(1).random(len(truth))
    table: NDArray[np.float64] = np.tile(((1 - sure) / 3)[:, None], 4)
    table[np.arange(len(said)), said] = sure
    return evaluate_classification(truth, table, ["fox", "owl", "wren", "newt"], groups, bootstrap_samples=200)


def ends(estimate: Estimate) -> tuple[float, float]:
    assert estimate.low is not None, "there is no interval"
    assert estimate.high is not None, "there is no interval"
    return estimate.low, estimate.high


def test_a_model_that_was_never_wrong_may_still_have_losses() -> None:
    """Twelve recordings, all right: the accuracy's own interval says that it may be wrong in a quarter of them."""
    truth = [n % 3 for n in range(12)]
    report = report_of(truth, truth, [f"r{n}" for n in range(12)])
    wrong = 1 - ends(report.accuracy)[0]
    assert wrong > 0.2
    assert ends(report.brier)[1] >= wrong * 0.5  # a tie between two classes costs no less
    assert ends(report.log_loss)[1] >= wrong * np.log(2)
    assert ends(report.ece)[1] == pytest.approx(wrong - (report.log_loss.value or 0), abs=0.01)
    assert ends(report.ece)[0] < 0.05


@pytest.mark.parametrize(("mistaken", "admitted"), [(1, True), (4, True), (5, False), (20, False)])
def test_where_mistakes_are_many_nothing_is_added(
    mistaken: int, admitted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = [n % 3 for n in range(60)]
    said = [(each + 1) % 3 if n < mistaken else each for n, each in enumerate(truth)]
    groups = [f"r{n}" for n in range(60)]
    report = report_of(truth, said, groups)
    monkeypatch.setattr("evaluation.unseen.FEW_MISTAKEN", 0)
    resampled = report_of(truth, said, groups)
    assert (ends(report.ece)[1] > ends(resampled.ece)[1]) == admitted
    for name in ("brier", "log_loss", "classwise_ece"):
        ours, theirs = ends(getattr(report, name)), ends(getattr(resampled, name))
        assert ours[0] == theirs[0]
        assert ours[1] >= theirs[1] if admitted else ours[1] == theirs[1]


def test_classes_that_are_said_and_not_there_do_not_bring_macro_f1_down_for_sure() -> None:
    """They count 0, as scikit-learn has it; how well they would be found, nobody knows."""
    truth = [n % 2 for n in range(40)]
    said = [2 + n % 2 if n in (0, 7) else each for n, each in enumerate(truth)]
    report = report_of(truth, said, [f"r{n // 2}" for n in range(40)])
    there = sum(report.per_class[label].f1.value or 0.0 for label in ("fox", "owl"))
    assert report.macro_f1.value == pytest.approx(there / 4)
    low, high = ends(report.macro_f1)
    assert low < there / 4 < there / 2 < high


def test_labels_that_are_said_and_not_there_do_neither() -> None:
    truth = np.array([[n % 2, 1 - n % 2, 0, 0] for n in range(40)])
    table = np.where(truth == 1, 0.9, 0.1).astype(float)
    table[[3, 12], 2] = table[[4, 17], 3] = 0.8
    table[[5, 21, 30], 0] = 0.6
    report = evaluate_multilabel(truth, table, ["fox", "owl", "wren", "newt"], [f"r{n // 2}" for n in range(40)])
    assert report.per_class["wren"].f1.value == 0
    there = [report.per_class[label].f1.value or 0.0 for label in ("fox", "owl")]
    assert ends(report.macro_f1)[1] > np.mean(there)
