"""Labels that were made wrong are found, and what the model was taught is not judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evaluation.errors.label_errors import find_label_errors


def noisy(say: Any, seed: int, *, n: int = 600, share: float = 0.08, skill: float = 3.0) -> tuple[Any, set[str]]:
    """Answers of a calibrated model, and the samples whose label was then changed."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(6, size=n)
    odds = rng.normal(0, 1, (n, 6))
    odds[np.arange(n), truth] += skill
    table = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    changed = rng.random(n) < share
    labels = np.where(changed, (truth + 1 + rng.integers(5, size=n)) % 6, truth)
    part = say([f"c{k}" for k in labels], table)
    return part, {part.sample_ids[k] for k in np.flatnonzero(changed)}


def test_planted_wrong_labels_are_found(say: Any) -> None:
    hits = named = planted = 0
    for seed in range(5):
        part, changed = noisy(say, seed)
        found = {each.sample_id for each in find_label_errors(part).suspects}
        hits, named, planted = hits + len(found & changed), named + len(found), planted + len(changed)
    assert hits / planted >= 0.75
    assert hits / named >= 0.75


def test_the_worst_suspects_are_the_surest(say: Any) -> None:
    part, changed = noisy(say, 1)
    first = find_label_errors(part).suspects[:20]
    assert sum(each.sample_id in changed for each in first) >= 18
    assert all(each.quality < each.confidence for each in first)


def test_correct_labels_raise_few_suspicions(say: Any) -> None:
    part, _ = noisy(say, 2, share=0.0, skill=6.0)
    assert len(find_label_errors(part).suspects) <= 6


def test_what_the_model_was_trained_on_is_not_judged(say: Any) -> None:
    part, _ = noisy(say, 3)
    half = set(part.sample_ids[::2])
    told = find_label_errors(part, trained_on=half)
    assert (told.judged, told.trained_on) == (300, 300)
    assert not half & {each.sample_id for each in told.suspects}
    every = find_label_errors(part, trained_on=set(part.groups))
    assert (every.judged, every.suspects) == (0, ())
    assert "trained on" in every.why_not


def test_a_class_that_the_model_does_not_know_is_not_judged(say: Any) -> None:
    labels = ["c0"] * 15 + ["c1"] * 15 + ["new"] * 5
    told = find_label_errors(say(labels, [[0.9, 0.1]] * 15 + [[0.1, 0.9]] * 15 + [[0.9, 0.1]] * 5))
    assert (told.judged, told.unknown, told.suspects) == (30, 5, ())


@pytest.mark.parametrize("labels", [["c0"] * 40, ["c0"] * 5 + ["c1"] * 5])
def test_too_little_to_judge_is_a_result(say: Any, labels: list[str]) -> None:
    told = find_label_errors(say(labels, [[0.6, 0.4]] * len(labels)))
    assert told.suspects == ()
    assert "20 samples of two known classes" in told.why_not
