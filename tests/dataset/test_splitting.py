from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dataset.splitting import PARTS, DatasetSplitter
from ecosight.errors import InvalidInput

RATIOS = {"train": 0.72, "val": 0.13, "test": 0.15}
LABELS = "abcd"

counts = st.dictionaries(st.sampled_from(LABELS), st.integers(1, 9), min_size=1, max_size=3)
datasets = st.dictionaries(st.text("ghijk0123456789", min_size=1, max_size=6), counts, min_size=1, max_size=30)
pure_datasets = st.lists(st.tuples(st.sampled_from(LABELS), st.integers(1, 9)), min_size=1, max_size=40).map(
    lambda rows: {f"g{n}": {label: size} for n, (label, size) in enumerate(rows)}
)
seeds = st.integers(0, 2**31)


def covered(groups: dict[str, dict[str, int]], parts: dict[str, str]) -> set[tuple[str, str]]:
    return {(label, parts[group]) for group, labels in groups.items() for label in labels}


@given(datasets, seeds)
def test_every_group_has_exactly_one_part(groups: dict[str, dict[str, int]], seed: int) -> None:
    parts = DatasetSplitter(RATIOS, seed).assign(groups)
    assert set(parts) == set(groups)
    assert set(parts.values()) <= set(PARTS)


@given(datasets, seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(groups: dict[str, dict[str, int]], seed: int, random: object) -> None:
    shuffled = list(groups.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    turned = {group: dict(reversed(labels.items())) for group, labels in shuffled}
    splitter = DatasetSplitter(RATIOS, seed)
    assert splitter.assign(turned) == splitter.assign(groups)


@given(datasets, datasets, seeds)
def test_a_group_never_changes_its_part_when_others_come(
    first: dict[str, dict[str, int]], more: dict[str, dict[str, int]], seed: int
) -> None:
    splitter = DatasetSplitter(RATIOS, seed)
    before = splitter.assign(first)
    # Groups grow and new ones come; a group that is gone leaves the others alone.
    after = splitter.assign({**first, **more}, fixed={**before, "vanished": "test"})
    assert {group: after[group] for group in before} == before
    assert "vanished" not in after


@given(pure_datasets, seeds)
def test_a_class_with_three_groups_is_in_every_part(groups: dict[str, dict[str, int]], seed: int) -> None:
    parts = DatasetSplitter(RATIOS, seed).assign(groups)
    number = Counter(label for labels in groups.values() for label in labels)
    wanted = {1: {"train"}, 2: {"train", "test"}}
    for label, many in number.items():
        there = {part for of, part in covered(groups, parts) if of == label}
        assert there == wanted.get(many, set(PARTS))


@given(st.lists(pure_datasets, min_size=2, max_size=4), seeds)
def test_a_class_that_grows_from_version_to_version_is_covered_as_soon_as_it_can_be(
    steps: list[dict[str, dict[str, int]]], seed: int
) -> None:
    splitter, parts, whole = DatasetSplitter(RATIOS, seed), {}, {}  # type: ignore[var-annotated]
    for step, groups in enumerate(steps):
        whole |= {f"{step}-{group}": labels for group, labels in groups.items()}
        parts = splitter.assign(whole, parts)
    number = Counter(label for labels in whole.values() for label in labels)
    for label, many in number.items():
        assert len({part for of, part in covered(whole, parts) if of == label}) == min(many, 3)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.integers(0, 99), st.sets(st.sampled_from("abc"), min_size=1), min_size=3, max_size=6), seeds)
def test_coverage_is_found_whenever_there_is_one(classes: dict[int, set[str]], seed: int) -> None:
    """Against brute force, with groups that hold several classes at once."""
    groups = {f"g{name}": dict.fromkeys(labels, 1) for name, labels in classes.items()}
    number = Counter(label for labels in groups.values() for label in labels)
    needs = {(label, part) for label, many in number.items() if many >= 3 for part in PARTS}
    assume(needs)
    possible = any(
        needs <= covered(groups, dict(zip(groups, choice, strict=True)))
        for choice in itertools.product(PARTS, repeat=len(groups))
    )
    found = needs <= covered(groups, DatasetSplitter(RATIOS, seed).assign(groups))
    assert found == possible


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(60, 200), min_size=1, max_size=5),
    seeds,
    st.sampled_from([RATIOS, {"train": 0.7, "val": 0.2, "test": 0.1}, {"train": 0.5, "val": 0.25, "test": 0.25}]),
)
def test_many_small_groups_meet_the_ratios_in_every_class(
    sizes: list[int], seed: int, ratios: dict[str, float]
) -> None:
    groups = {f"{label}{n}": {f"class{label}": 1 + n % 3} for label, size in enumerate(sizes) for n in range(size)}
    parts = DatasetSplitter(ratios, seed).assign(groups)
    for label in range(len(sizes)):
        placed: Counter[str] = Counter()
        for group, of in groups.items():
            placed[parts[group]] += of.get(f"class{label}", 0)
        for part in PARTS:
            assert placed[part] / placed.total() == pytest.approx(ratios[part], abs=3 / placed.total() + 1e-9)


def test_another_seed_gives_another_split() -> None:
    groups = {f"g{n}": {"a": 1} for n in range(100)}
    assert DatasetSplitter(RATIOS, 0).assign(groups) != DatasetSplitter(RATIOS, 1).assign(groups)


def test_a_huge_recording_goes_to_training_and_the_small_ones_measure_it() -> None:
    parts = DatasetSplitter(RATIOS, 7).assign({"long": {"a": 100}, "s1": {"a": 5}, "s2": {"a": 5}})
    assert parts["long"] == "train"
    assert {parts["s1"], parts["s2"]} == {"val", "test"}


@pytest.mark.parametrize(
    "ratios", [{"train": 1.0}, {"train": 0.8, "val": 0.2, "test": 0.0}, {"train": 0.8, "val": 0.8, "test": 0.2}]
)
def test_shares_that_are_none_are_refused(ratios: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        DatasetSplitter(ratios, 7)


def test_a_fixed_part_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no part 'holdout'"):
        DatasetSplitter(RATIOS, 7).assign({"g": {"a": 1}}, {"g": "holdout"})


def test_ten_thousand_groups_are_split_in_a_second() -> None:
    import time

    groups = {f"g{n}": {f"c{n % 50}": 1 + n % 4} for n in range(10_000)}
    began = time.perf_counter()
    DatasetSplitter(RATIOS, 7).assign(groups)
    assert time.perf_counter() - began < 3  # 0.2 s alone; the machine may be busy
