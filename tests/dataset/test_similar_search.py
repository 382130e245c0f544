"""Duplicates are found, joined and named, whatever the medium: here notes, whose words are their words."""

from __future__ import annotations

import hashlib
import random
import sqlite3
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.entries import Entry
from dataset.similar import DuplicateReport, FingerprintStore, find_duplicates
from dataset.similar.candidates import LEAST_VOTES, Candidates, Postings, find_candidates
from ecosight.blobs import LocalBlobs
from ecosight.errors import Cancelled, UnreadableMedia
from ecosight.ports import Fingerprint
from ecosight.progress import NullProgress


class NotePrints:
    """A note's words and where they stand; two notes are near when 60% of their words stand at one shift."""

    name = "notes"
    threshold = 0.6

    def __init__(self, digest: str = "notes 1") -> None:
        self.digest = digest
        self.made: list[str] = []
        self.compared = 0

    def fingerprint(self, data: bytes) -> Fingerprint:
        text = data.decode()
        self.made.append(text)
        if text.startswith("torn"):
            raise UnreadableMedia("the note is torn")
        words = text.lower().split()
        first = {zlib.crc32(word.encode()): place for place, word in reversed(list(enumerate(words)))}
        return Fingerprint(
            contents=hashlib.sha256(" ".join(words).encode()).hexdigest(),
            words=np.array(list(first), np.uint32),
            places=np.array(list(first.values()), np.int32),
            trace=" ".join(words).encode(),
        )

    def compare(self, one: bytes, other: bytes, shift: int) -> float:
        self.compared += 1
        first, second = one.split(), other.split()
        same = sum(first[place + shift] == word for place, word in enumerate(second) if 0 <= place + shift < len(first))
        return same / min(len(first), len(second))


