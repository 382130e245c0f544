"""The fingerprints of samples, computed once for each (sample, fingerprinter), in one SQLite file."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dataset.sample_cache import Bytes, CacheFile, compute
from dataset.similar.candidates import Postings
from ecosight.ports import Fingerprint, Fingerprinter, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Bytes", "FingerprintStore", "Fingerprints"]

_IDS_A_QUERY = 500
_MOST_TABLE_BITS = 28
_TABLE = """CREATE TABLE IF NOT EXISTS fingerprints (id TEXT PRIMARY KEY, contents TEXT NOT NULL,
    crc INTEGER NOT NULL, words BLOB NOT NULL, places BLOB NOT NULL, trace_crc INTEGER NOT NULL, trace BLOB NOT NULL)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprints:
    """The fingerprints of samples, without their traces.

    Attributes:
        contents: digest of what was decoded, None where a sample could not be read, in the order that was asked for.
        postings: the words by which copies are found; owners are the samples' numbers in that order.
        unreadable: sample id -> why.
        computed, cached: samples fingerprinted now, and kept from before.
    """

    contents: tuple[str | None, ...]
    postings: Postings
    unreadable: dict[str, str]
    computed: int
    cached: int


class _Row(NamedTuple):
    """One sample's; without contents where it is not there, or damaged."""

    contents: str | None = None
    words: bytes = b""
    places: bytes = b""


