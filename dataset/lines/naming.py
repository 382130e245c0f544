"""Owns finding a version by what people call it: a number, a branch, a tag, a digest, so many before another."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dataset.lines.branches import MAIN, BranchBook
from dataset.lines.history import ancestors, first_parents
from ecosight.errors import Conflict, IntegrityError, NotFound
from ecosight.values import DatasetRef

if TYPE_CHECKING:
    from dataset.lines.tags import TagBook
    from dataset.storing.snapshots import SnapshotStore

__all__ = ["VersionNames"]

_LONGEST = 256
"""Longer than any name of a version: a dataset's, a branch's, a digest, and how many versions before it."""


class VersionNames:
    """The names of one dataset's versions. Thread-safe."""

    def __init__(self, snapshots: SnapshotStore, branches: BranchBook, tags: TagBook) -> None:
        self.name = snapshots.name
        self.snapshots, self.branches, self.tags = snapshots, branches, tags

    def resolve(self, version: int | str | None = None) -> str:
        """The digest of a version, named as for ``get``."""
        wanted = str(version if version is not None else "head").removeprefix(f"{self.name}@")
        if len(wanted) > _LONGEST:  # a number that no machine counts to, or steps without end
            raise NotFound(f"the dataset {self.name!r} has no version {wanted[:40] + '…'!r}")
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
        tagged = tag.version if tag is not None else None
        grown = self.branches.get(inside) if not branch and _may_name_branch(inside) else None
        if grown and tagged and grown != tagged:
            raise _two_meanings(inside, tagged)
        if tagged or grown:
            return str(tagged or grown)
        found = self._find(head, inside, branch)
        if found is not None:
            return found
        if tag is not None:
            raise NotFound(f"{wanted!r} holds no samples yet", hint="Add some to it first.")
        raise self._unknown(version, head)

    def shown(self, refs: Iterable[DatasetRef], branch: str = MAIN) -> dict[str, str]:
        """Digest -> the name to print, which finds that version again.

        ``main@v3`` on main, ``night:v3`` on another branch (of several, this one first), the first digits of the digest
        for what is on no branch's own line, such as one that was merged and deleted; all of them where nothing but the
        digest leads there any more.
        """
        wanted = {ref.digest: ref.version for ref in refs}
        found: dict[str, str] = {}
        oldest = min(wanted.values(), default=0)
        seen: set[str] = set()
        for name, head in self._lines(branch):
            if len(found) == len(wanted):
                break
            with suppress(NotFound, IntegrityError):  # a line that cannot be followed names nothing
                for digest, manifest in first_parents(head, self.snapshots.manifest):
                    if digest in seen or manifest["version"] < oldest:
                        break
                    seen.add(digest)
                    if digest in wanted:
                        number = wanted[digest]
                        found[digest] = f"{self.name}@v{number}" if name == MAIN else f"{name}:v{number}"
        return found | self._by_digits(wanted.keys() - found.keys())

    def called(self, refs: Collection[DatasetRef], branch: str = MAIN) -> dict[str, DatasetRef]:
        """Digest -> the same version with its name to print: as ``shown``, and the dataset's name before it always."""
        shown = self.shown(refs, branch)
        begin = f"{self.name}@"
        return {ref.digest: replace(ref, called=begin + shown[ref.digest].removeprefix(begin)) for ref in refs}

    def _lines(self, branch: str) -> Iterator[tuple[str, str]]:
        """Branches and where they are: main, then this one, then the others, which are looked up only when needed."""
        with suppress(IntegrityError):  # a ref that was damaged; versions are found by their digests still
            for name in dict.fromkeys((MAIN, branch)):
                if head := self.branches.get(name):
                    yield name, head
            yield from ((name, head) for name, head in self.branches.all().items() if name not in (MAIN, branch))

    def _by_digits(self, digests: Set[str]) -> dict[str, str]:
        """The first digits of digests that branches or tags hold; what nothing holds is found by all of them only."""
        reached: set[str] = set()
        with suppress(NotFound, IntegrityError):
            for digest, _ in ancestors(self._ends() if digests else [], self.snapshots.manifest):
                reached |= {digest} & digests
                if len(reached) == len(digests):
                    break
        return {digest: digest[:12] if digest in reached else digest for digest in digests}

    def _ends(self) -> list[str]:
        """Where every branch and tag stands."""
        tagged = [tag.version for tag in self.tags.all() if tag.version is not None]
        return [*self.branches.all().values(), *tagged]

    def is_held(self, digest: str) -> bool:
        """Whether a branch or a tag leads to a version, as far as they can be followed."""
        with suppress(NotFound, IntegrityError):
            return any(each == digest for each, _ in ancestors(self._ends(), self.snapshots.manifest))
        return False

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
        newest = ""
        if head:
            ref = DatasetRef(name=self.name, version=self.snapshots.manifest(head)["version"], digest=head)
            newest = f"The newest is {self.shown([ref])[head]}; "
        return NotFound(
            f"the dataset {self.name!r} has no version {version!r}", hint=f"{newest}`ecosight dataset log` lists all."
        )


def _two_meanings(name: str, tagged: str) -> Conflict:
    """Made before that was refused, or pulled from elsewhere. To guess would merge or train on the wrong one."""
    return Conflict(
        f"{name!r} is a branch and a tag, and they stand for different versions",
        hint=f"{name}:head is the branch; {tagged[:12]} is the version with the tag.",
    )


def _may_name_branch(text: str) -> bool:
    return re.fullmatch(r"(?!v?\d+$|[0-9a-f]{64}$)[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}", text) is not None
