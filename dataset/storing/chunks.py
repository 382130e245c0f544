"""Owns tables of keyed rows that are cut into chunks by the key's first bits, each chunk known by its digest.

Two versions share every chunk that did not change: a commit of few changes writes few rows, and a comparison reads
only the chunks whose digests differ. Chunks lie together in packs, since a blob for each would cost a disk
synchronisation or an S3 request for each.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from dataset.storing.chunk_digests import range_digests
from dataset.storing.chunk_index import decode_index, encode_index
from dataset.storing.packs import MemoryPack, Pack, PackCache, StoredPack, encode_table
from dataset.storing.rows import distinct, keys_of, ordered, rows_at
from ecosight.errors import IntegrityError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from ecosight.ports import BlobStore

__all__ = ["ChunkedTable", "chunk_bits"]

ROWS_A_CHUNK = 64
_MOST_BITS = 20
_ROWS_A_PACK = 2**20


def chunk_bits(rows: int) -> int:
    """How many of the key's first bits number the chunks: some 64 rows a chunk, and a function of the count alone."""
    return min(_MOST_BITS, max(0, -(-rows // ROWS_A_CHUNK) - 1).bit_length())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChunkedTable:
    """An immutable table in order of its key ``id`` (32 bytes, evenly spread), cut into ``2 ** bits`` chunks.

    Attributes:
        pack, start, rows: for each chunk the number of its pack, its first row there, and how many there are.
        digests: for each chunk the SHA-256 of its rows, uint8 (2 ** bits, 32); independent of how they are stored.
    """

    schema: pa.Schema
    bits: int
    pack: NDArray[np.int64]
    start: NDArray[np.int64]
    rows: NDArray[np.int64]
    digests: NDArray[np.uint8]
    packs: tuple[Pack, ...]

    @classmethod
    def of(cls, table: pa.Table, bits: int | None = None) -> Self:
        """Rows in any order; the last of equal keys counts."""
        import numpy as np

        table = ordered(table)
        bits = chunk_bits(len(table)) if bits is None else bits
        rows = np.bincount(_chunk_of(keys_of(table), bits), minlength=2**bits).astype(np.int64)
        start = np.cumsum(rows) - rows
        return cls(
            schema=table.schema,
            bits=bits,
            pack=np.zeros(2**bits, np.int64),
            start=start,
            rows=rows,
            digests=range_digests(table, start, rows),
            packs=(MemoryPack(table),),
        )

    def __len__(self) -> int:
        return int(self.rows.sum())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChunkedTable):
            return NotImplemented
        return self.bits == other.bits and bool((self.digests == other.digests).all())

    __hash__ = None  # type: ignore[assignment]

    @property
    def digest(self) -> str:
        """Of the contents: the same rows have the same one, however they are stored."""
        return hashlib.sha256(self.digests.tobytes()).hexdigest()

    def table(self) -> pa.Table:
        """All rows, in order of the key."""
        import numpy as np

        return self.read(np.arange(2**self.bits))

    def read(self, chunks: NDArray[np.int64]) -> pa.Table:
        """The rows of some chunks (ascending numbers), in order of the key. Raises: NotFound, IntegrityError."""
        import numpy as np
        import pyarrow as pa

        chunks = chunks[self.rows[chunks] > 0]
        pieces, order = [], []
        for number in np.unique(self.pack[chunks]):
            of = chunks[self.pack[chunks] == number]
            pieces.append(self.packs[number].read(self.start[of], self.rows[of]))
            order.append(np.repeat(of, self.rows[of]))
        if not pieces:
            return self.schema.empty_table()
        if len(pieces) == 1:
            return pieces[0]
        return pa.concat_tables(pieces).take(np.argsort(np.concatenate(order), kind="stable"))

    def lookup(self, keys: NDArray[np.bytes_]) -> pa.Table:
        """The rows with these keys, in order of the key; keys that are not there are passed over."""
        if len(keys) == 0 or len(self) == 0:
            return self.schema.empty_table()
        wanted = distinct(keys)
        found = self.read(_numbers(_chunk_of(wanted, self.bits), self.bits))
        rows = rows_at(keys_of(found), wanted)
        return found.take(rows[rows >= 0])

    def differing(self, other: ChunkedTable) -> NDArray[np.int64]:
        """Numbers of the chunks that differ; both must have as many. See ``aligned``."""
        import numpy as np

        return np.flatnonzero((self.digests != other.digests).any(axis=1))

    def aligned(self, bits: int) -> ChunkedTable:
        """The same rows cut into ``2 ** bits`` chunks."""
        return self if bits == self.bits else ChunkedTable.of(self.table(), bits)

    def with_changes(self, put: pa.Table, remove: NDArray[np.bytes_] | None = None) -> ChunkedTable:
        """A table with these rows put in, those with the same key replaced, and these keys taken out."""
        import numpy as np
        import pyarrow as pa

        put = ordered(put.select(self.schema.names).cast(self.schema))
        gone = keys_of(put) if remove is None else np.concatenate([keys_of(put), remove])
        chunks = _numbers(_chunk_of(gone, self.bits), self.bits)
        old = self.read(chunks)
        kept = old.filter(rows_at(distinct(gone), keys_of(old)) < 0) if len(old) else old
        fresh = ordered(pa.concat_tables([kept, put]))
        total = len(self) - len(old) + len(fresh)
        if chunk_bits(total) != self.bits:
            rest = np.setdiff1d(np.arange(2**self.bits), chunks)
            return ChunkedTable.of(pa.concat_tables([self.read(rest), fresh]))
        return self._replaced(chunks, fresh)

    def _replaced(self, chunks: NDArray[np.int64], fresh: pa.Table) -> ChunkedTable:
        import numpy as np

        many = np.bincount(_chunk_of(keys_of(fresh), self.bits), minlength=2**self.bits)[chunks].astype(np.int64)
        begin = np.cumsum(many) - many
        pack, start, rows, digests = self.pack.copy(), self.start.copy(), self.rows.copy(), self.digests.copy()
        pack[chunks], start[chunks], rows[chunks] = len(self.packs), begin, many
        digests[chunks] = range_digests(fresh, begin, many)
        return ChunkedTable(
            schema=self.schema,
            bits=self.bits,
            pack=pack,
            start=start,
            rows=rows,
            digests=digests,
            packs=(*self.packs, MemoryPack(fresh)),
        )

    # -- storing -------------------------------------------------------------------------------------------

    def write(self, blobs: BlobStore, cache: PackCache) -> tuple[str, ChunkedTable]:
        """Store what is not stored yet: packs first, then the index. Returns the digest of the index, and this
        table with all of it stored."""
        stored = self._packed(blobs, cache)
        return blobs.put(encode_index(stored)), stored

    @classmethod
    def open(cls, cache: PackCache, index: str) -> ChunkedTable:
        """The table behind the digest of an index. Raises: NotFound, IntegrityError."""
        return cls(**decode_index(cache, index))

    def blobs(self) -> list[str]:
        """Digests of the packs that hold the rows."""
        import numpy as np

        used = np.unique(self.pack[self.rows > 0])
        return [digest for number in used if (digest := self.packs[number].digest) is not None]

    def check(self) -> None:
        """Read all rows. Raises: NotFound, IntegrityError: some are missing or are not what the index says."""
        import numpy as np

        table = self.table()
        keys = keys_of(table)
        start = np.cumsum(self.rows) - self.rows
        right = len(table) == len(self) and bool(np.all(keys[:-1] < keys[1:]))
        if not right or not bool((range_digests(table, start, self.rows) == self.digests).all()):
            raise IntegrityError("rows of a dataset version are not those that its index names")

    def _packed(self, blobs: BlobStore, cache: PackCache) -> ChunkedTable:
        """All chunks in stored packs. Small packs are folded into the new one, so that there are never many.

        A pack is folded as soon as it holds no more than twice the new rows: each row is written again some
        log2(n) times in all.
        """
        import numpy as np

        live = np.zeros(len(self.packs), np.int64)
        np.add.at(live, self.pack, self.rows)
        fold = np.array([pack.digest is None for pack in self.packs])
        fresh = int(live[fold].sum())
        for number in np.argsort(live, kind="stable"):
            wasteful = 0 < 4 * live[number] < self.packs[number].rows and live[number] <= 8 * fresh
            if fresh and not fold[number] and (live[number] <= 2 * fresh or wasteful):
                fold[number] = True
                fresh += int(live[number])
        chunks = np.flatnonzero(fold[self.pack] & (self.rows > 0))
        kept = np.flatnonzero(~fold & (live > 0))
        renumbered = np.zeros(len(self.packs), np.int64)
        renumbered[kept] = np.arange(len(kept))
        pack, start = renumbered[self.pack], self.start.copy()
        packs: list[Pack] = [self.packs[number] for number in kept]
        for some in _pieces(chunks, self.rows):
            rows = self.rows[some]
            digest = blobs.put(encode_table(self.read(some)))
            pack[some], start[some] = len(packs), np.cumsum(rows) - rows
            packs.append(StoredPack(cache, digest, int(rows.sum())))
        return ChunkedTable(
            schema=self.schema,
            bits=self.bits,
            pack=pack,
            start=start,
            rows=self.rows,
            digests=self.digests,
            packs=tuple(packs),
        )


def _pieces(chunks: NDArray[np.int64], rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Chunks in runs that make packs of at most a million rows or so."""
    import numpy as np

    if len(chunks) == 0:
        return []
    number = (np.cumsum(rows[chunks]) - 1) // _ROWS_A_PACK
    return np.split(chunks, np.flatnonzero(np.diff(number)) + 1)


def _numbers(chunks: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """The chunk numbers that occur, ascending."""
    import numpy as np

    return np.flatnonzero(np.bincount(chunks, minlength=2**bits))


def _chunk_of(keys: NDArray[np.bytes_], bits: int) -> NDArray[np.int64]:
    import numpy as np

    first = np.ascontiguousarray(keys).view(">u4").reshape(-1, 8)[:, 0].astype(np.int64)
    return first >> (32 - bits)
