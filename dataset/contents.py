"""Owns a dataset version as something to look into: its parts, the bytes of its samples, its statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dataset.entries import PARTS
from dataset.parting.group_parts import group_names
from dataset.storing.manifests import DatasetVersion
from dataset.storing.sequence import EntrySequence

if TYPE_CHECKING:
    from dataset.entries import Entry
    from ecosight.ports import BlobStore

__all__ = ["Dataset", "part_counts"]


class Dataset:
    """One dataset version together with the bytes of its samples. Immutable."""

    def __init__(self, name: str, version: DatasetVersion, blobs: BlobStore) -> None:
        self.name = name
        self.version = version
        self._blobs = blobs

    def __len__(self) -> int:
        return len(self.version.entries)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.version.labels

    def part(self, name: str) -> Sequence[Entry]:
        """The entries of ``train``, ``val`` or ``test``."""
        return self.version.part(name)

    def read(self, entry: Entry) -> bytes:
        """The raw file of an entry, verified. Raises: NotFound, IntegrityError."""
        return self._blobs.get(entry.sample_id)

    def statistics(self) -> dict[str, Any]:
        """Samples and groups by part and class, and the bytes of all: a JSON object."""
        groups, size_bytes = _groups_and_bytes(self.version.entries)
        return {
            "name": self.name,
            "version": str(self.version.ref),
            "samples": len(self.version.entries),
            "groups": groups,
            "size_bytes": size_bytes,
            "classes": dict(self.version.class_counts),
            "parts": part_counts(self.version),
        }


def part_counts(version: DatasetVersion) -> dict[str, dict[str, Any]]:
    """Part -> how many samples and groups it has, and how many samples of each class."""
    return {part: _count(version.part(part)) for part in PARTS}


def _count(entries: Sequence[Entry]) -> dict[str, Any]:
    if isinstance(entries, EntrySequence):
        labels = Counter(
            {row["values"]: row["counts"] for row in entries.table.column("label").value_counts().to_pylist()}
        )
    else:
        labels = Counter(entry.label for entry in entries)
    return {
        "samples": len(entries),
        "groups": _groups_and_bytes(entries)[0],
        "classes": dict(sorted(labels.items())),
    }


def _groups_and_bytes(entries: Sequence[Entry]) -> tuple[int, int]:
    if not isinstance(entries, EntrySequence):
        return len({entry.group for entry in entries}), sum(entry.size_bytes for entry in entries)
    import pyarrow.compute as pc

    table = entries.table
    return pc.count_distinct(group_names(table)).as_py(), pc.sum(table.column("size_bytes")).as_py() or 0
