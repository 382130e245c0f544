"""Owns walking the versions of a dataset from children to parents: what came before, and where two lines parted."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

__all__ = ["Manifest", "ancestors", "first_parents", "is_ancestor", "merge_bases"]

Manifest = Mapping[str, Any]
Read = Callable[[str], Manifest]


def ancestors(digests: Iterable[str], read: Read) -> Iterator[tuple[str, Manifest]]:
    """These versions and all before them, children before their parents, newest numbers first; each once."""
    seen: set[str] = set()
    waiting: list[tuple[int, str, Manifest]] = []

    def add(digest: str) -> None:
        if digest not in seen:
            seen.add(digest)
            manifest = read(digest)
            # A version's number is above those of all its parents.
            heapq.heappush(waiting, (-int(manifest["version"]), digest, manifest))

    for digest in digests:
        add(digest)
    while waiting:
        _, digest, manifest = heapq.heappop(waiting)
        yield digest, manifest
        for parent in manifest["parents"]:
            add(parent)


def first_parents(digest: str, read: Read) -> Iterator[tuple[str, Manifest]]:
    """A version and the line it grew on: where it is a merge, the side that was merged into."""
    following: str | None = digest
    while following is not None:
        manifest = read(following)
        yield following, manifest
        following = manifest["parent"]


def is_ancestor(old: str, new: str, read: Read) -> bool:
    """Whether one version is the other or one before it."""
    least = read(old)["version"]
    for digest, manifest in ancestors([new], read):
        if digest == old:
            return True
        if manifest["version"] < least:
            return False
    return False


def merge_bases(one: str, other: str, read: Read) -> list[str]:
    """The newest common ancestors: none of them is before another one. Usually one; none for unrelated lines."""
    sides: dict[str, set[str]] = {}
    for side in (one, other):
        for digest, _ in ancestors([side], read):
            sides.setdefault(digest, set()).add(side)
    if one == other:
        return [one]
    common = {digest for digest, reached in sides.items() if len(reached) == 2}
    before: set[str] = set()
    for digest, manifest in ancestors(common, read):
        if digest in common or digest in before:
            before.update(manifest["parents"])
    return sorted(common - before)
