"""Which model is better, how surely, and where."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ecosight.errors import InvalidInput, NotEnoughData
from evaluation.comparing import Comparison, ModelComparator, compare, comparison_lines

Make = Callable[..., Any]


def test_a_better_model_is_found_and_ranked_first(world: Make) -> None:
    found = compare(world().draw(np.random.default_rng(0), 120, [1.5, 3.0, 1.5]), bootstrap_samples=200)
    assert found.models[0].name == "B"
    assert [model.rank for model in found.models] == [1, 2, 2]
    assert found.models[1].ties == (found.models[2].name,)
    pair = found.pair("B", "A")
    assert pair.better == "B"
    shift = pair.metrics["accuracy"].difference
    assert shift.low is not None
    assert shift.low > 0
    assert pair.verdict.startswith(f"B is better than A by {100 * (shift.value or 0):.1f} points (95% ")
    assert pair.verdict.endswith("after Holm")
    unclear = found.pair("A", "C")
    assert unclear.better is None
    assert unclear.verdict.startswith("cannot tell A and C apart: ")
    assert unclear.more_groups
    assert f"about {unclear.more_groups:,} more groups would be needed" in unclear.verdict


def test_differences_are_those_of_the_reports(world: Make) -> None:
    drawn = world().draw(np.random.default_rng(1), 40, [1.5, 2.5])
    found = compare(drawn, bootstrap_samples=100)
    reports = [each.report(bootstrap_samples=100, seed=7) for each in drawn]
    for name, contrast in found.pairs[0].metrics.items():
        values = [getattr(report, name).value for report in reports]
        assert [contrast.first, contrast.second] == pytest.approx(values)
        assert contrast.difference.value == pytest.approx(values[1] - values[0])
    assert found.pairs[0].classes["c1"].first == pytest.approx(reports[0].per_class["c1"].recall.value)
    assert found.models[0].figures["accuracy"] in (reports[0].accuracy, reports[1].accuracy)


def test_samples_of_one_recording_do_not_pass_for_many(told: Make) -> None:
    """All 30 differences are of two recordings: by sample that looks sure, by group nothing is shown."""
    groups = [f"g{number // 15}" for number in range(150)]
    first = told("A", [0] * 30 + [1] * 120, groups)
    second = told("B", [1] * 150, groups)
    pair = compare([first, second], bootstrap_samples=200).pairs[0]
    assert pair.mcnemar.p < 1e-6
    assert not pair.mcnemar.independent_samples
    assert pair.group_p == 0.5
    assert pair.better is None
    low = pair.metrics["accuracy"].difference.low
    assert low is not None
    assert low < 0


def test_the_samples_that_one_alone_answers_right_are_listed(told: Make) -> None:
    groups = [f"g{number}" for number in range(6)]
    found = compare([told("A", [1, 1, 0, 0, 1, 1], groups), told("B", [1, 0, 1, 0, 1, 1], groups)]).pairs[0]
    assert [(each.sample_id, each.right) for each in found.disagreements] == [("s000001", 1), ("s000002", 2)]
    one = found.disagreements[0]
    assert (one.source, one.group, one.truth, one.answers) == ("1.wav", "g1", "c0", ("c0", "c1"))
    assert list(one.confidences) == pytest.approx([0.9, 0.8])


def test_slices_show_where_a_model_is_better_and_small_ones_claim_nothing(told: Make) -> None:
    groups, north = [f"g{number}" for number in range(61)], ["north"] * 30 + ["south"] * 30 + ["east"]
    first = told("A", [0] * 15 + [1] * 46, groups, station=north, one=["x"] * 61)
    second = told("B", [1] * 61, groups, station=north, one=["x"] * 61)
    slices = {each.value: each.accuracy for each in compare([first, second]).pairs[0].slices}
    assert set(slices) == {"north", "south", "east"}  # a fact with one value slices nothing
    assert slices["north"].corrected is not None
    assert slices["north"].corrected < 0.001
    assert slices["south"].corrected == 1
    assert (slices["east"].p, slices["east"].difference.low, slices["east"].groups) == (None, None, 1)
    assert (slices["north"].first, slices["north"].second, slices["north"].n) == (0.5, 1.0, 30)


def test_models_that_know_different_classes_are_compared_on_both_grounds(say: Make) -> None:
    truth, groups = ["c0", "c1", "c2"] * 10, [f"g{number}" for number in range(30)]
    two = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4]] * 10)
    three = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]] * 10)
    found = compare(
        [say("A", truth, groups, two, ["c0", "c1"]), say("B", truth, groups, three, ["c2", "c1", "c0"][::-1])]
    )
    assert found.notes == ("A does not know c2: 10 of 30 samples",)
    assert found.pairs[0].metrics["accuracy"].difference.value == pytest.approx(1 / 3)
    assert found.pairs[0].shared is not None
    assert (found.pairs[0].shared.n, found.pairs[0].shared.difference.value) == (20, 0.0)
    assert "over the 20 samples of classes that both know" in "\n".join(comparison_lines(found))


def test_what_cannot_be_compared_is_refused_in_a_sentence(told: Make) -> None:
    groups = ["g0", "g1", "g2"]
    first = told("A", [1, 0, 1], groups)
    with pytest.raises(
        InvalidInput, match=r"A \(3 samples\) and B \(2 samples\) were not asked about the same test part"
    ):
        compare([first, told("B", [1, 0], groups[:2])])
    with pytest.raises(InvalidInput, match="not asked about the same"):
        compare([first, told("B", [1, 0, 1], ["g0", "g1", "other"])])
    with pytest.raises(InvalidInput, match="at least two models"):
        compare([first])
    with pytest.raises(InvalidInput, match="there is no correction"):
        ModelComparator(correction="")
    with pytest.raises(NotEnoughData):
        compare([told("A", [], []), told("B", [], [])])


def test_a_model_against_itself_and_a_single_group_claim_nothing(told: Make) -> None:
    groups = ["g0", "g1", "g2", "g3"]
    same = compare([told("A", [1, 0, 1, 1], groups), told("A", [1, 0, 1, 1], groups)])
    assert [model.name for model in same.models] == ["A", "A (2)"]
    assert same.notes == ("A and A (2) are the same bytes",)
    assert same.pairs[0].verdict == "cannot tell A and A (2) apart: they are right on the same 3 samples"
    assert {each.p for each in same.pairs[0].metrics.values()} <= {1.0, None}
    known = [each.difference for each in same.pairs[0].metrics.values() if each.difference.value is not None]
    assert len(known) > 5
    assert {(each.value, each.low, each.high, each.basis) for each in known} == {(0.0, 0.0, 0.0, "same bytes")}
    assert "macro F1           +0.000 [+0.000, +0.000]" in "\n".join(comparison_lines(same))
    alike = compare([told("A", [1, 0, 1, 1], groups), told("B", [1, 0, 1, 1], groups)]).pairs[0].metrics
    for name in ("accuracy", "macro_f1", "balanced_accuracy"):  # other bytes may answer other samples otherwise
        found = alike[name].difference
        assert (found.value, found.low, found.basis) == (0.0, -(found.high or 0.0), "exact on groups")
        assert found.high == pytest.approx(1 - 0.025 ** (1 / 4))
    single = compare([told("A", [0] * 20, ["g"] * 20), told("B", [1] * 20, ["g"] * 20)]).pairs[0]
    assert (single.better, single.group_p) == (None, None)
    assert "all samples are of one group" in single.verdict


def test_the_same_answers_give_the_same_comparison_as_plain_json(world: Make) -> None:
    def made() -> Comparison:
        return compare(world().draw(np.random.default_rng(3), 12, [1.0, 2.0]), bootstrap_samples=50)

    plain = json.dumps(made().as_dict(), allow_nan=False)
    assert plain == json.dumps(made().as_dict(), allow_nan=False)
    assert json.loads(plain)["kind"] == "comparison"


def test_fewer_groups_are_never_promised_than_the_test_by_group_can_decide_on(told: Make) -> None:
    """One model ahead in all of 5 groups has p = .0625; in all of 6, .031."""
    groups = [f"g{number // 10}" for number in range(20)]
    models = [told("A", [1] * 20, groups), told("B", [0, 0, 0] + [1] * 7 + [0, 0, 0, 0] + [1] * 6, groups)]
    assert compare(models, bootstrap_samples=50).pairs[0].more_groups == 4


def test_more_groups_than_are_resampled_one_by_one(told: Make) -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{number}" for number in range(6000)]
    right = [rng.random(6000) < share for share in (0.80, 0.85)]
    found = compare([told("A", right[0], groups), told("B", right[1], groups)], bootstrap_samples=100)
    assert found.pairs[0].better == "B"
    assert found.pairs[0].mcnemar.independent_samples
