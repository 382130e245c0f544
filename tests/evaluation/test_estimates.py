from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from evaluation.bootstrap import MOST_POOLS, Groups, group_weights
from evaluation.classification import evaluate_classification
from evaluation.estimates import Estimate, Kind, Support, estimate
from evaluation.report import ClassificationReport, report_lines


def perfect(groups: int, each: int = 4) -> ClassificationReport:
    truth = [n % 2 for n in range(groups) for _ in range(each)]
    names = [f"g{n}" for n in range(groups) for _ in range(each)]
    return evaluate_classification(truth, np.eye(2)[truth], ["fox", "owl"], names, bootstrap_samples=50)


def test_a_perfect_model_is_not_certain_to_be_perfect() -> None:
    few, many = perfect(20), perfect(200)
    assert (few.accuracy.value, few.accuracy.high, few.accuracy.basis) == (1.0, 1.0, "exact on groups")
    assert few.accuracy.low == pytest.approx(0.025 ** (1 / 20))  # Clopper and Pearson for 20 of 20
    assert many.accuracy.low == pytest.approx(0.025 ** (1 / 200))
    recall = few.per_class["fox"].recall
    assert recall.low == pytest.approx(0.025 ** (1 / 10))  # ten of the groups hold a fox
    assert any("* no resample differs" in line for line in report_lines(few))
    assert not any(
        figure.low == figure.high == 1.0
        for report in (few, many)
        for figure in (report.accuracy, report.macro_f1, report.macro_auc, report.map)
    )


def test_ten_clips_of_each_recording_make_a_perfect_model_no_surer() -> None:
    assert perfect(20, 40).accuracy == perfect(20, 4).accuracy


def test_always_wrong_mirrors_always_right() -> None:
    right, wrong = (estimate(value, np.full(50, value), Support.of(12)) for value in (1.0, 0.0))
    assert wrong.low == 0.0
    assert wrong.high == pytest.approx(1 - (right.low or 0.0))


def test_few_groups_are_marked_and_widen_the_interval() -> None:
    resampled = np.random.default_rng(0).normal(0.8, 0.05, 1000)
    few, many = estimate(0.8, resampled, Support.of(5)), estimate(0.8, resampled, Support.of(500))
    assert (few.basis, many.basis) == ("few groups", "resampled groups")
    assert str(few).endswith("~")
    assert (few.high or 0) - (few.low or 0) > 1.5 * ((many.high or 0) - (many.low or 0))


def test_means_over_classes_lose_a_degree_for_each_class_that_has_groups_of_its_own() -> None:
    fives, alike = [Support.of(5)] * 3, [Support.of(15)] * 3
    assert Support.of_classes(fives, Support.of(15)) == Support(15, 12, pytest.approx(15 / 12))
    assert Support.of_classes(alike, Support.of(15)) == Support(15, 14, pytest.approx(15 / 14))
    assert Support.of_classes([Support.of(1), Support.of(1), Support.of(0)], Support.of(2)).free == 0


def test_a_class_of_few_groups_widens_a_mean_as_much_as_it_makes_up_of_its_variance() -> None:
    each = [Support.of(100), Support.of(3)]
    variances, every = (np.array([1.0, 0.0]), np.array([0.0, 1.0])), Support.of(103)
    common, rare = (Support.of_classes(each, every, shown, by_size=True).widening for shown in variances)
    assert (common, rare) == (pytest.approx(100 / 99), pytest.approx(3 / 2))
    assert common < Support.of_classes(each, every, np.array([1.0, 1.0]), by_size=True).widening < rare


def test_where_classes_count_alike_resamples_show_more_because_they_draw_now_more_now_fewer_of_a_class() -> None:
    """Three of 30 groups, their figure 0, 0 and 1: the variance of the class's mean over resamples that hold it."""
    drawn = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), size=200_000)[:, :3]
    shown = (drawn[:, 2] / drawn.sum(axis=1).clip(1))[drawn.any(axis=1)].var()
    widening = Support.of_classes([Support.of(3)], Support.of(30), np.array([1.0])).widening
    assert shown * widening == pytest.approx(np.var([0, 0, 1], ddof=1) / 3, rel=0.01)


def test_groups_of_unequal_size_count_as_the_fewer_of_equal_size_that_say_as_much() -> None:
    even, uneven = Groups(["a", "b", "c", "d"] * 10, seed=0), Groups(["a"] * 37 + ["b", "c", "d"], seed=0)
    assert even.support() == Support.of(4)
    assert (uneven.support().groups, even.support().groups) == (4, 4)
    assert uneven.support().free < even.support().free
    assert uneven.support(np.arange(40) > 35) == Support.of(4)


