"""The fingerprints of samples, computed once for each (sample, fingerprinter), in one SQLite file."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dataset.similar.cache_file import connect
from dataset.similar.candidates import Postings
from ecosight.errors import EcosightError, InputError, IntegrityError, NotFound, Unavailable
from ecosight.logs import get_logger
from ecosight.ports import Fingerprint, Fingerprinter, Progress

__all__ = ["Bytes", "FingerprintStore", "Fingerprints"]

_IDS_A_QUERY = 500
_ROWS_A_COMMIT = 64


class Bytes(Protocol):
    """Where a sample's bytes are; ``ecosight.ports.BlobStore`` is one."""

    def get(self, digest: str, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprints:
    """The fingerprints of samples, without their traces.

    Attributes:
        contents: digest of what was decoded, None where a sample could not be read, in the order that was asked for.
        postings: the words of all; owners are the samples' numbers in that order.
        unreadable: sample id -> why.
        computed, cached: samples fingerprinted now, and kept from before.
    """

    contents: tuple[str | None, ...]
    postings: Postings
    unreadable: dict[str, str]
    computed: int
    cached: int


@dataclass(slots=True)
class _Found:
    """What was read, one sample's bytes behind the other's: a list of arrays would take twice the memory."""

    contents: list[str | None] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    words: bytearray = field(default_factory=bytearray)
    places: bytearray = field(default_factory=bytearray)

    def postings(self) -> Postings:
        import numpy as np

        return Postings(
            words=np.frombuffer(self.words, "<u4"),
            owners=np.repeat(np.arange(len(self.counts), dtype=np.int32), self.counts),
            places=np.frombuffer(self.places, "<i4"),
        )


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
        self._file = folder / f"{name}.sqlite"
        self.fingerprinter, self._blobs = fingerprinter, blobs
        self.workers = workers or len(os.sched_getaffinity(0))

    def collect(self, sample_ids: Sequence[str], progress: Progress) -> Fingerprints:
        """The fingerprints of samples, made only where they are not in the cache.

        Args:
            sample_ids: distinct.
        A sample that cannot be read, or whose bytes are gone or damaged, is named in the result and costs the others
        nothing. Raises: Unavailable: the cache cannot be written. Cancelled: what was made stays.
        """
        unreadable: dict[str, str] = {}
        with self._open() as connection:
            found = _read(connection, sample_ids)
            missing = [each for each, contents in zip(sample_ids, found.contents, strict=True) if contents is None]
            if missing:
                del found  # it would lie in memory twice
                unreadable = self._compute(connection, missing, progress)
                found = _read(connection, sample_ids)
        return Fingerprints(
            contents=tuple(found.contents),
            postings=found.postings(),
            unreadable=unreadable,
            computed=len(missing) - len(unreadable),
            cached=len(sample_ids) - len(missing),
        )

    def traces(self, sample_ids: Iterable[str]) -> dict[str, bytes]:
        """The traces of samples that ``collect`` gave; a damaged one is made again."""
        wanted = list(sample_ids)
        traces: dict[str, bytes] = {}
        with self._open() as connection:
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

    def _compute(self, connection: sqlite3.Connection, missing: list[str], progress: Progress) -> dict[str, str]:
        """Fingerprint and store; sample id -> why it was not possible."""
        unreadable: dict[str, str] = {}
        if not missing:
            return unreadable
        made: dict[str, Fingerprint] = {}
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="fingerprint")
        try:
            with progress.task("fingerprinting", len(missing), "sample") as task:
                for sample_id, future in _ordered(pool, self._made, missing, 4 * self.workers):
                    progress.checkpoint()
                    try:
                        made[sample_id] = future.result()
                    except (InputError, NotFound, IntegrityError) as error:
                        unreadable[sample_id] = error.message
                    if len(made) >= _ROWS_A_COMMIT:
                        _write(connection, made)
                        made = {}
                    task.advance(unreadable=len(unreadable))
        finally:
            pool.shutdown(cancel_futures=True)
            _write(connection, made)
        return unreadable

    def _made(self, sample_id: str) -> Fingerprint:
        return self.fingerprinter.fingerprint(self._blobs.get(sample_id))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            try:
                connection = connect(self._file)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:  # no database any more
                get_logger("dataset").warning("fingerprint cache is damaged, beginning anew", file=str(self._file))
                self._forget()
                connection = connect(self._file)
            with closing(connection):
                yield connection
        except sqlite3.OperationalError as error:
            raise self._unusable(Unavailable, error) from error
        except sqlite3.DatabaseError as error:
            self._forget()
            raise self._unusable(IntegrityError, error) from error

    def _forget(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)

    def _unusable(self, kind: type[EcosightError], error: sqlite3.Error) -> EcosightError:
        return kind(
            f"the fingerprint cache {self._file} cannot be used: {error}",
            hint="It can be deleted at any time; check the space on its disk, then try again.",
        )


def _ordered(
    pool: ThreadPoolExecutor, make: Callable[[str], Fingerprint], ids: Sequence[str], at_once: int
) -> Iterator[tuple[str, Future[Fingerprint]]]:
    """Each id with its finished future, never more than ``at_once`` waiting: fingerprints are not piled up."""
    left = iter(ids)
    running: dict[Future[Fingerprint], str] = {}
    while True:
        for sample_id in left:
            running[pool.submit(make, sample_id)] = sample_id
            if len(running) >= at_once:
                break
        if not running:
            return
        for done in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(done), done


def _select(connection: sqlite3.Connection, columns: str, ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    marks = ",".join("?" * len(ids))
    yield from connection.execute(f"SELECT {columns} FROM fingerprints WHERE id IN ({marks})", ids)  # noqa: S608


def _read(connection: sqlite3.Connection, ids: Sequence[str]) -> _Found:
    """What is there and whole; the contents of the others are None."""
    found = _Found()
    for start in range(0, len(ids), _IDS_A_QUERY):
        some = ids[start : start + _IDS_A_QUERY]
        rows = {row[0]: row[1:] for row in _select(connection, "id, contents, crc, words, places", some)}
        for sample_id in some:
            contents, crc, words, places = rows.get(sample_id, (None, 0, b"", b""))
            if contents is not None and zlib.crc32(contents.encode() + words + places) != crc:
                contents, words, places = None, b"", b""
            found.contents.append(contents)
            found.counts.append(len(words) // 4)
            found.words += words
            found.places += places
    return found


def _write(connection: sqlite3.Connection, made: dict[str, Fingerprint]) -> None:
    rows = []
    for sample_id, each in made.items():
        words, places = each.words.astype("<u4").tobytes(), each.places.astype("<i4").tobytes()
        crc = zlib.crc32(each.contents.encode() + words + places)
        rows.append((sample_id, each.contents, crc, words, places, zlib.crc32(each.trace), each.trace))
    with connection:
        connection.executemany("INSERT OR REPLACE INTO fingerprints VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