class Stops(NullProgress):
    """Cancels at a checkpoint."""

    def __init__(self, after: int) -> None:
        self.left = after

    def checkpoint(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("stopped")


class Desk:
    """Notes in a real blob store, and a cache of fingerprints."""

    def __init__(self, folder: Path) -> None:
        self.blobs, self.cache, self.prints = LocalBlobs(folder / "blobs"), folder / "cache", NotePrints()

    def note(self, text: str, *, group: str = "", label: str = "a", part: str = "", source: str = "") -> Entry:
        digest = self.blobs.put(text.encode())
        name = source or text[:12]
        size = len(text)
        return Entry(sample_id=digest, label=label, group=group or digest, part=part, source=name, size_bytes=size)

    def search(self, rows: Sequence[Entry]) -> DuplicateReport:
        return find_duplicates(rows, FingerprintStore(self.cache, self.prints, self.blobs), NullProgress())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


LONG = "the quick brown fox jumps over a lazy dog at noon"


def test_the_three_kinds_of_duplicate_are_told_apart_and_joined(desk: Desk) -> None:
    rows = [
        desk.note(LONG, source="1", group="x"),
        desk.note(LONG, source="2", group="x"),
        desk.note(LONG.upper(), source="3", group="y"),
        desk.note("well now " + LONG + " sharp", source="4", group="x"),
        desk.note("something else that has nothing to do with it", source="5"),
    ]
    (cluster,) = desk.search(rows).clusters
    assert [member.source for member in cluster.members] == ["1", "2", "3", "4"]
    assert sorted(link.kind for link in cluster.links) == ["bytes", "contents", "near"]
    assert cluster.kind == "near"
    assert cluster.similarity == 1.0
    assert cluster.groups == ("x", "y")


def test_copies_of_copies_are_one_cluster_and_bridge_their_groups(desk: Desk) -> None:
    words = [f"w{number}" for number in range(30)]
    rows = [desk.note(" ".join(words[start : start + 14]), group=str(start), source=str(start)) for start in (0, 5, 10)]
    report = desk.search(rows)
    (cluster,) = report.clusters
    assert len(cluster.links) == 2  # the first and the last have too little in common
    assert report.bridging == (cluster,)
    assert report.redundant == 2
    told = report.as_dict()["clusters"][0]
    assert told["bridges"] is True
    assert told["groups"] == ["0", "10", "5"]


def test_copies_of_what_is_new_are_found_without_looking_for_those_of_the_others(desk: Desk) -> None:
    old = [desk.note(f"{LONG} {name}", source=name) for name in ("once", "twice")]
    other = desk.note("something else that has nothing to do with it", source="other")
    new = desk.note("well now " + LONG, source="new")
    store = FingerprintStore(desk.cache, desk.prints, desk.blobs)
    report = find_duplicates([*old, other, new], store, NullProgress(), new={new.sample_id})
    (cluster,) = report.clusters
    assert [member.source for member in cluster.members] == ["new", "once", "twice"]
    assert all(
        "new" in (cluster.members[link.one].source, cluster.members[link.other].source) for link in cluster.links
    )
    assert find_duplicates([*old, other], store, NullProgress(), new={other.sample_id}).clusters == ()
    assert find_duplicates([*old, other], store, NullProgress(), new=set()).clusters == ()


def test_the_order_of_the_samples_changes_nothing(desk: Desk) -> None:
    rows = [desk.note(f"{LONG} {number % 4}", source=str(number)) for number in range(8)]
    rows += [desk.note(f"other {number} note with few words {number}", source=f"o{number}") for number in range(8)]
    first = desk.search(rows)
    for seed in range(3):
        shuffled = random.Random(seed).sample(rows, len(rows))
        assert desk.search(shuffled).as_dict() | {"computed": 0, "cached": 0} == first.as_dict() | {
            "computed": 0,
            "cached": 0,
        }


def test_an_unreadable_sample_is_named_and_costs_the_others_nothing(desk: Desk) -> None:
    torn, gone = desk.note("torn note", source="torn.note"), desk.note("gone away", source="gone.note")
    desk.blobs.delete(gone.sample_id)
    report = desk.search([torn, desk.note(LONG), gone, desk.note(LONG + " sharp")])
    reasons = {each.source: each.reason for each in report.unreadable}
    assert reasons["torn.note"] == "the note is torn"
    assert set(reasons) == {"torn.note", "gone.note"}
    assert len(report.clusters) == 1


def test_only_new_samples_are_fingerprinted(desk: Desk) -> None:
    rows = [desk.note(f"note number {number}") for number in range(5)]
    assert desk.search(rows[:3]).computed == 3
    report = desk.search(rows)
    assert (report.computed, report.cached) == (2, 3)
    assert len(desk.prints.made) == 5
    desk.prints = NotePrints("notes 2")  # another digest: nothing of the first may be used
    assert desk.search(rows).computed == 5


def test_what_was_made_before_a_cancellation_is_kept(desk: Desk) -> None:
    rows = [desk.note(f"note number {number}") for number in range(20)]
    with pytest.raises(Cancelled):
        find_duplicates(rows, FingerprintStore(desk.cache, desk.prints, desk.blobs), Stops(after=8))
    report = desk.search(rows)
    assert report.cached >= 8 - 1
    assert report.computed + report.cached == 20


def test_a_damaged_cache_is_made_again_and_gives_the_same(desk: Desk) -> None:
    rows = [desk.note(LONG), desk.note(LONG + " sharp"), desk.note("another note with other words")]
    before = desk.search(rows).clusters
    (file,) = desk.cache.glob("*.sqlite")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE fingerprints SET words = zeroblob(8) WHERE id = ?", [rows[0].sample_id])
        connection.execute("UPDATE fingerprints SET trace = zeroblob(8) WHERE id = ?", [rows[1].sample_id])
    connection.close()
    report = desk.search(rows)
    assert report.clusters == before
    assert (report.computed, report.cached) == (1, 2)
    file.write_bytes(b"this is no database" * 100)
    assert desk.search(rows).clusters == before


def test_many_copies_cost_as_many_comparisons_and_not_their_square(desk: Desk) -> None:
    rows = [desk.note(f"{LONG} {number}", source=f"{number:04d}") for number in range(300)]
    (cluster,) = desk.search(rows).clusters
    assert len(cluster.members) == 300
    assert desk.prints.compared == 299


def test_without_fingerprints_bytes_are_compared(desk: Desk) -> None:
    rows = [desk.note(LONG, source="1"), desk.note(LONG, source="2"), desk.note(LONG.upper(), source="3")]
    report = find_duplicates(rows, None, NullProgress())
    assert [[member.source for member in cluster.members] for cluster in report.clusters] == [["1", "2"]]
    assert report.fingerprinter == ""
    assert find_duplicates([], None, NullProgress()).clusters == ()


def test_no_samples_and_samples_without_words_are_fine(desk: Desk) -> None:
    assert desk.search([]).samples == 0
    assert desk.search([desk.note(" ", source="1"), desk.note("  ", source="2")]).clusters[0].kind == "contents"


def postings_of(samples: list[dict[int, int]]) -> Postings:
    """From word -> place of each sample."""
    rows = [(word, owner, place) for owner, words in enumerate(samples) for word, place in words.items()]
    columns = np.array(rows, np.int64).reshape(-1, 3).T
    return Postings(
        samples=len(samples),
        words=columns[0].astype(np.uint32),
        owners=columns[1].astype(np.int32),
        places=columns[2].astype(np.int32),
    )


def votes_of(found: Candidates) -> dict[tuple[int, int], int]:
    return dict(zip(zip(found.one.tolist(), found.other.tolist(), strict=True), found.votes.tolist(), strict=True))


@settings(max_examples=60)
@given(
    st.lists(st.dictionaries(st.integers(0, 25), st.integers(0, 400), max_size=12), max_size=12),
)
def test_candidates_are_the_pairs_that_comparing_all_would_find(samples: list[dict[int, int]]) -> None:
    found = find_candidates(postings_of(samples))
    expected: dict[tuple[int, int], int] = {}
    for one, other in combinations(range(len(samples)), 2):
        shifts = [samples[one][word] - samples[other][word] for word in samples[one].keys() & samples[other].keys()]
        votes = max((sum(low <= shift <= low + 4 for shift in shifts) for low in shifts), default=0)
        if votes >= LEAST_VOTES:
            expected[one, other] = votes
    assert votes_of(found) == expected


def test_of_a_search_of_all_only_the_words_that_two_share_are_held(desk: Desk) -> None:
    """Most words of a large archive are one recording's alone; held, they would fill the memory."""
    rows = [
        desk.note(LONG, source="1"),
        desk.note("well now " + LONG, source="2"),
        desk.note("all of my own", source="3"),
    ]
    store = FingerprintStore(desk.cache, desk.prints, desk.blobs)
    ids = [row.sample_id for row in rows]
    held = store.collect(ids, NullProgress()).postings
    assert held.samples == 3
    assert set(held.owners.tolist()) == {0, 1}
    assert set(np.unique(held.words, return_counts=True)[1].tolist()) == {2}
    assert np.array_equal(held.words, store.collect(ids, NullProgress(), new=ids).postings.words)


@settings(max_examples=60)
@given(
    st.lists(st.dictionaries(st.integers(0, 25), st.integers(0, 400), max_size=12), max_size=12),
    st.sets(st.integers(0, 11)),
)
def test_words_that_one_sample_alone_has_change_nothing(samples: list[dict[int, int]], chosen: set[int]) -> None:
    new = np.array([number in chosen for number in range(len(samples))], bool)
    count = Counter(word for each in samples for word in each)
    shared = [{word: place for word, place in each.items() if count[word] > 1} for each in samples]
    assert votes_of(find_candidates(postings_of(shared), new)) == votes_of(find_candidates(postings_of(samples), new))


@settings(max_examples=60)
@given(
    st.lists(st.dictionaries(st.integers(0, 25), st.integers(0, 400), max_size=12), max_size=12),
    st.sets(st.integers(0, 11)),
)
def test_what_is_found_for_some_is_what_is_found_for_all_less_the_other_pairs(
    samples: list[dict[int, int]], chosen: set[int]
) -> None:
    new = np.array([number in chosen for number in range(len(samples))], bool)
    words = {word for number in chosen if number < len(samples) for word in samples[number]}
    fewer = [{word: each[word] for word in each if word in words} for each in samples]
    every = votes_of(find_candidates(postings_of(samples), np.ones(len(samples), bool)))
    expected = {pair: votes for pair, votes in every.items() if chosen & set(pair)}
    assert votes_of(find_candidates(postings_of(fewer), new)) == expected
