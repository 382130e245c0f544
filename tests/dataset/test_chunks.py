"""Tables in chunks: any change gives what a plain table would, shares what did not change, and stays small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from dataset_kit import MemoryBlobs, id_of
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.merging.diffing import differing_rows
from dataset.storing.chunks import ChunkedTable, chunk_bits
from dataset.storing.packs import PackCache
from dataset.storing.rows import group_schema, hex_of, keys_of, keys_of_hex
from dataset.storing.snapshots import key_column
from ecosight.errors import IntegrityError, NotFound

Rows = dict[str, str]


def table_of(rows: Rows) -> pa.Table:
    keys = keys_of_hex(id_of(name) for name in rows)
    columns = {"id": key_column(keys), "name": pa.array(list(rows), pa.string()), "part": pa.array(list(rows.values()))}
    return pa.table(columns, schema=group_schema())


def rows_of(table: pa.Table) -> Rows:
    return dict(zip(table["name"].to_pylist(), table["part"].to_pylist(), strict=True))


def keys(names: Any) -> Any:
    return keys_of_hex(id_of(name) for name in names)


rows = st.dictionaries(st.integers(0, 400).map(str), st.sampled_from(["train", "val", "test"]), max_size=200)
steps = st.lists(st.tuples(rows, st.sets(st.integers(0, 400).map(str), max_size=60)), max_size=5)


@settings(max_examples=60)
@given(rows, steps)
def test_changes_after_changes_give_what_a_plain_table_gives(first: Rows, then: list[tuple[Rows, set[str]]]) -> None:
    blobs = MemoryBlobs()
    cache = PackCache(blobs)  # type: ignore[arg-type]
    plain, chunked = dict(first), ChunkedTable.of(table_of(first))
    for put, gone in then:
        before, kept = chunked, dict(plain)
        plain = {name: part for name, part in (plain | put).items() if name not in gone or name in put}
        chunked = chunked.with_changes(table_of(put), keys(gone - put.keys()))
        index, chunked = chunked.write(blobs, cache)  # type: ignore[arg-type]
        chunked = ChunkedTable.open(PackCache(blobs), index)  # type: ignore[arg-type]
        chunked.check()
        assert rows_of(chunked.table()) == plain
        assert len(chunked) == len(plain)
        # However it came to be, the same contents are the same table.
        assert chunked == ChunkedTable.of(table_of(plain))
        assert chunked.digest == ChunkedTable.of(table_of(plain)).digest
        found = rows_of(chunked.lookup(keys(["1", "2", "3"])))
        assert found == {name: plain[name] for name in ("1", "2", "3") if name in plain}
        diff = compare_rows(before, chunked)
        assert diff[0] == plain.keys() - kept.keys()
        assert diff[1] == kept.keys() - plain.keys()
        assert diff[2] == {name for name in plain.keys() & kept.keys() if plain[name] != kept[name]}


def compare_rows(before: ChunkedTable, after: ChunkedTable) -> tuple[set[str], set[str], set[str]]:
    old, new = map(rows_of, differing_rows(before, after))
    changed = {name for name in old.keys() & new.keys() if old[name] != new[name]}
    return new.keys() - old.keys(), old.keys() - new.keys(), changed


def test_a_small_change_of_a_large_table_writes_little_and_reads_little() -> None:
    blobs = MemoryBlobs()
    cache = PackCache(blobs)  # type: ignore[arg-type]
    _, large = ChunkedTable.of(table_of({str(n): "train" for n in range(20_000)})).write(blobs, cache)  # type: ignore[arg-type]
    before = sum(map(len, blobs.held.values()))
    _, changed = large.with_changes(table_of({"5": "test"})).write(blobs, cache)  # type: ignore[arg-type]
    assert sum(map(len, blobs.held.values())) - before < before / 10
    assert len(large.differing(changed)) == 1
    assert len(changed.read(large.differing(changed))) < 200


def test_many_small_commits_leave_few_packs() -> None:
    blobs = MemoryBlobs()
    cache = PackCache(blobs)  # type: ignore[arg-type]
    table = ChunkedTable.of(table_of({str(n): "train" for n in range(3000)}))
    written = 0
    for step in range(100):
        before = sum(map(len, blobs.held.values()))
        _, table = table.with_changes(table_of({f"new {step}": "val"})).write(blobs, cache)  # type: ignore[arg-type]
        written += sum(map(len, blobs.held.values())) - before
    assert len(table) == 3100
    assert len(table.packs) < 12


def test_chunks_are_some_sixty_rows_and_depend_on_the_count_alone() -> None:
    assert [chunk_bits(n) for n in (0, 1, 64, 65, 128, 129, 1_000_000)] == [0, 0, 0, 1, 1, 2, 14]
    table = ChunkedTable.of(table_of({str(n): "train" for n in range(5000)}))
    assert 20 < np.median(table.rows) < 90


@pytest.mark.parametrize("column", ["name", "part"])
def test_every_column_counts_in_the_digest(column: str) -> None:
    table = table_of({"a": "train", "b": "val"})
    other = pa.array(["ab", ""] if column == "name" else ["trainv", "al"], pa.string())
    changed = table.set_column(table.column_names.index(column), column, other)
    assert ChunkedTable.of(table).digest != ChunkedTable.of(changed).digest
    none = table.set_column(1, "name", pa.array(["", "b"], pa.string()))
    null = table.set_column(1, "name", pa.array([None, "b"], pa.string()))
    assert ChunkedTable.of(none).digest != ChunkedTable.of(null).digest


def test_rows_that_are_not_those_of_the_index_are_noticed() -> None:
    blobs = MemoryBlobs()
    cache = PackCache(blobs)  # type: ignore[arg-type]
    index, stored = ChunkedTable.of(table_of({"a": "train", "b": "val"})).write(blobs, cache)  # type: ignore[arg-type]
    _, other = ChunkedTable.of(table_of({"a": "train", "b": "test"})).write(blobs, cache)  # type: ignore[arg-type]
    blobs.held[stored.blobs()[0]] = blobs.held[other.blobs()[0]]
    with pytest.raises(IntegrityError):
        ChunkedTable.open(PackCache(blobs), index).check()  # type: ignore[arg-type]
    blobs.delete(stored.blobs()[0])
    with pytest.raises(NotFound):
        ChunkedTable.open(PackCache(blobs), index).table()  # type: ignore[arg-type]


def test_keys_go_to_hex_and_back() -> None:
    names = [id_of(str(n)) for n in range(100)] + ["0" * 64, "f" * 62 + "00"]
    assert hex_of(keys_of_hex(names)) == names
    assert keys_of(ChunkedTable.of(table_of({"a": "train"})).table()).tobytes().hex() == id_of("a")
