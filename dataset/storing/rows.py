"""Owns the columns of a dataset version in memory and on disk, and how rows of them are keyed and put in order.

Rows stay in Arrow tables: a million samples are some 150 MB, not a million Python objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from ecosight.errors import InvalidInput
from ecosight.ids import content_digest

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "HexIds",
    "Keys",
    "distinct",
    "entry_schema",
    "group_key",
    "group_keys",
    "group_schema",
    "hex_of",
    "keys_of",
    "keys_of_hex",
    "ordered",
    "rows_at",
    "same_rows",
]

_HEX = re.compile(r"[0-9a-f]+")

Keys = "NDArray[np.bytes_]"
"""Keys of rows: numpy ``S32``, the 32 bytes of a digest, sorted where it says so."""


def entry_schema() -> pa.Schema:
    """Columns of the samples. ``group`` is null where the sample is a group of its own.

    ``labelled_at`` and ``annotators`` belong to the label: when it was set, and by how many people.
    """
    import pyarrow as pa

    moment = pa.timestamp("ms", "UTC")
    return pa.schema(
        [
            ("id", pa.binary(32)),
            ("label", pa.string()),
            ("group", pa.string()),
            ("part", pa.string()),
            ("source", pa.string()),
            ("size_bytes", pa.int64()),
            ("captured_at", moment),
            ("station", pa.string()),
            ("annotators", pa.int32()),
            ("labelled_at", moment),
        ]
    )


def group_schema() -> pa.Schema:
    """Columns of the parts of all groups ever assigned. ``name`` is null where ``id`` is the name."""
    import pyarrow as pa

    return pa.schema([("id", pa.binary(32)), ("name", pa.string()), ("part", pa.string())])


def keys_of(table: pa.Table, column: str = "id") -> NDArray[np.bytes_]:
    """The keys of the rows, in their order. Shares memory where the column is one piece."""
    import numpy as np

    array = table.column(column).combine_chunks()
    if len(array) == 0:
        return np.empty(0, "S32")
    return np.frombuffer(array.buffers()[1], "S32", count=len(array), offset=32 * array.offset)


def keys_of_hex(names: Iterable[str]) -> NDArray[np.bytes_]:
    """Keys of sample ids or digests in hex. Raises: InvalidInput: one is no digest."""
    import numpy as np

    each = list(names)
    if faulty := [name for name in each if len(name) != 64]:
        raise _no_digest(faulty[0])
    try:
        return np.frombuffer(bytes.fromhex("".join(each)), "S32")
    except ValueError:
        raise _no_digest(next(name for name in each if not _is_hex(name))) from None


def hex_of(keys: NDArray[np.bytes_]) -> list[str]:
    """Keys as sample ids in hex."""
    text = keys.tobytes().hex()
    return [text[start : start + 64] for start in range(0, len(text), 64)]


class HexIds(Sequence[str]):
    """Keys as sample ids in hex, each made when it is asked for: a million of them would take 120 MB."""

    def __init__(self, keys: NDArray[np.bytes_]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return hex_of(self._keys[at])
        return hex_of(self._keys[[at]])[0]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self._keys), 1024):
            yield from hex_of(self._keys[start : start + 1024])


def group_key(name: str) -> bytes:
    """The key of a group: the sample's own id where it is a group of its own, else the SHA-256 of the name."""
    return bytes.fromhex(name) if len(name) == 64 and _is_hex(name) else bytes.fromhex(content_digest(name.encode()))


def group_keys(names: Sequence[str]) -> NDArray[np.bytes_]:
    """The keys of groups, in their order."""
    import numpy as np

    text = "".join(names)
    # Nearly always all or none are groups of their own: a million are then one call.
    if len(text) == 64 * len(names) and all(len(name) == 64 for name in names) and _HEX.fullmatch(text):
        return np.frombuffer(bytes.fromhex(text), "S32")
    return np.frombuffer(b"".join(map(group_key, names)), "S32")


def distinct(keys: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    """Keys sorted, each once."""
    import numpy as np

    if len(keys) == 0 or bool(np.all(keys[:-1] < keys[1:])):
        return keys
    return np.unique(keys)


def ordered(table: pa.Table, column: str = "id") -> pa.Table:
    """In order of the key, the last of equal keys only."""
    import numpy as np

    keys = keys_of(table, column)
    if len(keys) == 0 or bool(np.all(keys[:-1] < keys[1:])):
        return table
    order = np.argsort(keys, kind="stable")
    arranged = keys[order]
    last = np.append(arranged[:-1] != arranged[1:], True)
    return table.take(order[last])


def rows_at(sorted_keys: NDArray[np.bytes_], wanted: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """The row of each wanted key among sorted ones; -1 where it is not there."""
    import numpy as np

    if len(sorted_keys) == 0:
        return np.full(len(wanted), -1, np.int64)
    rows = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
    return np.where(sorted_keys[rows] == wanted, rows, -1)


def same_rows(one: pa.Table, other: pa.Table, columns: Sequence[str]) -> NDArray[np.bool_]:
    """Whether row n of one equals row n of the other in these columns; null equals null."""
    import numpy as np
    import pyarrow.compute as pc

    same = np.ones(len(one), bool)
    for name in columns:
        left, right = one.column(name).combine_chunks(), other.column(name).combine_chunks()
        equal = pc.fill_null(pc.equal(left, right), False)
        both_null = pc.and_(pc.is_null(left), pc.is_null(right))
        same &= _flags(pc.or_(equal, both_null))
    return same


def _flags(array: Any) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = array.to_numpy(zero_copy_only=False)
    return result


def _is_hex(text: str) -> bool:
    return _HEX.fullmatch(text) is not None


def _no_digest(name: str) -> InvalidInput:
    return InvalidInput(f"{name[:80]!r} is no sample id", hint="A sample id is 64 lower-case hex digits.")
