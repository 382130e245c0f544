"""Owns a dataset version as the tables it is made of: opened from a manifest of any format, and written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dataset.entries import PARTS, decode_entries, decode_groups
from dataset.storing.chunks import ChunkedTable
from dataset.storing.manifests import FORMAT, STRATIFIED, DatasetVersion, Override, read_manifest, summary_of, told
from dataset.storing.packs import PackCache, decode_table, encode_table
from dataset.storing.rows import entry_schema, group_keys, group_schema, keys_of
from dataset.storing.sequence import EntrySequence, table_of
from ecosight.clock import iso

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from ecosight.ports import BlobStore, Clock

__all__ = ["Snapshot", "SnapshotStore", "count_parts", "group_rows", "key_column"]

Counted = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """The contents of a version, stored or about to be.

    Attributes:
        digest, number: of the stored version; None and 0 for nothing at all.
        entries, groups: see ``dataset.storing.rows``; the groups hold every group that ever had a part.
        standing: label -> part -> samples.
        removed: keys of samples that were taken out on purpose; they do not come back by themselves.
    """

    digest: str | None
    number: int
    entries: ChunkedTable
    groups: ChunkedTable
    standing: Counted
    removed: NDArray[np.bytes_]
    scheme: Mapping[str, Any]
    overrides: tuple[Override, ...]

    @staticmethod
    def empty(scheme: Mapping[str, Any] = STRATIFIED) -> Snapshot:
        import numpy as np

        return Snapshot(
            digest=None,
            number=0,
            entries=ChunkedTable.of(entry_schema().empty_table()),
            groups=ChunkedTable.of(group_schema().empty_table()),
            standing={},
            removed=np.empty(0, "S32"),
            scheme=scheme,
            overrides=(),
        )

    def same_contents(self, other: Snapshot) -> bool:
        """Whether the entries, and what was taken out, are the same."""
        return self.entries == other.entries and self.removed.tobytes() == other.removed.tobytes()


class SnapshotStore:
    """The versions of one dataset in a blob store. Thread-safe."""

    def __init__(self, blobs: BlobStore, *, name: str, clock: Clock) -> None:
        self.name = name
        self._blobs, self._clock = blobs, clock
        self.cache = PackCache(blobs)

    def manifest(self, digest: str, *, name: str | None = None) -> dict[str, Any]:
        """The manifest of a version of this dataset, or of another one that is named."""
        return read_manifest(self._blobs, digest, name=name or self.name)

    def version(self, digest: str) -> DatasetVersion:
        """A version whose entries are read when they are looked at. Raises: NotFound, IntegrityError."""
        manifest = self.manifest(digest)
        if manifest["format"] == 1:
            table = table_of(decode_entries(self._blobs.get(manifest["entries"])))
            return DatasetVersion(**summary_of(digest, manifest), entries=EntrySequence.of(table))
        entries = EntrySequence.over(ChunkedTable.open(self.cache, manifest["entries"]))
        return DatasetVersion(**summary_of(digest, manifest), entries=entries)

    def load(self, digest: str | None, *, name: str | None = None) -> Snapshot:
        """The snapshot behind a version's digest; None gives the empty one. Raises: NotFound, IntegrityError."""
        if digest is None:
            return Snapshot.empty()
        manifest = self.manifest(digest, name=name)
        if manifest["format"] == 1:
            return self._load_first_format(digest, manifest)
        removed = Snapshot.empty().removed
        if manifest["removed"]:
            removed = keys_of(decode_table(self._blobs.get(manifest["removed"])))
        return Snapshot(
            digest=digest,
            number=manifest["version"],
            entries=ChunkedTable.open(self.cache, manifest["entries"]),
            groups=ChunkedTable.open(self.cache, manifest["groups"]),
            standing=manifest["label_parts"],
            removed=removed,
            scheme=manifest["scheme"],
            overrides=tuple(Override(**each) for each in manifest["overrides"]),
        )

    def write(
        self,
        snapshot: Snapshot,
        *,
        parents: Sequence[str],
        number: int,
        message: str,
        ratios: Mapping[str, float],
        seed: int,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """Store a version: its tables first, then the manifest. Returns the manifest's digest; no ref is moved."""
        entries, _ = snapshot.entries.write(self._blobs, self.cache)
        groups, _ = snapshot.groups.write(self._blobs, self.cache)
        removed = None
        if len(snapshot.removed):
            import pyarrow as pa

            removed = self._blobs.put(encode_table(pa.table({"id": key_column(snapshot.removed)})))
        manifest = {
            "format": FORMAT,
            "name": self.name,
            "version": number,
            "parent": parents[0] if parents else None,
            "parents": list(parents),
            "message": message,
            "created_at": iso(self._clock.now()),
            "class_counts": {label: sum(parts.values()) for label, parts in sorted(snapshot.standing.items())},
            "part_counts": {part: sum(parts.get(part, 0) for parts in snapshot.standing.values()) for part in PARTS},
            "label_parts": snapshot.standing,
            "ratios": dict(ratios),
            "seed": seed,
            "scheme": dict(snapshot.scheme),
            "overrides": told(snapshot.overrides),
            "contents": snapshot.entries.digest,
            "entries": entries,
            "groups": groups,
            "removed": removed,
            **(more or {}),
        }
        return self._blobs.put(json.dumps(manifest, indent=1, sort_keys=True).encode())

    def _load_first_format(self, digest: str, manifest: Mapping[str, Any]) -> Snapshot:
        table = table_of(decode_entries(self._blobs.get(manifest["entries"])))
        parts = decode_groups(self._blobs.get(manifest["groups"]))
        return replace(
            Snapshot.empty(),
            digest=digest,
            number=manifest["version"],
            entries=ChunkedTable.of(table),
            groups=ChunkedTable.of(group_rows(list(parts), list(parts.values()))),
            standing=count_parts(table),
        )


def group_rows(names: Sequence[str], parts: Sequence[str]) -> pa.Table:
    """Rows of the groups' table."""
    import pyarrow as pa

    keys = group_keys(names)
    own = keys.tobytes().hex()
    shown = [None if name == own[64 * row : 64 * row + 64] else name for row, name in enumerate(names)]
    columns = {"id": key_column(keys), "name": pa.array(shown, pa.string()), "part": pa.array(parts, pa.string())}
    return pa.table(columns, schema=group_schema())


def key_column(keys: NDArray[np.bytes_]) -> pa.Array:
    """Keys as a column."""
    import pyarrow as pa

    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(keys), [None, pa.py_buffer(keys.tobytes())])


def count_parts(table: pa.Table) -> Counted:
    """Label -> part -> samples, labels and parts sorted."""
    counted = table.group_by(["label", "part"]).aggregate([([], "count_all")]).to_pydict()
    found: Counted = {}
    rows = zip(counted["label"], counted["part"], counted["count_all"], strict=True)
    for label, part, many in sorted(rows):
        found.setdefault(label, {})[part] = many
    return found


def changed_counts(standing: Counted, gone: pa.Table, come: pa.Table) -> Counted:
    """The counts after some rows went and others came."""
    total = {label: Counter(parts) for label, parts in standing.items()}
    for table, sign in ((gone, -1), (come, 1)):
        for label, parts in count_parts(table).items():
            for part, many in parts.items():
                total.setdefault(label, Counter())[part] += sign * many
    kept = {label: {part: n for part, n in sorted(parts.items()) if n > 0} for label, parts in sorted(total.items())}
    return {label: parts for label, parts in kept.items() if parts}
