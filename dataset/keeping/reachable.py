"""Owns which blobs a version needs, and which all refs of a store need: what is moved, kept and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataset.entries import decode_entries
from dataset.lines.branches import NOWHERE
from dataset.merging.diffing import compare
from dataset.storing.chunks import ChunkedTable
from dataset.storing.manifests import read_manifest
from dataset.storing.packs import PackCache, decode_table
from dataset.storing.rows import entry_schema, hex_of, keys_of
from dataset.storing.sequence import table_of
from ecosight.errors import EcosightError, IntegrityError

if TYPE_CHECKING:
    from ecosight.ports import BlobStore, RefStore

__all__ = ["Reached", "Reader", "missing_from", "structure_of", "whole"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LEADS = re.compile(r"dataset/[^/]+/(head|(branch|tag|stage)/.+)")
"""Refs that must lead to something: unreadable ones would make their history look like garbage."""


@dataclass(slots=True)
class Reached:
    """What was found from some refs.

    Attributes:
        versions: digests of manifests. structure: of all other blobs that describe versions. samples: of the bytes.
        faults: (ref or version, what is wrong with it), where something could not be followed.
    """

    versions: set[str] = field(default_factory=set)
    structure: set[str] = field(default_factory=set)
    samples: set[str] = field(default_factory=set)
    faults: list[tuple[str, str]] = field(default_factory=list)

    def all(self) -> set[str]:
        return self.versions | self.structure | self.samples


class Reader:
    """Follows refs and versions in one blob store. Of a version, only what its parent does not have is read."""

    def __init__(self, blobs: BlobStore) -> None:
        self.blobs = blobs
        self.cache = PackCache(blobs)

    def manifest(self, digest: str) -> dict[str, Any]:
        return read_manifest(self.blobs, digest)

    def entries(self, manifest: Mapping[str, Any]) -> ChunkedTable:
        if manifest["format"] == 1:
            return ChunkedTable.of(table_of(decode_entries(self.blobs.get(manifest["entries"]))))
        return ChunkedTable.open(self.cache, manifest["entries"])

    def samples(self, manifest: Mapping[str, Any]) -> list[str]:
        """Ids of the samples that a version holds and its first parent does not."""
        mine = self.entries(manifest)
        if manifest["parent"] is None:
            return hex_of(keys_of(mine.table()))
        parent = self.entries(self.manifest(manifest["parent"]))
        return hex_of(keys_of(compare(parent, mine).added))

    def follow(self, refs: RefStore, *, prefix: str = "") -> Reached:
        """Everything that any ref needs. Faults are collected, not raised, so that one does not hide the others.

        Refs of which nothing is known keep the blob that they name.
        """
        reached = Reached()
        for name in refs.names(prefix):
            if "/seen/" in name:  # only remembers an answer, see dataset.lines.unversioned
                continue
            target = refs.get(name) or ""
            if _LEADS.fullmatch(name) and target != NOWHERE and not _DIGEST.fullmatch(target):
                reached.faults.append((name, f"this ref holds {target[:80]!r}, which is no digest of a version"))
            for digest in _DIGEST.findall(target):
                self.reach(digest, reached, why=name)
        return reached

    def reach(self, digest: str, reached: Reached, *, why: str) -> None:
        """Add what a manifest, a tag's record or a list of staged changes needs."""
        if digest in reached.versions or digest in reached.structure:
            return
        try:
            data = self.blobs.get(digest)
        except EcosightError as error:
            reached.faults.append((why, error.message))
            return
        if data.startswith(b"PAR1"):
            reached.structure.add(digest)
            reached.samples.update(_staged(data))
        elif b'"format"' in data:
            self._reach_version(digest, reached, why)
        else:
            reached.structure.add(digest)
            for inside in _DIGEST.findall(data[:100_000].decode(errors="ignore")):
                if self.blobs.has(inside):
                    self.reach(inside, reached, why=why)

    def _reach_version(self, digest: str, reached: Reached, why: str) -> None:
        waiting = [digest]
        while waiting:
            each = waiting.pop()
            if each in reached.versions:
                continue
            try:
                manifest = self.manifest(each)
                reached.versions.add(each)
                waiting += manifest["parents"]
                reached.structure.update(structure_of(manifest, self.cache))
                reached.samples.update(self.samples(manifest))
            except EcosightError as error:
                reached.faults.append((why if each == digest else each, error.message))


def structure_of(manifest: Mapping[str, Any], cache: PackCache) -> Iterator[str]:
    """Digests of the blobs that describe one version, without its manifest: contents first, indexes after them."""
    yield from (each["covers"] for each in manifest["overrides"])
    if manifest["removed"]:
        yield manifest["removed"]
    for index in (manifest["entries"], manifest["groups"]):
        if manifest["format"] != 1:
            yield from ChunkedTable.open(cache, index).blobs()
        yield index


def _staged(data: bytes) -> Iterable[str]:
    try:
        table = decode_table(data)
    except Exception:  # some other Parquet that a ref of somebody else names
        return ()
    return hex_of(keys_of(table)) if set(entry_schema().names) <= set(table.column_names) else ()


def missing_from(blobs: BlobStore, digests: Iterable[str]) -> list[str]:
    """Those that the store has not, in their order; each asked for, or all listed, whichever is less work."""
    wanted = list(dict.fromkeys(digests))
    if len(wanted) < 500:
        return [digest for digest in wanted if not blobs.has(digest)]
    there = set(blobs.digests())
    return [digest for digest in wanted if digest not in there]


def whole(reader: Reader, digest: str) -> None:
    """Raises: IntegrityError, NotFound: a version cannot be read in full."""
    manifest = reader.manifest(digest)
    entries = reader.entries(manifest)
    if manifest["format"] != 1:
        entries.check()
        ChunkedTable.open(reader.cache, manifest["groups"]).check()
    counted = sum(manifest["class_counts"].values())
    if len(entries) != counted:
        raise IntegrityError(f"{digest} holds {len(entries)} samples, and its manifest says {counted}")
