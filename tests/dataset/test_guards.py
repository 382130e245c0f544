"""What belongs together is on one side; who breaks that has to say so, and it stays visible."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from dataset_kit import RATIOS, MemoryBlobs, MemoryRefs, Ticking, id_of, in_memory, parts_of, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.changes import moved, relabelled
from dataset.merging.joining import merge
from dataset.parting.resplitting import begin_set
from dataset.versions import DatasetRepository
from ecosight.errors import InvalidInput, Refused

ORDER = ("train", "val", "test")


@pytest.fixture
def repository() -> DatasetRepository:
    """Twenty recordings of two clips each."""
    made = in_memory()
    made.extend([sample(f"s{n}{clip}", group=f"night {n}") for n in range(20) for clip in "ab"], message="first")
    return made


def torn(repository: DatasetRepository, name: str = "s0a") -> Any:
    part = parts_of(repository)[name]
    return moved({id_of(name): next(each for each in ORDER if each != part)})


def test_a_group_on_two_sides_is_refused_and_nothing_is_moved(repository: DatasetRepository) -> None:
    before = repository.resolve()
    with pytest.raises(Refused, match="one recording, burst or site is on two sides: night 0"):
        repository.rehearse(torn(repository))
    with pytest.raises(Refused, match="one recording, burst or site is on two sides: night 0") as refused:
        repository.commit_changes(torn(repository), message="by hand")
    assert refused.value.context == {"rule": "group", "count": 1, "examples": ["night 0"]}
    assert "--override group=" in refused.value.hint
    assert repository.resolve() == before


def test_an_override_is_recorded_and_stays_visible_in_every_later_version(repository: DatasetRepository) -> None:
    given, before = {"group": "the official split"}, sorted(repository.blobs.digests())
    assert repository.rehearse(torn(repository), overrides=given).changed
    assert sorted(repository.blobs.digests()) == before
    version, _ = repository.commit_changes(torn(repository), message="by hand", overrides=given)
    (override,) = version.overrides
    assert (override.name, override.reason, override.version, override.count) == ("group", "the official split", 2, 1)
    assert list(override.examples) == ["night 0"]
    assert json.loads(repository.blobs.get(override.covers)) == ["night 0"]
    later, _ = repository.extend([sample("new")], message="later")
    assert later.overrides == version.overrides
    assert repository.summary().overrides == repository.log()[0].overrides == version.overrides
    assert repository.log()[-1].overrides == ()


def test_an_override_covers_what_it_was_given_for_and_nothing_else(repository: DatasetRepository) -> None:
    repository.commit_changes(torn(repository), message="by hand", overrides={"group": "the official split"})
    repository.commit_changes(relabelled({id_of("s0a"): "owl"}), message="the same group again")
    with pytest.raises(Refused, match="night 1"):
        repository.commit_changes(torn(repository, "s1a"), message="another group")
    with pytest.raises(InvalidInput, match="no rule 'everything'"):
        repository.commit_changes(torn(repository, "s1a"), message="x", overrides={"everything": "please"})
    with pytest.raises(InvalidInput, match="gives no reason"):
        repository.commit_changes(torn(repository, "s1a"), message="x", overrides={"group": " "})


def test_an_override_that_nothing_needs_is_not_recorded(repository: DatasetRepository) -> None:
    version, _ = repository.extend([sample("new")], message="x", overrides={"group": "just in case"})
    assert version.overrides == ()


def test_near_duplicates_that_are_new_go_where_the_first_is() -> None:
    repository = in_memory(near_duplicates=lambda ids: [(each, id_of("s0")) for each in ids if each != id_of("s0")])
    repository.extend([sample("s0")], message="first")
    repository.extend([sample(f"s{n}") for n in range(1, 12)], message="eleven copies")
    assert len(set(parts_of(repository).values())) == 1


def test_copies_that_come_together_stay_together() -> None:
    pairs = [(id_of(f"s{n}"), id_of(f"s{n + 1}")) for n in range(0, 30, 2)]
    repository = in_memory(near_duplicates=lambda ids: pairs)
    repository.extend([sample(f"s{n}") for n in range(31)], message="first")
    parts = parts_of(repository)
    assert all(parts[f"s{n}"] == parts[f"s{n + 1}"] for n in range(0, 30, 2))
    assert set(parts.values()) == set(ORDER)


def test_a_copy_of_two_that_are_apart_is_refused_or_told() -> None:
    repository = in_memory()
    repository.extend([sample(f"s{n}") for n in range(20)], message="first")
    parts = parts_of(repository)
    train, test = (next(name for name in parts if parts[name] == part) for part in ("train", "test"))
    repository.near_duplicates = lambda ids: [(id_of("copy"), id_of(train)), (id_of("copy"), id_of(test))]
    with pytest.raises(Refused, match="near-duplicates are on two sides") as refused:
        repository.extend([sample("copy")], message="x")
    assert re.fullmatch(r"[0-9a-f]{64} [0-9a-f]{64}", refused.value.context["examples"][0])
    version, _ = repository.extend([sample("copy")], message="x", overrides={"near-duplicates": "two foxes"})
    assert parts_of(repository)["copy"] == "train"  # who trained on it is not tested on it
    assert [(each.name, each.count) for each in version.overrides] == [("near-duplicates", 1)]


def test_who_lets_nobody_look_is_refused_no_sample_but_tells_it_for_good() -> None:
    repository = in_memory(near_duplicates=lambda ids: [(one, other) for one in ids for other in ids])
    first, _ = repository.extend(
        [sample(f"s{n}") for n in range(9)], message="x", overrides={"unsearched": "all of another night"}
    )
    assert len(set(parts_of(repository).values())) > 1  # nobody put them beside each other
    assert first.caveats == (
        "override of unsearched since v1: 9 new samples not compared for near-duplicates, "
        "because: all of another night",
    )
    # Only what is new needs to be looked at, and what was once not looked at stays told.
    later, _ = repository.commit_changes(relabelled({id_of("s0"): "owl"}), message="x")
    assert later.overrides == first.overrides
    again, _ = repository.extend([sample("t0"), sample("t1")], message="x", overrides={"unsearched": "and these"})
    assert [(each.version, each.count) for each in again.overrides] == [(1, 9), (3, 2)]


def test_a_dataset_that_nobody_can_search_says_so() -> None:
    repository = DatasetRepository(MemoryBlobs(), MemoryRefs(), name="main", ratios=RATIOS, seed=7, clock=Ticking())
    version, _ = repository.extend([sample("s0")], message="first")
    assert [(each.name, each.count) for each in version.overrides] == [("unsearched", 1)]
    assert "without a search" in version.overrides[0].reason


def test_a_split_that_looks_again_ends_the_doubt_and_one_that_does_not_keeps_it() -> None:
    repository = in_memory()
    repository.extend([sample(f"s{n}") for n in range(20)], message="x", overrides={"unsearched": "in a hurry"})
    looked, _ = begin_set(repository, "looked")
    unlooked, _ = begin_set(repository, "unlooked", overrides={"unsearched": "still"})
    assert looked is not None
    assert looked.overrides == ()
    assert unlooked is not None
    assert [each.reason for each in unlooked.overrides] == ["still"]


def test_a_merge_that_nobody_searched_says_so() -> None:
    repository = in_memory()
    repository.extend([sample(f"s{n}") for n in range(5)], message="first")
    repository.branches.create("night", repository.resolve())
    repository.extend([sample("here")], message="here")
    repository.extend([sample("there")], message="there", branch="night")
    report = merge(repository, "night", overrides={"unsearched": "trust me"})
    assert report.version is not None
    assert [(each.name, each.count) for each in report.version.overrides] == [("unsearched", 1)]


# -- laws --------------------------------------------------------------------------------------------------

batches = st.lists(
    st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from(["fox", "owl", "bat"]), st.integers(0, 12)),
        min_size=1,
        max_size=15,
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60)
@given(batches, st.randoms(use_true_random=False))
def test_no_group_is_ever_on_two_sides_and_no_part_ever_changes(
    given_batches: list[list[tuple[int, str, int]]], random: Any
) -> None:
    """In any order of additions: what was once tested on stays the test, in every version after it."""
    random.shuffle(given_batches)
    repository = in_memory()
    known: dict[str, str] = {}
    for batch in given_batches:
        random.shuffle(batch)
        repository.extend([sample(f"s{n}", label, group=f"g{group}") for n, label, group in batch], message="more")
        parts: dict[str, set[str]] = {}
        for entry in repository.get().entries:
            parts.setdefault(entry.group, set()).add(entry.part)
        assert all(len(each) == 1 for each in parts.values())
        now = {group: next(iter(each)) for group, each in parts.items()}
        assert {group: now[group] for group in known} == known
        known = now


@settings(max_examples=30)
@given(batches)
def test_the_same_samples_in_one_commit_give_one_split_in_any_order(
    given_batches: list[list[tuple[int, str, int]]],
) -> None:
    rows = {n: (label, group) for batch in given_batches for n, label, group in batch}
    samples = [sample(f"s{n}", label, group=f"g{group}") for n, (label, group) in rows.items()]
    one, two = in_memory(), in_memory()
    one.extend(samples, message="x")
    two.extend(reversed(samples), message="x")
    assert parts_of(one) == parts_of(two)