@dataclass(slots=True)
class _Found:
    """What was read, one sample's bytes behind the other's: a list of arrays would take twice the memory."""

    contents: list[str | None] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    words: bytearray = field(default_factory=bytearray)
    places: bytearray = field(default_factory=bytearray)

    def add(self, rows: Sequence[_Row], wanted: _Words) -> None:
        """Take rows in with those of their words that are wanted."""
        import numpy as np

        column = np.frombuffer(b"".join(row.words for row in rows), "<u4")
        places = np.frombuffer(b"".join(row.places for row in rows), "<i4")
        owners = np.repeat(np.arange(len(rows)), [len(row.words) // 4 for row in rows])
        there = wanted.among(column)
        self.contents += [row.contents for row in rows]
        self.counts += np.bincount(owners[there], minlength=len(rows)).tolist()
        self.words += column[there].tobytes()
        self.places += places[there].tobytes()

    def postings(self) -> Postings:
        import numpy as np

        return Postings(
            samples=len(self.counts),
            words=np.frombuffer(self.words, "<u4"),
            owners=np.repeat(np.arange(len(self.counts), dtype=np.int32), self.counts),
            places=np.frombuffer(self.places, "<i4"),
        )


class _Words:
    """A set of words, and one in eight of all others: no word is missed, and looking one up is one look into a table.

    Input: words, uint32 (n,).
    """

    def __init__(self, words: NDArray[np.uint32]) -> None:
        import numpy as np

        bits = min(_MOST_TABLE_BITS, max(1, (8 * len(words)).bit_length()))
        self._shift = np.uint32(32 - bits)
        self._table = np.zeros(1 << bits, bool)
        self._table[words >> self._shift] = True

    def among(self, words: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which of these are in the set, bool (n,)."""
        found: NDArray[np.bool_] = self._table[words >> self._shift]
        return found


class FingerprintStore:
    """A cache: every row carries its checksum, a row that does not match is computed again, a file that SQLite
    cannot read is begun anew. What was computed is stored every 64 samples, so a killed process loses little.

    Thread-safe, and safe for several processes over one folder.

    Args:
        folder: holds nothing but this cache.
        workers: samples that are read and fingerprinted at a time; None: one for each core.
    """

    def __init__(self, folder: Path, fingerprinter: Fingerprinter, blobs: Bytes, *, workers: int | None = None) -> None:
        name = hashlib.sha256(fingerprinter.digest.encode()).hexdigest()[:32]
        self._cache = CacheFile(folder / f"{name}.sqlite", _TABLE, what="fingerprint cache")
        self.fingerprinter, self._blobs, self.workers = fingerprinter, blobs, workers

    def collect(
        self, sample_ids: Sequence[str], progress: Progress, *, new: Sequence[str] | None = None
    ) -> Fingerprints:
        """The fingerprints of samples, made only where they are not in the cache.

        Args:
            sample_ids: distinct.
            new: some of them, whose copies are searched for; None: of all.
        A sample that cannot be read, or whose bytes are gone or damaged, is named in the result and costs the others
        nothing. Raises: Unavailable: the cache cannot be written. Cancelled: what was made stays.
        """
        unreadable: dict[str, str] = {}
        made = 0
        with self._cache.open() as connection:
            missing = _absent(connection, sample_ids)
            while True:
                unreadable |= compute(
                    self._made,
                    missing,
                    partial(_write, connection),
                    task="fingerprinting",
                    workers=self.workers,
                    progress=progress,
                )
                made += len(missing)
                found = _read(connection, sample_ids, _wanted(connection, sample_ids, new))
                whole = zip(sample_ids, found.contents, strict=True)
                missing = [each for each, contents in whole if contents is None and each not in unreadable]
                if not missing:  # else those are damaged
                    break
        return Fingerprints(
            contents=tuple(found.contents),
            postings=found.postings(),
            unreadable=unreadable,
            computed=made - len(unreadable),
            cached=len(sample_ids) - made,
        )

    def traces(self, sample_ids: Iterable[str]) -> dict[str, bytes]:
        """The traces of samples that ``collect`` gave; a damaged one is made again."""
        wanted = list(sample_ids)
        traces: dict[str, bytes] = {}
        with self._cache.open() as connection:
            for start in range(0, len(wanted), _IDS_A_QUERY):
                some = wanted[start : start + _IDS_A_QUERY]
                for sample_id, crc, trace in _select(connection, "id, trace_crc, trace", some):
                    if zlib.crc32(trace) == crc:
                        traces[sample_id] = trace
            for sample_id in wanted:
                if sample_id not in traces:
                    made = self._made(sample_id)
                    _write(connection, {sample_id: made})
                    traces[sample_id] = made.trace
        return traces

    def _made(self, sample_id: str) -> Fingerprint:
        return self.fingerprinter.fingerprint(self._blobs.get(sample_id))


def _select(connection: sqlite3.Connection, columns: str, ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    marks = ",".join("?" * len(ids))
    yield from connection.execute(f"SELECT {columns} FROM fingerprints WHERE id IN ({marks})", ids)  # noqa: S608


def _absent(connection: sqlite3.Connection, ids: Sequence[str]) -> list[str]:
    there: set[str] = set()
    for start in range(0, len(ids), _IDS_A_QUERY):
        there |= {row[0] for row in _select(connection, "id", ids[start : start + _IDS_A_QUERY])}
    return [each for each in ids if each not in there]


def _read(connection: sqlite3.Connection, ids: Sequence[str], wanted: _Words) -> _Found:
    """What is there and whole, with those of its words that are wanted; the contents of others are None."""
    found = _Found()
    for rows in _rows(connection, ids):
        found.add(rows, wanted)
    return found


def _rows(connection: sqlite3.Connection, ids: Sequence[str]) -> Iterator[list[_Row]]:
    for start in range(0, len(ids), _IDS_A_QUERY):
        some = ids[start : start + _IDS_A_QUERY]
        rows = {row[0]: row[1:] for row in _select(connection, "id, contents, crc, words, places", some)}
        yield [_whole(*rows[each]) if each in rows else _Row() for each in some]


def _wanted(connection: sqlite3.Connection, sample_ids: Sequence[str], new: Sequence[str] | None) -> _Words:
    """The words by which copies of ``new`` can be found.

    Of many sounds most words are one sound's alone, and a search of all for all would hold them eightfold.
    """
    import numpy as np

    whole = new is None or len(new) == len(sample_ids)
    words = bytearray()
    for rows in _rows(connection, sample_ids if new is None else new):
        words += b"".join(row.words for row in rows)
    column = np.frombuffer(words, "<u4")
    column.sort()
    return _Words(column[1:][column[1:] == column[:-1]] if whole else column)


def _whole(contents: str, crc: int, words: bytes, places: bytes) -> _Row:
    return _Row(contents, words, places) if zlib.crc32(contents.encode() + words + places) == crc else _Row()


def _write(connection: sqlite3.Connection, made: dict[str, Fingerprint]) -> None:
    rows = []
    for sample_id, each in made.items():
        words, places = each.words.astype("<u4").tobytes(), each.places.astype("<i4").tobytes()
        crc = zlib.crc32(each.contents.encode() + words + places)
        rows.append((sample_id, each.contents, crc, words, places, zlib.crc32(each.trace), each.trace))
    with connection:
        connection.executemany("INSERT OR REPLACE INTO fingerprints VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
