"""Owns the index of a chunked table as a blob: for each chunk its digest, and where its rows lie."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dataset.storing.packs import PackCache, StoredPack, decode_table, encode_table
from dataset.storing.rows import entry_schema, group_schema, keys_of
from ecosight.errors import IntegrityError

if TYPE_CHECKING:
    from dataset.storing.chunks import ChunkedTable

__all__ = ["decode_index", "encode_index"]


def encode_index(table: ChunkedTable) -> bytes:
    import pyarrow as pa

    packs = [{"digest": pack.digest, "rows": pack.rows} for pack in table.packs]
    told = {"ecosight.index": json.dumps({"bits": table.bits, "packs": packs, "columns": table.schema.names})}
    columns: dict[str, Any] = {
        "digest": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(32), len(table.digests), [None, pa.py_buffer(table.digests.tobytes())]
        ),
        "pack": pa.array(table.pack, pa.int32()),
        "start": pa.array(table.start, pa.int64()),
        "rows": pa.array(table.rows, pa.int64()),
    }
    return encode_table(pa.table(columns).replace_schema_metadata(told))


def decode_index(cache: PackCache, index: str) -> dict[str, Any]:
    """The fields of the table behind the digest of an index. Raises: NotFound, IntegrityError."""
    import numpy as np

    rows = decode_table(cache.get(index))
    told = json.loads((rows.schema.metadata or {}).get(b"ecosight.index", b"{}"))
    schema = next((each for each in (entry_schema(), group_schema()) if each.names == told.get("columns")), None)
    if schema is None:
        raise IntegrityError(
            f"{index} is no index that this EcoSight can read", hint="A newer EcoSight may have made it."
        )
    digests = keys_of(rows, "digest").view(np.uint8).reshape(-1, 32)
    return {
        "schema": schema,
        "bits": told["bits"],
        "pack": rows["pack"].to_numpy().astype(np.int64),
        "start": rows["start"].to_numpy().astype(np.int64),
        "rows": rows["rows"].to_numpy().astype(np.int64),
        "digests": digests,
        "packs": tuple(StoredPack(cache, pack["digest"], pack["rows"]) for pack in told["packs"]),
    }
