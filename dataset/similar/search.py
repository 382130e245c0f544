"""Finds duplicates among samples: the same bytes, the same contents, and near copies, joined into clusters."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dataset.similar.values import DuplicateReport, Kind, SampleRow, SimilarPair, Unreadable, clusters_of

if TYPE_CHECKING:
    from dataset.similar.candidates import Candidates
    from dataset.similar.store import FingerprintStore
    from ecosight.ports import Progress

__all__ = ["find_duplicates"]

_PAIRS_AT_ONCE = 4096


def find_duplicates(
    rows: Sequence[SampleRow],
    store: FingerprintStore | None,
    progress: Progress,
    *,
    new: Collection[str] | None = None,
) -> DuplicateReport:
    """Search samples for copies of each other.

    Pairs that are joined through others already are not compared again, so that a thousand copies of one jingle
    cost a thousand comparisons, not half a million.

    Args:
        rows: a sample may come several times, from several sources.
        store: None compares bytes only.
        new: sample ids: near copies are looked for among pairs with one of these only, which costs far less time and
            memory where they are few.
    Returns: clusters of two and more. The same rows in any order give the same clusters.
    Raises: Unavailable: the cache cannot be used. Cancelled.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    from dataset.similar.candidates import find_candidates

    rows = sorted(rows, key=lambda row: (row.sample_id, row.source, row.group))
    joined = _Joined(len(rows))
    pairs: list[SimilarPair] = []
    first: dict[str, int] = {}
    for number, row in enumerate(rows):
        _join(joined, pairs, first.setdefault(row.sample_id, number), number, "bytes")
    if store is None:
        return DuplicateReport(samples=len(rows), clusters=clusters_of(rows, pairs, joined.roots()))
    ids = list(first)
    prints = store.collect(ids, progress, new=None if new is None else [each for each in ids if each in new])
    same: dict[str, str] = {}
    for sample_id, contents in zip(ids, prints.contents, strict=True):
        if contents is not None:
            _join(joined, pairs, first[same.setdefault(contents, sample_id)], first[sample_id], "contents")
    candidates = find_candidates(
        prints.postings, None if new is None else np.array([each in new for each in ids], bool)
    )
    # One thread: the products of two thumbs are so small that BLAS's threads mostly wait for each other.
    with threadpool_limits(1):
        for one, other, similarity in _near(ids, first, candidates, store, joined, progress):
            _join(joined, pairs, one, other, "near", similarity)
    return DuplicateReport(
        samples=len(rows),
        clusters=clusters_of(rows, pairs, joined.roots()),
        unreadable=tuple(
            Unreadable(sample_id=row.sample_id, source=row.source, reason=prints.unreadable[row.sample_id])
            for row in rows
            if row.sample_id in prints.unreadable
        ),
        fingerprinter=store.fingerprinter.name,
        digest=store.fingerprinter.digest,
        threshold=store.fingerprinter.threshold,
        computed=prints.computed,
        cached=prints.cached,
    )


class _Joined:
    """Which numbers are one: union-find with path halving; the lowest number is the root."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, number: int) -> int:
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low

    def roots(self) -> list[int]:
        return [self.root(number) for number in range(len(self._parent))]


def _join(joined: _Joined, pairs: list[SimilarPair], one: int, other: int, kind: Kind, similarity: float = 1.0) -> None:
    if one != other:
        joined.join(one, other)
        pairs.append(SimilarPair(one=min(one, other), other=max(one, other), kind=kind, similarity=similarity))


def _near(
    ids: list[str],
    first: dict[str, int],
    candidates: Candidates,
    store: FingerprintStore,
    joined: _Joined,
    progress: Progress,
) -> Iterator[tuple[int, int, float]]:
    """Pairs of rows that are near copies; the caller joins each before it asks for the next.

    In one thread: a comparison of two recordings takes a fifth of a millisecond, half of it in Python, and two threads
    took longer. One of two pictures takes some ten milliseconds.
    """
    compare, threshold = store.fingerprinter.compare, store.fingerprinter.threshold
    with progress.task("comparing", len(candidates.votes), "pair") as task:
        for chunk in _chunks(candidates):
            left = [
                _Way(first[ids[one]], first[ids[other]], ids[one], ids[other], shift) for one, other, shift in chunk
            ]
            while left:
                progress.checkpoint()
                now, left = _tree(left, joined)
                traces = store.traces({sample_id for way in now for sample_id in (way.one_id, way.other_id)})
                for way in now:
                    similarity = compare(traces[way.one_id], traces[way.other_id], way.shift)
                    if similarity >= threshold:
                        yield way.one, way.other, similarity
            task.advance(len(chunk))


class _Way(NamedTuple):
    """A pair to be compared: two rows, their samples, the shift."""

    one: int
    other: int
    one_id: str
    other_id: str
    shift: int


def _tree(ways: list[_Way], joined: _Joined) -> tuple[list[_Way], list[_Way]]:
    """The pairs that would join something new if all that came before them are copies, and those to see about later."""
    now: list[_Way] = []
    later: list[_Way] = []
    hoped: dict[int, int] = {}

    def root(number: int) -> int:
        number = joined.root(number)
        while number in hoped:
            number = hoped[number]
        return number

    for way in ways:
        if joined.root(way.one) == joined.root(way.other):
            continue
        one, other = root(way.one), root(way.other)
        if one == other:
            later.append(way)
        else:
            hoped[max(one, other)] = min(one, other)
            now.append(way)
    return now, later


def _chunks(candidates: Candidates) -> Iterator[list[tuple[int, int, int]]]:
    for start in range(0, len(candidates.votes), _PAIRS_AT_ONCE):
        some = slice(start, start + _PAIRS_AT_ONCE)
        columns = (candidates.one[some], candidates.other[some], candidates.shifts[some])
        yield list(zip(*(column.tolist() for column in columns), strict=True))
