"""Owns entries as a sequence over columns: an ``Entry`` is made when someone looks at it, not before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from dataset.entries import Entry
from dataset.storing.chunks import ChunkedTable
from dataset.storing.rows import entry_schema, hex_of, keys_of, keys_of_hex

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EntrySequence", "entries_of", "table_of"]

_BATCH = 4096


class EntrySequence(Sequence[Entry]):
    """Entries in order of the sample id. Rows are read when they are first needed; then they stay.

    Equal to any sequence of equal entries. Thread-safe, immutable.

    Args:
        rows: how many there are. read: gives the table; called once (twice where two threads are first).
        digest: of the contents, where it is known: sequences with the same one are equal unread.
    """

    def __init__(self, rows: int, read: Callable[[], pa.Table], *, digest: str | None = None) -> None:
        self._rows, self._read, self._digest = rows, read, digest

    @classmethod
    def over(cls, chunks: ChunkedTable) -> EntrySequence:
        return cls(len(chunks), chunks.table, digest=chunks.digest)

    @classmethod
    def of(cls, table: pa.Table) -> EntrySequence:
        return cls(len(table), lambda: table)

    @cached_property
    def table(self) -> pa.Table:
        """The rows as columns; see ``dataset.storing.rows.entry_schema``."""
        return self._read()

    @property
    def sample_ids(self) -> list[str]:
        return hex_of(keys_of(self.table))

    def where(self, column: str, value: str) -> EntrySequence:
        """The entries with this value in a column."""
        import pyarrow.compute as pc

        return EntrySequence.of(self.table.filter(pc.equal(self.table.column(column), value)))

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[Entry]:
        for start in range(0, self._rows, _BATCH):
            yield from entries_of(self.table.slice(start, _BATCH))

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(index, slice):
            rows = range(self._rows)[index]
            return EntrySequence.of(self.table.take(list(rows)))
        return entries_of(self.table.slice(range(self._rows)[index], 1))[0]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, EntrySequence):
            if self._digest is not None and self._digest == other._digest:
                return True
            return len(self) == len(other) and bool(self.table.equals(other.table))
        if isinstance(other, (list, tuple)):
            return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self._rows} entries>"


def entries_of(table: pa.Table) -> list[Entry]:
    """Each row as an entry."""
    ids = hex_of(keys_of(table))
    columns: dict[str, list[Any]] = table.drop_columns(["id"]).to_pydict()
    names = list(columns)
    made = []
    for sample_id, *values in zip(ids, *columns.values(), strict=True):
        row = dict(zip(names, values, strict=True))
        row["group"] = row["group"] or sample_id
        row["station"] = row["station"] or ""
        row["annotators"] = row["annotators"] or 1
        made.append(Entry(sample_id=sample_id, **row))
    return made


def table_of(entries: Sequence[Entry]) -> pa.Table:
    """Entries as rows."""
    import pyarrow as pa

    schema = entry_schema()
    columns: dict[str, Any] = {
        name: pa.array([getattr(entry, name) for entry in entries], schema.field(name).type)
        for name in schema.names
        if name not in ("id", "group", "station")
    }
    columns["id"] = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(32), len(entries), [None, pa.py_buffer(keys_of_hex(e.sample_id for e in entries).tobytes())]
    )
    columns["group"] = pa.array([None if e.group == e.sample_id else e.group for e in entries], pa.string())
    columns["station"] = pa.array([e.station or None for e in entries], pa.string())
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)
