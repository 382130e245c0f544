from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from evaluation.bootstrap import Groups, group_weights
from evaluation.classification import evaluate_classification
from evaluation.curves import MOST_POINTS, areas, best_threshold, count_by_threshold, thin_curve
from evaluation.ranking import Ranking

scored = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.5001, 1.0])), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(scored)
def test_curves_and_areas_are_those_of_scikit_learn(
    pairs: list[tuple[bool, float]],
) -> None:
    truth, scores = np.array([t for t, _ in pairs]), np.array([s for _, s in pairs])
    counted = count_by_threshold(truth, scores)
    auc, precision = areas(counted)
    if truth.any():
        assert precision == pytest.approx(sk.average_precision_score(truth, scores))
        p, r, thresholds = sk.precision_recall_curve(truth, scores)
        curve = thin_curve("fox", counted)
        assert np.allclose(curve.precision, p[:-1][::-1])
        assert np.allclose(curve.recall, r[:-1][::-1])
        assert np.allclose(curve.thresholds, thresholds[::-1])
    else:
        assert np.isnan(precision)
    if truth.any() and not truth.all():
        assert auc == pytest.approx(sk.roc_auc_score(truth, scores))
        fpr, tpr, _ = sk.roc_curve(truth, scores, drop_intermediate=False)
        assert np.allclose(thin_curve("fox", counted).false_positive_rate, fpr[1:])
        assert np.allclose(thin_curve("fox", counted).recall, tpr[1:])
    else:
        assert np.isnan(auc)


@settings(max_examples=100, deadline=None)
@given(scored)
def test_the_best_threshold_has_the_best_f1(pairs: list[tuple[bool, float]]) -> None:
    truth, scores = np.array([t for t, _ in pairs]), np.array([s for _, s in pairs])
    best = best_threshold(count_by_threshold(truth, scores))
    if not truth.any():
        assert best is None
        return
    every = {s: sk.f1_score(truth, scores >= s, zero_division=0) for s in set(scores)}
    assert every[best] == pytest.approx(max(every.values()))


def plain(truth: NDArray[Any], table: NDArray[Any]) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "macro_auc": sk.roc_auc_score(truth, table, multi_class="ovr", average="macro"),
            "weighted_auc": sk.roc_auc_score(truth, table, multi_class="ovr", average="weighted"),
            "map": sk.average_precision_score(truth, table, average="macro"),
            "weighted_average_precision": sk.average_precision_score(truth, table, average="weighted"),
        }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("digits", [1, 12])
def test_means_over_classes_are_those_of_scikit_learn(random_case: Callable[..., Any], seed: int, digits: int) -> None:
    truth, table, labels, groups = random_case(200, 5, seed=seed, skill=1.0)
    table = table.round(digits)
    table[:, 0] += 1 - table.sum(axis=1)
    table = np.clip(table, 0, 1)
    table /= table.sum(axis=1, keepdims=True)
    report = evaluate_classification(truth, table, labels, groups, bootstrap_samples=5)
    for name, value in plain(truth, table).items():
        assert getattr(report, name).value == pytest.approx(value), name
    for column, label in enumerate(labels):
        figures = report.per_class[label]
        assert figures.auc.value == pytest.approx(sk.roc_auc_score(truth == column, table[:, column]))
        assert figures.average_precision.value == pytest.approx(
            sk.average_precision_score(truth == column, table[:, column])
        )


@pytest.mark.parametrize("ties", [False, True])
def test_a_resample_is_the_sample_with_its_groups_copied(random_case: Callable[..., Any], ties: bool) -> None:
    truth, table, _, names = random_case(150, 3, 20)
    table = table.round(1) if ties else table
    groups = Groups(names, seed=0)
    weights = next(group_weights(groups.pools, 6, seed=1))
    found = Ranking(np.eye(3, dtype=bool)[truth], table, groups).resampled(weights)
    for row, drawn in enumerate(weights):
        rows = np.repeat(np.arange(len(truth)), drawn[groups.index].astype(int))
        for column in range(3):
            there, scores = truth[rows] == column, table[rows, column]
            assert found["auc"][row, column] == pytest.approx(sk.roc_auc_score(there, scores))
            assert found["average_precision"][row, column] == pytest.approx(sk.average_precision_score(there, scores))


def test_counting_neighbouring_scores_together_changes_no_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((20_000, 1)) < 0.03
    scores = rng.normal(0, 1, (20_000, 1)) + 1.5 * truth
    groups = Groups([f"g{n // 20}" for n in range(20_000)], seed=0)
    weights = next(group_weights(groups.pools, 300, seed=1))
    rough = Ranking(truth, scores, groups).resampled(weights)
    monkeypatch.setattr("evaluation.ranking.LEVELS", 50_000)
    exact = Ranking(truth, scores, groups).resampled(weights)
    for name in ("auc", "average_precision"):
        assert rough[name].std() == pytest.approx(exact[name].std(), rel=0.03)


def test_curves_are_thin_and_keep_their_ends() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(5000) < 0.01
    curve = thin_curve("fox", count_by_threshold(truth, rng.normal(0, 1, 5000) + truth))
    assert len(curve.hits) <= MOST_POINTS
    assert (curve.recall[-1], curve.false_positive_rate[-1]) == (1.0, 1.0)
    assert curve.positives + curve.negatives == 5000


def test_a_thousand_resamples_of_a_hundred_thousand_samples_take_seconds(random_case: Callable[..., Any]) -> None:
    case = random_case(100_000, 10, 100_000)
    began = time.perf_counter()
    report = evaluate_classification(*case, bootstrap_samples=1000)
    assert time.perf_counter() - began < 25  # 2.9 s beside other work
    assert report.group_count > 60_000
