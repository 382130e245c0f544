"""Which classes are taken for which, how often, and whether it goes one way only."""

from __future__ import annotations

from typing import Any

from evaluation.errors.confusions import Confusions, find_confusions
from evaluation.errors.mistakes import confident_mistakes


def confusions(say: Any, pairs: dict[tuple[int, int], int], **more: Any) -> Confusions:
    """Of true class -> answer, how often."""
    labels, answers = [], []
    for (truth, answer), times in pairs.items():
        for k in range(times):
            row = [0.1, 0.1, 0.1]
            row[answer] = 0.5 + 0.001 * k
            labels.append(f"c{truth}")
            answers.append(row)
    part = say(labels, answers, **more)
    return find_confusions(part, confident_mistakes(part))


def test_the_most_frequent_comes_first_with_its_way_back(say: Any) -> None:
    told = confusions(say, {(0, 0): 20, (1, 1): 20, (2, 2): 20, (0, 1): 4, (1, 0): 3, (2, 0): 1})
    first = told.frequent[0]
    assert (first.truth, first.label, first.count, first.reverse) == ("c0", "c1", 4, 3)
    assert first.share == 4 / 24
    assert [each.count for each in told.frequent] == [4, 3, 1]
    assert told.lopsided == ()


def test_a_confusion_that_goes_one_way_only_is_named(say: Any) -> None:
    told = confusions(say, {(0, 0): 30, (1, 1): 30, (0, 1): 14, (1, 0): 1})
    assert [(each.truth, each.label) for each in told.lopsided] == [("c0", "c1")]
    assert told.lopsided[0].p_value < 0.01


def test_many_samples_of_one_recording_are_one_piece_of_evidence(say: Any) -> None:
    groups = [f"r{k}" for k in range(60)] + ["one"] * 14 + ["r0"]
    told = confusions(say, {(0, 0): 30, (1, 1): 30, (0, 1): 14, (1, 0): 1}, groups=groups)
    assert told.frequent[0].count == 14
    assert told.frequent[0].group_count == 1
    assert told.lopsided == ()


def test_a_class_without_samples_of_its_own_proves_nothing_lopsided(say: Any) -> None:
    assert confusions(say, {(0, 0): 10, (0, 1): 10}).lopsided == ()


def test_examples_are_the_most_confident_of_different_recordings(say: Any) -> None:
    groups = ["a", "b", "a", "a", "c"]
    part = say(["c0"] * 5, [[0.4, 0.6], [0.3, 0.7], [0.1, 0.9], [0.2, 0.8], [0.45, 0.55]], groups=groups)
    pair = find_confusions(part, confident_mistakes(part)).frequent[0]
    assert pair.examples == ("s0002", "s0001", "s0004")
    assert [each.sample_id for each in confident_mistakes(part)][:3] == ["s0002", "s0003", "s0001"]
