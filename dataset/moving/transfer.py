"""Owns moving versions between two stores: only what is missing, contents before manifests, the ref last.

Stopped anywhere, the next try finds what is there already. The ref moves by compare-and-set, and only forward: a
commit that another writer made meanwhile is never lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataset.keeping.reachable import Reader, missing_from, structure_of
from dataset.lines.branches import MAIN, NOWHERE, BranchBook
from dataset.lines.history import ancestors, is_ancestor
from dataset.moving.remotes import Remote
from dataset.storing.blob_files import freshen
from ecosight.errors import Conflict, IntegrityError, NotFound

if TYPE_CHECKING:
    from dataset.versions import DatasetRepository
    from ecosight.ports import BlobStore, Progress, RefStore

__all__ = ["TransferReport", "pull", "push"]

_AT_ONCE = 8
_WINDOW = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReport:
    """What was moved, or would be.

    Attributes:
        branch, version: what is there now (its digest). moved: whether the ref moved.
        versions: manifests that were missing. blobs: what was copied, or would be.
        size_bytes: of these blobs; None for a dry run, which reads none of them.
        diverged: pulled to ``remote.BRANCH``, since both sides have versions that the other has not.
    """

    branch: str
    version: str
    moved: bool
    versions: int
    blobs: int
    size_bytes: int | None
    diverged: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def push(
    repository: DatasetRepository, remote: Remote, progress: Progress, *, branch: str = MAIN, dry_run: bool = False
) -> TransferReport:
    """Send a branch to a remote, with the tags that stand for versions of it.

    Raises: NotFound: there is no such branch. Conflict: the remote has versions that are not here; pull and merge
        first. Unavailable, IntegrityError: a store, or a blob that is damaged here.
    """
    local = _Side(blobs=repository.blobs, refs=repository.refs, dataset=repository.name)
    there = _Side(blobs=remote.blobs, refs=remote.refs, dataset=repository.name)
    new = local.branches.get(branch)
    if new is None:
        raise NotFound(f"there is no branch {branch!r}", hint=f"Known: {', '.join(local.branches.all()) or 'none'}.")
    before = there.branches.get(branch)
    if before is not None and not (local.blobs.has(before) and is_ancestor(before, new, local.reader.manifest)):
        raise Conflict(
            f"the branch {branch!r} at {remote.address} has versions that are not here",
            hint="Pull, merge, and push again: `ecosight dataset pull`.",
            there=before,
        )
    copied = _copy(local, there, new, progress, dry_run=dry_run)
    if not dry_run:
        # Somebody who pushed meanwhile is not overwritten: then this is refused, and the next try sees them.
        if before != new and not there.branches.move(branch, before, new):
            raise Conflict(f"another push to {branch!r} was quicker", hint="Pull, merge, and push again.")
        _copy_tags(local, there)
    return TransferReport(branch=branch, version=new, moved=before != new, **copied)


def pull(
    repository: DatasetRepository, remote: Remote, progress: Progress, *, branch: str = MAIN, dry_run: bool = False
) -> TransferReport:
    """Fetch a branch, and move the one here where that loses nothing.

    Where both sides went on, what came is the branch ``remote.BRANCH`` here, to be merged.
    Raises: NotFound: the remote has no such branch. Unavailable, IntegrityError.
    """
    local = _Side(blobs=repository.blobs, refs=repository.refs, dataset=repository.name)
    there = _Side(blobs=remote.blobs, refs=remote.refs, dataset=repository.name)
    new = there.branches.get(branch)
    if new is None:
        raise NotFound(
            f"{remote.address} has no branch {branch!r} of {repository.name!r}",
            hint=f"Known there: {', '.join(there.branches.all()) or 'none'}.",
        )
    copied = _copy(there, local, new, progress, dry_run=dry_run)
    if dry_run:
        return TransferReport(branch=branch, version=new, moved=local.branches.get(branch) != new, **copied)
    _copy_tags(there, local)
    while True:
        before = local.branches.get(branch)
        if before is not None and is_ancestor(new, before, local.reader.manifest):
            return TransferReport(branch=branch, version=before, moved=False, **copied)
        if before is None or is_ancestor(before, new, local.reader.manifest):
            if local.branches.move(branch, before, new):
                return TransferReport(branch=branch, version=new, moved=True, **copied)
            continue
        aside = f"remote.{branch}"
        if local.branches.move(aside, local.branches.get(aside), new):
            return TransferReport(branch=aside, version=new, moved=True, diverged=True, **copied)


class _Side:
    """One store, and what it knows of the dataset."""

    def __init__(self, *, blobs: BlobStore, refs: RefStore, dataset: str) -> None:
        self.blobs, self.refs, self.dataset = blobs, refs, dataset
        self.reader = Reader(blobs)
        self.branches = BranchBook(refs, dataset=dataset)

    def tags(self) -> dict[str, str]:
        """Ref -> digest of its record."""
        prefix = f"dataset/{self.dataset}/tag/"
        found = {name: self.refs.get(name) for name in self.refs.names(prefix)}
        return {name: record for name, record in found.items() if record not in (None, NOWHERE)}


def _copy(source: _Side, target: _Side, new: str, progress: Progress, *, dry_run: bool) -> dict[str, Any]:
    """Copy a version and what it stands on. Counts what was missing."""
    # What the target's own refs reach is whole there: contents went before manifests, and a collector keeps them.
    heads = [head for head in target.branches.all().values() if source.blobs.has(head)]
    have = {digest for digest, _ in ancestors(heads, source.reader.manifest)}
    versions = _lacking(source, new, have)
    blobs = size = 0
    planned: set[str] = set()  # by a dry run: what several versions lack would move once
    with progress.task("copy", len(versions), "versions") as task:
        for digest in versions:
            manifest = source.reader.manifest(digest)
            contents = [*source.reader.samples(manifest), *structure_of(manifest, source.reader.cache), digest]
            missing = missing_from(target.blobs, contents)
            if dry_run:
                missing = [each for each in missing if each not in planned]
                planned.update(missing)
            else:  # a collector may have taken some since
                missing += _gone(target.blobs, sorted(set(contents) - set(missing)))
            last = [each for each in missing if each == digest]
            blobs += len(missing)
            if not dry_run:
                # The manifest goes last: who finds it finds all that it names.
                for some in ([each for each in missing if each != digest], last):
                    for copied in _copied(source.blobs, target.blobs, some):
                        size += copied
                        task.advance(0, blobs=blobs, size_bytes=size)
                        progress.checkpoint()
            task.advance(1, blobs=blobs, size_bytes=size)
            progress.checkpoint()
    return {"versions": len(versions), "blobs": blobs, "size_bytes": None if dry_run else size}


def _lacking(source: _Side, new: str, have: set[str]) -> list[str]:
    """The versions that the target's refs do not reach, parents before their children."""
    waiting, found = [new], {}
    while waiting:
        digest = waiting.pop()
        if digest not in have and digest not in found:
            manifest = source.reader.manifest(digest)
            found[digest] = int(manifest["version"])
            waiting += manifest["parents"]
    return sorted(found, key=lambda digest: (found[digest], digest))


