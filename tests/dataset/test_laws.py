"""Laws that hold for any history: splits, merges and differences."""

from __future__ import annotations

from typing import Any

from dataset_kit import id_of, in_memory, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.changes import relabelled, removed
from dataset.merging.diffing import compare
from dataset.merging.joining import merge
from dataset.storing.rows import keys_of
from dataset.versions import DatasetRepository

NAMES = [f"s{number}" for number in range(80)]
labels = st.sampled_from(["fox", "owl", "bat"])
edit = st.tuples(
    st.dictionaries(st.sampled_from(NAMES), st.tuples(labels, st.integers(0, 15)), max_size=60),  # added or relabelled
    st.sets(st.sampled_from(NAMES), max_size=20),  # removed
)


def change(
    repository: DatasetRepository, put: dict[str, tuple[str, int]], gone: set[str], branch: str = "main"
) -> None:
    there = repository.get(branch).sample_ids
    new = {name: each for name, each in put.items() if id_of(name) not in there}
    old = {id_of(name): label for name, (label, _) in put.items() if name not in new}
    if new:
        samples = [sample(name, label, group=f"g{group}") for name, (label, group) in new.items()]
        repository.extend(samples, message="new", branch=branch)
    if old:
        repository.commit_changes(relabelled(old), message="labels", branch=branch)
    lost = [id_of(name) for name in sorted(gone) if id_of(name) in repository.get(branch).sample_ids]
    if lost:
        repository.commit_changes(removed(lost), message="gone", branch=branch)


def started() -> DatasetRepository:
    made = in_memory()
    made.extend([sample("root", "fox"), *(sample(name) for name in NAMES[:30])], message="first")
    return made


@settings(max_examples=15, deadline=None)
@given(edit, edit)
def test_the_difference_of_any_two_versions_applied_to_one_gives_the_other(first: Any, second: Any) -> None:
    repository = started()
    change(repository, *first)
    change(repository, *second)
    digests = [row.ref.digest for row in repository.log()]
    for one, other in [(digests[0], digests[-1]), (digests[-1], digests[0]), (digests[0], digests[len(digests) // 2])]:
        before, after = (repository.snapshots.load(digest).entries for digest in (one, other))
        diff = compare(before, after)
        gone = keys_of(diff.removed)
        applied = before.with_changes(diff.added, gone).with_changes(diff.after)
        assert applied == after
        assert applied.digest == after.digest
        assert applied.table().equals(after.table())
        back = compare(after, before)
        assert back.added.equals(diff.removed)
        assert back.before.equals(diff.after)


@settings(max_examples=20, deadline=None)
@given(edit)
def test_a_fast_forward_is_the_other_side_itself_and_merging_again_changes_nothing(edited: Any) -> None:
    repository = started()
    repository.branches.create("night", repository.resolve())
    put, gone = edited
    change(repository, put, gone, "night")
    theirs = repository.resolve("night")
    for _ in range(2):
        merge(repository, "night")
        assert repository.resolve() == theirs
    merge(repository, "main", into="night")
    assert repository.resolve("night") == theirs


@settings(max_examples=20, deadline=None)
@given(st.lists(edit, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_no_group_is_on_two_sides_and_none_moves_in_any_order_of_additions_and_removals(
    edits: list[Any], random: Any
) -> None:
    random.shuffle(edits)
    repository = started()
    known: dict[str, str] = {}
    for put, gone in edits:
        change(repository, put, gone)
        now: dict[str, str] = {}
        for entry in repository.get().entries:
            assert now.setdefault(entry.group, entry.part) == entry.part
        # Also a group that was away altogether, and came back, has the part that it had.
        assert all(known.get(group, part) == part for group, part in now.items())
        known |= now
