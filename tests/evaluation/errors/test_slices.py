"""A search through many parts names bad ones, and does not name any where there is none."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from ecosight.errors import InvalidInput
from evaluation.errors import shuffling
from evaluation.errors.slices import CLASS, SliceSearch, search_slices

NOTHING_BAD = {
    "groups of unequal size": {},
    "groups with mistakes of their own": {"clumps": "group"},
    "mistakes that clump by class within a group": {"clumps": "class", "within": True, "group_count": 30},
    "mistakes that clump by hour within a group": {"clumps": "hour", "within": True, "group_count": 30},
    "facts that differ within a group": {"within": True},
    "few mistakes": {"base": 0.02},
}


def searched(make: Any, seed: int, **kind: Any) -> SliceSearch:
    rng = np.random.default_rng([seed, 7])
    return search_slices(make(rng, **kind), rng=rng, shuffles=99)


def share_with_a_find(make: Any, runs: int, **kind: Any) -> float:
    return sum(bool(searched(make, seed, **kind).found) for seed in range(runs)) / runs


def test_a_part_without_a_bad_part_is_rarely_said_to_have_one(make: Any) -> None:
    assert share_with_a_find(make, 80) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 80)


@pytest.mark.slow
@pytest.mark.parametrize("kind", NOTHING_BAD.values(), ids=NOTHING_BAD)
def test_no_more_than_one_in_twenty_is_called_bad_by_mistake(make: Any, kind: dict[str, Any]) -> None:
    assert share_with_a_find(make, 2000, **kind) <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 2000)


def test_a_naive_search_would_call_many_of_them_bad(make: Any) -> None:
    """The correction is needed: with a test for each part alone, chance names one in a third of cases or more."""
    from scipy.stats import binomtest

    from evaluation.errors.candidates import candidates

    named = 0
    for seed in range(20):
        part = make(np.random.default_rng([seed, 7]))
        groups = np.unique(part.groups, return_inverse=True)[1].astype(np.int64)
        wrong = ~part.correct
        facts = {**part.facts, CLASS: [part.labels[k] for k in part.truth]}
        found = candidates(facts, groups, min_samples=10, min_groups=5)
        tests = [binomtest(int(wrong[each.rows].sum()), each.rows.size, wrong.mean(), "greater") for each in found]
        named += any(test.pvalue < 0.05 for test in tests)
    assert named >= 7


def test_a_planted_bad_station_is_found_and_told_once(make: Any) -> None:
    names = [[part.name for part in searched(make, seed, bad="station").found] for seed in range(40)]
    assert sum(bool(found) for found in names) >= 36
    assert sum(found == ["station 3"] for found in names) >= 28


def test_a_planted_bad_pair_is_found_rather_than_its_parents(make: Any) -> None:
    kind = {"bad": "pair", "bad_rate": 0.8, "n": 600, "group_count": 300, "base": 0.05}
    names = [[part.name for part in searched(make, seed, **kind).found] for seed in range(20)]
    assert sum(any(name.startswith("station 3, h") for name in found) for found in names) >= 18
    assert sum("station 3" in found for found in names) <= 4


def test_what_is_told_of_a_bad_part_is_what_its_samples_say(make: Any) -> None:
    rng = np.random.default_rng(1)
    part = make(rng, bad="station", bad_rate=0.7)
    told = searched(lambda _, **__: part, 1).found[0]
    rows = np.array([value == "3" for value in part.facts["station"]])
    wrong = rows & ~part.correct
    assert (told.n, told.errors) == (rows.sum(), wrong.sum())
    assert told.group_count == len({group for group, here in zip(part.groups, rows, strict=True) if here})
    assert set(told.wrong) == {each for each, here in zip(part.sample_ids, wrong, strict=True) if here}
    overall = float((~part.correct).mean())
    assert overall < told.shrunk_rate < told.error_rate == pytest.approx(wrong.sum() / rows.sum())
    assert told.p_value <= 0.05


def test_two_names_of_the_same_samples_are_one_part(say: Any) -> None:
    n = 60
    far = [k < 20 for k in range(n)]
    answers = [[0.2, 0.8] if here else [0.9, 0.1] for here in far]
    facts = {"station": ["7" if here else "1" for here in far], "observer": ["Bo" if here else "Al" for here in far]}
    found = search_slices(say(["c0"] * n, answers, facts=facts), rng=np.random.default_rng(0), shuffles=99).found
    assert len(found) == 1
    assert {found[0].name, *found[0].other_names} >= {"station 7", "observer Bo"}


def test_the_same_seed_gives_the_same_figures(make: Any) -> None:
    assert searched(make, 3, bad="station").as_dict() == searched(make, 3, bad="station").as_dict()


def test_small_parts_are_not_looked_at_and_it_is_said_why(say: Any) -> None:
    few = say(["c0"] * 6, [[0.2, 0.8]] + [[0.9, 0.1]] * 5, facts={"station": list("aabbcc")})
    told = search_slices(few, rng=np.random.default_rng(0))
    assert told.found == ()
    assert told.why_not == "no part has 10 samples of 5 groups"
    right = say(["c0"] * 30, [[0.9, 0.1]] * 30, facts={"station": list("ab" * 15)})
    assert search_slices(right, rng=np.random.default_rng(0)).why_not == "there are no mistakes"


def test_too_few_shuffles_are_refused(make: Any) -> None:
    with pytest.raises(InvalidInput, match="10 shuffles cannot show a chance") as caught:
        search_slices(make(np.random.default_rng(0)), rng=np.random.default_rng(0), shuffles=10)
    assert caught.value.hint == "Take at least 20."


def test_shuffles_of_many_samples_take_little_memory(make: Any) -> None:
    """As many numbers as a few copies of the samples and of what parts have in common with groups, not hundreds."""
    predictions = make(np.random.default_rng(0), n=20_000, group_count=1000)
    tracemalloc.start()
    try:
        search_slices(predictions, rng=np.random.default_rng(0), shuffles=63, alpha=0.1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1600 * len(predictions), peak / len(predictions)


def test_what_is_mixed_stays_in_its_run() -> None:
    runs = np.repeat(np.arange(2000), np.random.default_rng(0).integers(1, 9, 2000))
    mixed = shuffling._mixed_within(runs, np.random.default_rng(1))
    assert (runs[mixed] == runs).all()
    assert (np.sort(mixed) == np.arange(runs.size)).all()
    assert (mixed != np.arange(runs.size)).mean() > 0.5
