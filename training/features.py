"""The feature cache: embeddings of samples, computed once for each (sample, embedder)."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ecosight.errors import InputError, IntegrityError, Unavailable
from ecosight.logs import get_logger
from ecosight.ports import BlobStore, Embedder, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FeatureBatch", "FeatureStore"]

BUSY_S = 30.0
"""How long a writer waits for another."""
_IDS_A_QUERY = 500
_TABLE = "CREATE TABLE IF NOT EXISTS features (id TEXT PRIMARY KEY, crc INTEGER NOT NULL, vector BLOB NOT NULL)"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureBatch:
    """Vectors in the order that was asked for, and where they came from.

    Attributes:
        vectors: float32 (n, dimension).
        cached: distinct samples that were in the cache.
        computed: distinct samples that were embedded now.
    """

    vectors: NDArray[np.float32]
    cached: int
    computed: int


class FeatureStore:
    """Embeddings of stored samples, kept in one SQLite file for each embedder digest.

    The file is a cache: every row carries its checksum, a row that does not match is computed again, a file that
    SQLite cannot read is begun anew. Each embedded batch is stored at once, so a killed process loses one batch.
    Thread-safe, and safe for several processes over one folder.

    Args:
        folder: holds nothing but this cache.
        batch_size: samples of one call of the embedder.
        workers: calls of the embedder at a time: while one computes, the other reads. It uses the cores by itself.
        work: what the progress calls it.
    """

    def __init__(
        self,
        folder: Path,
        embedder: Embedder,
        blobs: BlobStore,
        *,
        batch_size: int = 32,
        workers: int = 2,
        work: str = "embedding",
    ) -> None:
        name = hashlib.sha256(embedder.digest.encode()).hexdigest()[:32]
        self._file = folder / f"{name}.sqlite"
        self._embedder, self._blobs = embedder, blobs
        self._batch_size, self._workers, self._work = batch_size, workers, work

    def features(self, sample_ids: Sequence[str], progress: Progress) -> NDArray[np.float32]:
        """The vectors alone; see ``lookup``."""
        return self.lookup(sample_ids, progress).vectors

    def lookup(self, sample_ids: Sequence[str], progress: Progress) -> FeatureBatch:
        """Vectors of samples, embedding only those that are not in the cache.

        Input: ids of stored samples; one may appear several times.
        Raises: NotFound or IntegrityError: the bytes of a sample are gone or damaged. InputError: a sample cannot
            be read; names it. Unavailable: the cache cannot be written. Cancelled: what was embedded stays.
        """
        import numpy as np

        rows: dict[str, list[int]] = {}
        for row, sample_id in enumerate(sample_ids):
            rows.setdefault(sample_id, []).append(row)
        vectors = np.empty((len(sample_ids), self._embedder.dimension), np.float32)
        missing = dict.fromkeys(rows)
        for sample_id, vector in self._cached(list(rows)):
            vectors[rows[sample_id]] = vector
            del missing[sample_id]
        cached = len(rows) - len(missing)
        for sample_id, vector in self._computed(list(missing), cached, progress):
            vectors[rows[sample_id]] = vector
        return FeatureBatch(vectors=vectors, cached=cached, computed=len(missing))

    def _cached(self, sample_ids: list[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        import numpy as np

        try:
            with self._open() as connection:
                for start in range(0, len(sample_ids), _IDS_A_QUERY):
                    ids = sample_ids[start : start + _IDS_A_QUERY]
                    marks = ",".join("?" * len(ids))
                    query = f"SELECT id, crc, vector FROM features WHERE id IN ({marks})"  # noqa: S608 - marks only
                    for sample_id, crc, vector in connection.execute(query, ids):
                        if len(vector) == 4 * self._embedder.dimension and zlib.crc32(vector) == crc:
                            yield sample_id, np.frombuffer(vector, "<f4")
        except IntegrityError:  # the cache is gone, so all else is missing
            return

    def _computed(
        self, missing: list[str], cached: int, progress: Progress
    ) -> Iterator[tuple[str, NDArray[np.float32]]]:
        if not missing:
            return
        batches = [missing[i : i + self._batch_size] for i in range(0, len(missing), self._batch_size)]
        with (
            progress.task(self._work, len(missing), "sample") as task,
            self._pool() as pool,
            self._open() as connection,
        ):
            running: dict[Future[NDArray[np.float32]], list[str]] = {}
            while batches or running:
                while batches and len(running) < 2 * self._workers:
                    batch = batches.pop(0)
                    running[pool.submit(self._embed, batch)] = batch
                progress.checkpoint()
                finished = wait(running, return_when=FIRST_COMPLETED).done
                done = min(finished, key=lambda each: each.exception() is not None)  # keep what is good before raising
                ids, vectors = running.pop(done), done.result()
                _store(connection, ids, vectors)
                task.advance(len(ids), cached=cached)
                yield from zip(ids, vectors, strict=True)

    @contextmanager
    def _pool(self) -> Iterator[ThreadPoolExecutor]:
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="embed")
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)

    def _embed(self, sample_ids: list[str]) -> NDArray[np.float32]:
        import numpy as np

        data = [self._blobs.get(sample_id) for sample_id in sample_ids]
        try:
            vectors = np.asarray(self._embedder.embed(data), "<f4")
        except InputError as error:
            if len(sample_ids) == 1:
                raise type(error)(
                    f"sample {sample_ids[0]}: {error.message}", hint=error.hint, **error.context
                ) from error
            for sample_id in sample_ids:  # one of them is at fault: this finds and names it
                self._embed([sample_id])
            raise
        expected = (len(sample_ids), self._embedder.dimension)
        if vectors.shape != expected or not np.isfinite(vectors).all():
            raise IntegrityError(
                f"the embedder {self._embedder.name} gave {vectors.shape} instead of finite vectors {expected}",
                sample_ids=sample_ids,
            )
        return vectors

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection to the cache. A file that is no database any more is thrown away and begun anew.

        Raises: IntegrityError: the file turned out damaged while it was used; it is thrown away.
        """
        try:
            connection = _connect(self._file)
        except sqlite3.OperationalError as error:
            raise self._unavailable(error) from error
        except sqlite3.DatabaseError:
            self._forget()
            connection = _connect(self._file)
        with closing(connection):
            try:
                yield connection
            except sqlite3.OperationalError as error:
                raise self._unavailable(error) from error
            except sqlite3.DatabaseError as error:
                self._forget()
                raise IntegrityError(f"the feature cache {self._file} was damaged", hint="Try again.") from error

    def _forget(self) -> None:
        get_logger("training").warning("feature cache is damaged, beginning anew", file=str(self._file))
        for suffix in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)

    def _unavailable(self, error: sqlite3.Error) -> Unavailable:
        return Unavailable(
            f"the feature cache {self._file} cannot be used: {error}",
            hint="It can be deleted at any time; check the space on its disk, then try again.",
        )


def _connect(file: Path) -> sqlite3.Connection:
    if not file.exists():
        _create(file)
    connection = sqlite3.connect(file, timeout=BUSY_S)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_TABLE)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _create(file: Path) -> None:
    """Make the file under another name first: SQLite does not wait its turn where several switch to WAL at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.stem}.{os.getpid()}.{threading.get_ident()}.new")
    new.unlink(missing_ok=True)
    with closing(sqlite3.connect(new)) as connection:
        connection.execute("PRAGMA page_size = 16384")  # three vectors of 1,024 floats a page
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_TABLE)
    try:
        os.link(new, file)
    except FileExistsError:  # another was first
        pass
    except OSError:  # a file system without links
        new.rename(file)
    new.unlink(missing_ok=True)


def _store(connection: sqlite3.Connection, sample_ids: list[str], vectors: NDArray[np.float32]) -> None:
    contents = [vector.tobytes() for vector in vectors]
    rows = [(sample_id, zlib.crc32(each), each) for sample_id, each in zip(sample_ids, contents, strict=True)]
    with connection:
        connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", rows)
