"""Owns finding a version by what people call it: a number, a branch, a tag, a digest, so many before another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dataset.lines.branches import MAIN, BranchBook
from dataset.lines.history import ancestors, first_parents
from ecosight.errors import Conflict, IntegrityError, NotFound

if TYPE_CHECKING:
    from dataset.lines.tags import TagBook
    from dataset.storing.snapshots import SnapshotStore

__all__ = ["VersionNames"]


class VersionNames:
    """The names of one dataset's versions. Thread-safe."""

    def __init__(self, snapshots: SnapshotStore, branches: BranchBook, tags: TagBook) -> None:
        self.name = snapshots.name
        self.snapshots, self.branches, self.tags = snapshots, branches, tags

    def resolve(self, version: int | str | None = None) -> str:
        """The digest of a version, named as for ``get``."""
        wanted = str(version if version is not None else "head").removeprefix(f"{self.name}@")
        if steps := re.fullmatch(r"(.+)~(\d+)", wanted):
            line = first_parents(self.resolve(steps[1]), self.snapshots.manifest)
            found = next((digest for back, (digest, _) in enumerate(line) if back == int(steps[2])), None)
            if found is None:
                raise NotFound(
                    f"there are not {steps[2]} versions before {steps[1]}", hint="`ecosight dataset log` lists all."
                )
            return found
        branch, _, inside = wanted.rpartition(":")
        head = self.branches.get(branch or MAIN)
        if head is None:
            known = self.branches.all()
            if branch or not known:
                raise self._empty(branch)
        if inside in ("head", "latest") and head is not None:
            return head
        tag = None if branch else self.tags.get(inside)
        if tag is not None and tag.version is not None:
            return tag.version
        if not branch and _may_name_branch(inside) and (found := self.branches.get(inside)) is not None:
            return found
        found = self._find(head, inside, branch)
        if found is not None:
            return found
        if tag is not None:
            raise NotFound(f"{wanted!r} holds no samples yet", hint="Add some to it first.")
        raise self._unknown(version, head)

    def _find(self, head: str | None, wanted: str, branch: str) -> str | None:
        number = re.fullmatch(r"v?(\d+)", wanted)
        if number and head is not None:
            for digest, manifest in first_parents(head, self.snapshots.manifest):
                if manifest["version"] == int(number[1]):
                    return digest
        if not re.fullmatch(r"[0-9a-f]{8,64}", wanted):
            return None
        if len(wanted) == 64 and self._is_version(wanted):
            return wanted  # also of a branch that was deleted, as long as nobody collected it
        heads = [head] if branch and head else list(self.branches.all().values())
        tagged = [tag.version for tag in self.tags.all() if tag.version is not None]
        walk = ancestors([*heads, *tagged], self.snapshots.manifest)
        found = [digest for digest, _ in walk if digest.startswith(wanted)]
        if len(found) > 1:
            raise Conflict(f"{wanted!r} begins {len(found)} digests", hint="Give more digits.")
        return found[0] if found else None

    def _is_version(self, digest: str) -> bool:
        try:
            self.snapshots.manifest(digest)
        except (NotFound, IntegrityError):
            return False
        return True

    def _empty(self, branch: str) -> NotFound:
        if branch:
            known = ", ".join(self.branches.all()) or "none"
            return NotFound(f"there is no branch {branch!r}", hint=f"Known: {known}.")
        return NotFound(f"the dataset {self.name!r} has no version yet", hint="`ecosight ingest FOLDER` makes one.")

    def _unknown(self, version: int | str | None, head: str | None) -> NotFound:
        newest = f"The newest is {self.name}@v{self.snapshots.manifest(head)['version']}; " if head else ""
        return NotFound(
            f"the dataset {self.name!r} has no version {version!r}", hint=f"{newest}`ecosight dataset log` lists all."
        )


def _may_name_branch(text: str) -> bool:
    return re.fullmatch(r"(?!v?\d+$|[0-9a-f]{64}$)[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}", text) is not None