@pytest.mark.parametrize("alike", [0.0, 0.3, 1.0])
def test_groups_of_very_unequal_size_widen_as_much_as_their_mean_varies(alike: float) -> None:
    """A mean over 40 groups of 1 to 30 samples, 20,000 times; ``alike`` is what a sample shares with its group.

    Taken as 40 groups of equal size, or as the ten that would vary as much, it would be in 89 or 93% instead of 95%.
    """
    sizes = np.r_[np.ones(25), np.full(10, 5.0), np.full(5, 30.0)]
    spread = np.sqrt(alike + (1 - alike) / sizes)
    groups = np.random.default_rng(0).normal(0, spread, (20_000, len(sizes)))
    means = groups @ sizes / sizes.sum()
    shown = np.sqrt(((sizes * (groups - means[:, None])) ** 2).sum(axis=1)) / sizes.sum()
    support = Support.of_sizes(sizes)
    reach = student.ppf(0.975, support.free) * np.sqrt(support.widening)
    assert 0.945 <= (np.abs(means) <= reach * shown).mean() <= 0.98


@settings(max_examples=200, deadline=None)
@given(
    st.floats(0, 1),
    st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=2, max_size=30),
    st.integers(0, 40),
    st.sampled_from(get_args(Kind)),
)
def test_an_interval_holds_its_value_and_stays_where_figures_can_be(
    value: float, resampled: list[float], groups: int, kind: Kind
) -> None:
    found = estimate(value, np.array(resampled), Support.of(groups), kind)
    assert found.value == value
    assert (found.low is None) == (found.high is None) == (found.basis is None)
    if found.low is not None and found.high is not None:
        assert 0 <= found.low <= value <= found.high
        assert found.high <= 1 or kind == "loss"
        assert found.low < found.high


def test_precision_weighted_by_class_lies_around_what_is_left_of_it_without_its_bias() -> None:
    """Where the class that a draw holds much of is the one that it is precise for, as in every draw."""
    resampled = np.random.default_rng(0).normal(0.83, 0.03, 1000)
    plain, found = (estimate(0.8, resampled, Support.of(50), kind) for kind in ("share", "lifted"))
    middle = estimate(0.8 - (resampled.mean() - 0.8), resampled, Support.of(50))
    assert (found.low, found.high) == (pytest.approx(middle.low), pytest.approx(middle.high))
    assert found.value == 0.8
    assert (found.low or 0) < (plain.low or 0)


def test_close_to_one_no_interval_reaches_further_than_five_times_its_error() -> None:
    resampled = np.random.default_rng(0).normal(0.985, 0.02, 1000).clip(0, 1)
    found = estimate(0.992, resampled, Support.of(30))
    assert 0.75 < (found.low or 0) < 0.992
    assert found.high == pytest.approx(1.0, abs=0.001)


def test_a_loss_is_never_said_to_reach_beyond_what_it_can_be() -> None:
    report = evaluate_classification(
        [0, 1, 0], np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]), ["a", "b"], ["g", "h", "i"]
    )
    assert (report.brier.high or 0) <= 2
    assert (report.log_loss.high or 0) <= 16
    assert (report.classwise_ece.high or 0) <= 1


def test_what_is_undefined_has_no_interval() -> None:
    assert estimate(float("nan"), np.zeros(5), Support.of(9)) == Estimate(value=None)
    assert estimate(0.5, np.full(5, np.nan), Support.of(9)) == Estimate(value=0.5)


def test_more_groups_than_pools_are_dealt_out_evenly_and_give_the_same_interval() -> None:
    rng = np.random.default_rng(0)
    names = [f"g{n}" for n in range(3 * MOST_POOLS)]
    groups = Groups(names, seed=1)
    assert (len(groups), groups.pools) == (3 * MOST_POOLS, MOST_POOLS)
    assert set(np.bincount(groups.pool)) == {3}
    right = rng.random(len(names)) < 0.8
    table = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])
    found = evaluate_classification([0] * len(names), table, ["fox", "owl"], names, bootstrap_samples=1000).accuracy
    assert found.low is not None
    assert found.high is not None
    wanted = 2 * 1.96 * np.sqrt(0.16 / len(names))
    assert found.high - found.low == pytest.approx(wanted, rel=0.08)


def test_weights_draw_as_many_groups_as_there_are() -> None:
    drawn = np.concatenate(list(group_weights(7, 100, seed=3)))
    assert drawn.shape == (100, 7)
    assert (drawn.sum(axis=1) == 7).all()
