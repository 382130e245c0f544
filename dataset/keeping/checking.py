"""Owns examining a store: refs lead to whole versions, samples' bytes are there, nothing is on two sides."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dataset.keeping.reachable import Reached, Reader, missing_from, whole
from dataset.parting.group_parts import group_names, group_parts
from dataset.storing.chunks import ChunkedTable
from ecosight.errors import EcosightError

if TYPE_CHECKING:
    from ecosight.ports import BlobStore, Progress, RefStore

__all__ = ["CheckReport", "Fault", "check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong, and where."""

    where: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What was examined, and what is wrong with it."""

    refs: int
    versions: int
    samples: int
    bytes_read: bool
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        return not self.faults

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"ok": self.ok}


def check(blobs: BlobStore, refs: RefStore, progress: Progress, *, read_samples: bool = False) -> CheckReport:
    """Examine everything that the refs lead to. Changes nothing, and never stops at the first fault.

    Args:
        read_samples: also read every sample's bytes and compare them with their digest.
    """
    reader = Reader(blobs)
    names = refs.names()
    reached = reader.follow(refs)
    faults = [Fault(where=where, what=what) for where, what in reached.faults]
    with progress.task("check", len(reached.versions), "versions") as task:
        for digest in sorted(reached.versions):
            faults += _version_faults(reader, digest)
            task.advance(1)
            progress.checkpoint()
    faults += [Fault(where=digest, what="this blob is missing") for digest in _lost(blobs, reached)]
    if read_samples:
        faults += _damaged(blobs, reached.samples, progress)
    return CheckReport(
        refs=len(names),
        versions=len(reached.versions),
        samples=len(reached.samples),
        bytes_read=read_samples,
        faults=tuple(dict.fromkeys(faults)),
    )


def _version_faults(reader: Reader, digest: str) -> list[Fault]:
    try:
        whole(reader, digest)
        torn = _torn(reader, digest)
    except EcosightError as error:
        return [Fault(where=digest, what=error.message)]
    return [Fault(where=digest, what=f"the group {name!r} is on two sides, and no override says so") for name in torn]


def _torn(reader: Reader, digest: str) -> list[str]:
    """Groups on two sides that no override covers."""
    import pyarrow.compute as pc

    manifest = reader.manifest(digest)
    if manifest["format"] == 1:
        return []
    rows = ChunkedTable.open(reader.cache, manifest["entries"]).table()
    parts = group_parts(ChunkedTable.open(reader.cache, manifest["groups"]), rows)
    wrong = pc.fill_null(pc.not_equal(rows.column("part"), parts), True)
    torn = pc.unique(group_names(rows).filter(wrong)).to_pylist()
    covered = {
        name
        for each in manifest["overrides"]
        if each["name"] == "group"
        for name in json.loads(reader.blobs.get(each["covers"]))
    }
    return sorted(set(torn) - covered)


def _lost(blobs: BlobStore, reached: Reached) -> list[str]:
    return missing_from(blobs, sorted(reached.samples | reached.structure))


def _damaged(blobs: BlobStore, samples: Iterable[str], progress: Progress) -> list[Fault]:
    faults = []
    each = sorted(samples)
    with progress.task("read samples", len(each), "samples") as task:
        for digest in each:
            try:
                blobs.get(digest)
            except EcosightError as error:
                faults.append(Fault(where=digest, what=error.message))
            task.advance(1)
            progress.checkpoint()
    return faults
