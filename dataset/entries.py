"""Owns one entry of a dataset version, and how versions of format 1 lie on disk: one Parquet file for all entries.

Newer versions are chunked (``dataset.storing.chunks``); those that were made before stay readable for good.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["PARTS", "Entry", "decode_entries", "decode_groups", "encode_entries", "encode_groups"]

PARTS = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One sample in a dataset version.

    Attributes:
        sample_id: SHA-256 of the bytes; they lie in the blob store under this digest.
        group: the recording, burst or site; all of a group are in one part.
        part: ``train``, ``val`` or ``test``.
        source: the file's name when it came in; for people.
        captured_at: when the sensor took it; None in versions of format 1.
        station: the place or sensor it came from; empty where that is not known.
        annotators: how many people gave the label. labelled_at: when it was set.
    """

    sample_id: str
    label: str
    group: str
    part: str
    source: str
    size_bytes: int
    captured_at: datetime | None = None
    station: str = ""
    annotators: int = 1
    labelled_at: datetime | None = None


_COLUMNS = ("sample_id", "label", "group", "part", "source", "size_bytes")


def encode_entries(entries: Iterable[Entry]) -> bytes:
    """Parquet, one row an entry, in order of the sample id."""
    rows = sorted(entries, key=lambda entry: entry.sample_id)
    return _write({name: [getattr(row, name) for row in rows] for name in _COLUMNS}, integers={"size_bytes"})


def decode_entries(data: bytes) -> tuple[Entry, ...]:
    columns = _read(data)
    rows = zip(*(columns[name] for name in _COLUMNS), strict=True)
    return tuple(Entry(**dict(zip(_COLUMNS, row, strict=True))) for row in rows)


def encode_groups(groups: Mapping[str, str]) -> bytes:
    """Parquet with the columns group and part, in order of the group."""
    names = sorted(groups)
    return _write({"group": names, "part": [groups[name] for name in names]})


def decode_groups(data: bytes) -> dict[str, str]:
    columns = _read(data)
    return dict(zip(columns["group"], columns["part"], strict=True))


def _write(columns: Mapping[str, list[Any]], *, integers: Iterable[str] = ()) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.int64() if name in integers else pa.string()) for name in columns])
    buffer = io.BytesIO()
    # Everything that could vary is said: the same rows are the same bytes, and so the same digest.
    pq.write_table(
        pa.table(dict(columns), schema=schema), buffer, compression="zstd", version="2.6", row_group_size=2**20
    )
    return buffer.getvalue()


def _read(data: bytes) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, list[Any]] = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False).to_pydict()
    return columns
