"""Owns a dataset version as something to look into: its parts, the bytes of its samples, its statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dataset.splitting import PARTS
from dataset.versions import DatasetVersion, Entry

if TYPE_CHECKING:
    from ecosight.ports import BlobStore

__all__ = ["Dataset"]


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

    def part(self, name: str) -> list[Entry]:
        """The entries of ``train``, ``val`` or ``test``."""
        return self.version.part(name)

    def read(self, entry: Entry) -> bytes:
        """The raw file of an entry, verified. Raises: NotFound, IntegrityError."""
        return self._blobs.get(entry.sample_id)

    def statistics(self) -> dict[str, Any]:
        """Samples and groups by part and class, and the bytes of all: a JSON object."""
        entries = self.version.entries
        return {
            "name": self.name,
            "version": str(self.version.ref),
            "samples": len(entries),
            "groups": len({entry.group for entry in entries}),
            "size_bytes": sum(entry.size_bytes for entry in entries),
            "classes": dict(self.version.class_counts),
            "parts": {part: _count(self.version.part(part)) for part in PARTS},
        }


def _count(entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "samples": len(entries),
        "groups": len({entry.group for entry in entries}),
        "classes": dict(sorted(Counter(entry.label for entry in entries).items())),
    }
