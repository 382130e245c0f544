"""Owns the digest of a range of rows: a function of their values alone, however they are stored or compressed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from dataset.storing.rows import keys_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["range_digests"]


def range_digests(table: pa.Table, start: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """SHA-256 of each range of rows: for each column which values are there, their lengths, and the values."""
    import numpy as np

    feeds = [feed for name in table.column_names for feed in _feeds(table.column(name))]
    names = ",".join(table.column_names).encode()
    result = bytearray()
    for begin, end in zip(start.tolist(), (start + rows).tolist(), strict=True):
        digest = hashlib.sha256(names)
        for data, offsets, width in feeds:
            first, last = (begin * width, end * width) if offsets is None else (offsets[begin], offsets[end])
            digest.update(data[first:last])
        result += digest.digest()
    return np.frombuffer(bytes(result), np.uint8).reshape(-1, 32)


def _feeds(column: Any) -> list[tuple[memoryview, NDArray[np.int64] | None, int]]:
    """(bytes, where each row begins, or None for rows of a fixed width, that width)."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    array = column.combine_chunks()
    present = pc.is_valid(array).to_numpy(zero_copy_only=False)
    feeds: list[tuple[memoryview, Any, int]] = []
    if array.null_count:
        feeds.append((memoryview(present.astype(np.uint8).tobytes()), None, 1))
    else:
        feeds.append((memoryview(b"\1" * len(array)), None, 1))
    if pa.types.is_fixed_size_binary(array.type):
        feeds.append((memoryview(keys_of(pa.table({"id": array})).tobytes()), None, 32))
    elif pa.types.is_string(array.type):
        filled = pc.fill_null(array, "")
        lengths = pc.binary_length(filled).to_numpy(zero_copy_only=False).astype("<i4")
        offsets = np.frombuffer(filled.buffers()[1], "<i4", len(filled) + 1, 4 * filled.offset).astype(np.int64)
        feeds.append((memoryview(lengths.tobytes()), None, 4))
        feeds.append((memoryview(filled.buffers()[2] or b""), offsets, 0))
    else:
        numbers = pc.fill_null(array.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).astype("<i8")
        feeds.append((memoryview(numbers.tobytes()), None, 8))
    return feeds
