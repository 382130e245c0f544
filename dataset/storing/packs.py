"""Owns packs: blobs that hold rows as Parquet, of which any ranges can be read without decoding the rest."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from ecosight.ports import BlobStore

__all__ = ["MemoryPack", "Pack", "PackCache", "StoredPack", "decode_table", "encode_table", "ranges"]

_ROW_GROUP = 16_384
_CACHE_BYTES = 256 * 2**20


class Pack(Protocol):
    """Rows in a fixed order. ``digest`` is None as long as they are in memory only."""

    rows: int

    @property
    def digest(self) -> str | None: ...

    def read(self, starts: NDArray[np.int64], counts: NDArray[np.int64]) -> pa.Table:
        """The rows of these ranges, range after range; ranges do not overlap."""
        ...


class MemoryPack:
    """Rows that were not written yet."""

    digest: str | None = None

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.rows = len(table)

    def read(self, starts: NDArray[np.int64], counts: NDArray[np.int64]) -> pa.Table:
        return _take(self._table, starts, counts)


class StoredPack:
    """Rows in a blob, decoded in groups of some thousand as they are asked for."""

    def __init__(self, cache: PackCache, digest: str, rows: int) -> None:
        self._cache, self._digest, self.rows = cache, digest, rows

    @property
    def digest(self) -> str:
        return self._digest

    def read(self, starts: NDArray[np.int64], counts: NDArray[np.int64]) -> pa.Table:
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = pq.ParquetFile(pa.BufferReader(self._cache.get(self.digest)))
        groups = -(-self.rows // _ROW_GROUP)
        needed = np.zeros(groups + 1, np.int64)
        some = counts > 0
        np.add.at(needed, starts[some] // _ROW_GROUP, 1)
        np.add.at(needed, (starts[some] + counts[some] - 1) // _ROW_GROUP + 1, -1)
        wanted = np.flatnonzero(np.cumsum(needed)[:groups] > 0)
        if len(wanted) == groups:
            return _take(file.read(use_threads=False), starts, counts)
        table = file.read_row_groups(wanted.tolist(), use_threads=False)
        # Where each group begins in the pack, against where it begins among those that were read.
        before = np.zeros(groups, np.int64)
        before[wanted] = np.arange(len(wanted)) * _ROW_GROUP
        group = np.minimum(starts // _ROW_GROUP, groups - 1)
        return _take(table, starts - group * _ROW_GROUP + before[group], counts)


class PackCache:
    """Blobs that were read last, still encoded, verified by the store. Thread-safe."""

    def __init__(self, blobs: BlobStore, limit_bytes: int = _CACHE_BYTES) -> None:
        self._blobs, self._limit = blobs, limit_bytes
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> bytes:
        """Raises: NotFound: no such blob. IntegrityError: it is damaged."""
        with self._lock:
            if digest in self._held:
                self._held.move_to_end(digest)
                return self._held[digest]
        data = self._blobs.get(digest)
        with self._lock:
            self._held[digest] = data
            while len(self._held) > 1 and sum(map(len, self._held.values())) > self._limit:
                self._held.popitem(last=False)
        return data


def encode_table(table: pa.Table) -> bytes:
    """Parquet. Everything that could vary is said: the same rows are the same bytes, and so the same digest."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        version="2.6",
        row_group_size=_ROW_GROUP,
        use_dictionary=[name for name in table.column_names if name not in ("id", "digest")],
        write_statistics=False,
    )
    return buffer.getvalue()


def decode_table(data: bytes) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)


def ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of all ranges ``start … start + count - 1``, one range after the other."""
    import numpy as np

    total = int(counts.sum())
    begins = np.cumsum(counts) - counts
    numbers: NDArray[np.int64] = np.arange(total, dtype=np.int64) + np.repeat(starts - begins, counts)
    return numbers


def _take(table: Any, starts: NDArray[np.int64], counts: NDArray[np.int64]) -> pa.Table:
    import numpy as np

    some = counts > 0
    starts, counts = starts[some], counts[some]
    if len(starts) == 0:
        return table.slice(0, 0)
    if bool(np.all(starts[1:] == starts[:-1] + counts[:-1])):
        return table.slice(int(starts[0]), int(counts.sum()))
    return table.take(ranges(starts, counts))
