"""Owns garbage collection: which blobs nobody needs any more, and taking away those that are old enough.

What any ref reaches is kept (every branch with its whole history, every tag, what is staged), and what the caller
names: versions of registered models, samples of the database. Young blobs are kept too, since another process may
be about to refer to them; whoever relies on an old one makes it young first (``dataset.storing.blob_files``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataset.keeping.reachable import Reached, Reader
from dataset.storing.blob_files import delete_if_old, modified_at
from ecosight.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from ecosight.ports import BlobStore, Clock, Progress, RefStore

__all__ = ["GRACE_S", "CollectReport", "collect"]

GRACE_S = 24 * 3600.0

Needed = Callable[[], Iterable[str]]
"""Digests that are needed although no ref names them: of versions (then all that they hold), or of single blobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectReport:
    """Counts of blobs: ``kept`` because something needs them, ``young``, and ``deleted`` (or would be)."""

    kept: int
    young: int
    deleted: int
    dry_run: bool

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def collect(
    blobs: BlobStore,
    refs: RefStore,
    *,
    needed: Iterable[Needed] = (),
    clock: Clock,
    progress: Progress,
    grace_s: float = GRACE_S,
    dry_run: bool = False,
) -> CollectReport:
    """Delete the blobs that nothing needs. Killed anywhere, the next run ends it.

    Args:
        needed: asked once before and once after looking, so that what came meanwhile is seen.
        grace_s: blobs younger than this stay, whatever they are.
    Raises: Refused: a ref leads to something that cannot be read: mend that first, so that nothing is taken for
        garbage that is only out of sight. Unavailable: a store, or whoever tells what is needed.
    """
    if not grace_s >= 0:  # NaN compares with nothing: every blob would be old
        raise InvalidInput(f"a grace period of {grace_s} s is none", hint="Give 0 or more seconds.")
    needed = list(needed)
    reached = _reach(blobs, refs, needed)
    candidates = [digest for digest in blobs.digests() if digest not in reached]
    kept, young, deleted = len(reached), 0, 0
    old: list[str] = []
    now = clock.now().timestamp()
    for digest in candidates:
        at = modified_at(blobs, digest)
        if at is None or now - at < grace_s:
            young += 1
        else:
            old.append(digest)
    if old:
        # Whoever was quick enough to refer to an old blob since the first look is seen now.
        reached = _reach(blobs, refs, needed)
        kept = len(reached)
    with progress.task("gc", len(old), "blobs") as task:
        for digest in old:
            if digest in reached:
                continue
            if dry_run or delete_if_old(blobs, digest, grace_s):
                deleted += 1
            else:
                young += 1
            task.advance(1)
            progress.checkpoint()
    return CollectReport(kept=kept, young=young, deleted=deleted, dry_run=dry_run)


def _reach(blobs: BlobStore, refs: RefStore, needed: Iterable[Needed]) -> set[str]:
    reader, reached = Reader(blobs), Reached()
    extra = [digest for ask in needed for digest in ask()]
    single = set(extra)
    found = reader.follow(refs)
    faults = found.faults
    for digest in extra:
        # A sample is a blob like any other; only what describes a version is followed.
        if digest not in found.samples and _is_manifest(reader, digest):
            reader.reach(digest, reached, why=f"needed version {digest}")
    faults = [*faults, *reached.faults]
    if faults:
        raise Refused(
            f"{len(faults)} refs or versions cannot be followed: {faults[0][0]}: {faults[0][1]}",
            hint="`ecosight dataset fsck` lists them; nothing was deleted.",
            faults=[list(each) for each in faults[:20]],
        )
    return found.all() | reached.all() | single


def _is_manifest(reader: Reader, digest: str) -> bool:
    from ecosight.errors import EcosightError

    try:
        reader.manifest(digest)
    except EcosightError:
        return False
    return True
