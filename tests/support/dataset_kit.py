"""Samples without bytes, for tests about versions: ids are digests of their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dataset.versions import DatasetRepository
from ecosight.blobs import LocalBlobs
from ecosight.clock import SystemClock
from ecosight.ids import content_digest
from ecosight.values import Sample

RATIOS = {"train": 0.7, "val": 0.2, "test": 0.1}
BEGIN = datetime(2026, 5, 1, tzinfo=UTC)


class MemoryBlobs:
    """A blob store in memory, quick enough for hundreds of generated histories."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        digest = content_digest(data)
        self.held[digest] = data
        return digest

    def get(self, digest: str) -> bytes:
        from ecosight.errors import NotFound

        if digest not in self.held:
            raise NotFound(f"there is no blob {digest}")
        return self.held[digest]

    def has(self, digest: str) -> bool:
        return digest in self.held

    def delete(self, digest: str) -> None:
        self.held.pop(digest, None)

    def digests(self) -> Any:
        return iter(list(self.held))


class MemoryRefs:
    """Refs in memory."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self.held.get(name)

    def compare_and_set(self, name: str, expected: str | None, new: str) -> bool:
        if self.held.get(name) != expected:
            return False
        self.held[name] = new
        return True

    def names(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self.held if name.startswith(prefix))


class Ticking:
    """A clock that goes on by a second with every look."""

    def __init__(self) -> None:
        self.seconds = 0

    def now(self) -> datetime:
        self.seconds += 1
        return BEGIN + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return float(self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += int(seconds)


def id_of(name: str) -> str:
    return content_digest(f"note: {name}".encode())


def sample(
    name: str, label: str = "fox", *, group: str | None = None, hours: float = 0, station: str | None = None
) -> Sample:
    return Sample(
        id=id_of(name),
        medium="note",
        captured_at=BEGIN + timedelta(hours=hours),
        source=f"{name}.note",
        group=group or id_of(name),
        size_bytes=len(f"note: {name}"),
        label=label,
        details={"station": station} if station else {},
    )


def no_copies(_: Sequence[str]) -> list[tuple[str, str]]:
    """A search for near-duplicates, where there are none."""
    return []


def in_memory(name: str = "main", *, blobs: Any = None, refs: Any = None, **more: Any) -> DatasetRepository:
    return DatasetRepository(
        blobs if blobs is not None else MemoryBlobs(),
        refs if refs is not None else MemoryRefs(),
        **{"name": name, "ratios": RATIOS, "seed": 7, "clock": Ticking(), "near_duplicates": no_copies, **more},
    )


def on_disk(folder: Path, **more: Any) -> DatasetRepository:
    """A repository whose bytes are real: a folder of blobs and a database."""
    from ecosight.state.database import open_database
    from ecosight.state.refs import DatabaseRefs

    folder.mkdir(parents=True, exist_ok=True)
    refs = DatabaseRefs(open_database(f"sqlite:///{folder / 'ecosight.db'}"))
    return in_memory(blobs=LocalBlobs(folder / "blobs"), refs=refs, **{"clock": SystemClock(), **more})


def labels_of(repository: DatasetRepository, version: str | None = None) -> Mapping[str, str]:
    return {entry.source.removesuffix(".note"): entry.label for entry in repository.get(version).entries}


def parts_of(repository: DatasetRepository, version: str | None = None) -> Mapping[str, str]:
    return {entry.source.removesuffix(".note"): entry.part for entry in repository.get(version).entries}