def _copied(source: BlobStore, target: BlobStore, digests: Iterable[str]) -> Iterator[int]:
    """Copy blobs, some at once; yields the bytes of each."""

    def one(digest: str) -> int:
        data = source.get(digest)  # verified by the store
        if target.put(data) != digest:
            raise IntegrityError(f"the other store calls {digest} by another name")
        return len(data)

    each = list(digests)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="copy") as pool:
        for start in range(0, len(each), _WINDOW):
            yield from pool.map(one, each[start : start + _WINDOW])


def _gone(blobs: BlobStore, digests: list[str]) -> list[str]:
    """What was there by chance, without a ref that needs it, is young again. Returns what is there no more."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="stay") as pool:
        there = pool.map(lambda digest: freshen(blobs, digest), digests)
        return [digest for digest, still in zip(digests, there, strict=True) if not still]


def _copy_tags(source: _Side, target: _Side) -> None:
    """Tags whose versions the target has. A tag of the target that means something else stays as it is."""
    for name, record in source.tags().items():
        data = source.blobs.get(record)
        version = _version_of(data, name)
        if version is None or not target.blobs.has(version):
            continue
        there = target.refs.get(name)
        if there == record:
            continue
        target.blobs.put(data)
        if there is None:
            target.refs.compare_and_set(name, None, record)
        elif (old := _version_of(target.blobs.get(there), name)) and is_ancestor(old, version, target.reader.manifest):
            target.refs.compare_and_set(name, there, record)


def _version_of(record: bytes, name: str) -> str | None:
    """Raises: IntegrityError: the ref leads to no record of a tag."""
    try:
        told = json.loads(record)
        found = told["version"]
    except (ValueError, TypeError, KeyError):
        found = 0
    if not (found is None or isinstance(found, str)):
        raise IntegrityError(f"the ref {name!r} leads to no record of a tag", hint="Delete that tag and make it anew.")
    return found
