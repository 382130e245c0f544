"""Owns the names that people give to points in a dataset's history, such as ``v1.0.0``.

A tag is a ref to a small JSON record: what it is for, which split it asks for, and the version it stands for.
One tag at a time is open: adding samples to it commits a version and moves the tag there. Making the next
tag closes it for good. The versions themselves never change, and neither does a closed tag.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from dataset.lines.branches import MAIN, BranchBook
from ecosight.clock import iso
from ecosight.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from ecosight.ports import BlobStore, Clock, RefStore

__all__ = ["NamedVersion", "TagBook"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
_RESERVED = re.compile(r"v?\d+|head|latest|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedVersion:
    """A name, and the dataset version that it stands for.

    Attributes:
        id: the name again, the way the name is given to ``DatasetManager.add_images``.
        version: digest of the version, or None as long as there are no samples.
        splits: target shares for the groups that are added under this name.
        after: the name that was open before this one.
    """

    name: str
    description: str
    splits: Mapping[str, float]
    created_at: datetime
    version: str | None
    after: str | None

    @property
    def id(self) -> str:
        return self.name


class TagBook:
    """The tags of one dataset. Thread-safe, and safe across processes."""

    def __init__(self, blobs: BlobStore, refs: RefStore, *, dataset: str, clock: Clock) -> None:
        self._blobs, self._refs, self._clock = blobs, refs, clock
        self._prefix, self._open = f"dataset/{dataset}/tag/", f"dataset/{dataset}/open"
        self._branches = BranchBook(refs, dataset=dataset)

    def get(self, name: str) -> NamedVersion | None:
        record = self._refs.get(self._prefix + name)
        return None if record is None else self._read(record)

    def all(self) -> list[NamedVersion]:
        """All tags, in the order of their making."""
        records = [self._refs.get(name) for name in self._refs.names(self._prefix)]
        tags = [self._read(record) for record in records if record is not None]
        return sorted(tags, key=lambda tag: (tag.created_at, tag.name))

    def opened(self) -> str | None:
        """The name of the open tag; None before the first."""
        return self._refs.get(self._open)

    def check_free(self, name: str) -> None:
        """Raises: InvalidInput: not a fit name. Conflict: a branch has it, and one name cannot mean two versions."""
        _check_name(name)
        if self._refs.get(self._prefix + name) is not None:
            return
        if name == MAIN or self._branches.get(name) is not None:
            raise Conflict(
                f"there is a branch {name!r} already", hint=f"Choose another name for the version, such as {name}-1.0."
            )

    def create(self, name: str, *, description: str, splits: Mapping[str, float], version: str | None) -> NamedVersion:
        """Make a tag and open it, which closes the one before. Making the same tag again changes nothing.

        Raises: InvalidInput: not a fit name. Conflict: the name is taken, with another description or split, or by
            a branch.
        """
        self.check_free(name)
        before = self.opened()
        tag = NamedVersion(
            name=name,
            description=description,
            splits=dict(splits),
            created_at=self._clock.now(),
            version=version,
            after=before,
        )
        record = self._write(tag)
        tag = self._read(record)  # as everyone will see it: times to the millisecond
        if not self._refs.compare_and_set(self._prefix + name, None, record):
            there = self.get(name)
            if there is None or (there.description, dict(there.splits)) != (description, dict(splits)):
                raise Conflict(
                    f"the version {name!r} exists already, with another description or split",
                    hint="Choose a new name; a name never changes its meaning.",
                )
            tag = there
        # After a crash between the two steps, the next call finishes the second one; a closed tag stays closed.
        self._refs.compare_and_set(self._open, tag.after, name)
        return tag

    def pin(self, name: str, *, description: str, splits: Mapping[str, float], version: str) -> NamedVersion:
        """Name one version for good, and open nothing. Doing it again changes nothing.

        Raises: InvalidInput: not a fit name. Conflict: the name is taken, for something else.
        """
        self.check_free(name)
        tag = NamedVersion(
            name=name,
            description=description,
            splits=dict(splits),
            created_at=self._clock.now(),
            version=version,
            after=None,
        )
        if not self._refs.compare_and_set(self._prefix + name, None, self._write(tag)):
            there = self.get(name)
            if there is None or there.version != version:
                raise Conflict(
                    f"the version {name!r} exists already, and stands for another one",
                    hint="Choose a new name; a name never changes its meaning.",
                )
            return there
        return tag

    def require_open(self, name: str) -> NamedVersion:
        """Raises: NotFound: there is no such tag. Conflict: a later one closed it."""
        tag = self.get(name)
        if tag is None:
            known = ", ".join(each.name for each in self.all()) or "none"
            raise NotFound(f"there is no version named {name!r}", hint=f"Create it first. Known: {known}.")
        opened = self.opened()
        if opened != name:
            raise Conflict(
                f"{name!r} is closed, since {opened!r} was made after it",
                hint=f"Add to {opened!r}, or create a new version.",
            )
        return tag

    def move(self, name: str, version: str) -> NamedVersion:
        """Let an open tag stand for another version."""
        while True:
            tag = self.require_open(name)
            record = self._refs.get(self._prefix + name)
            moved = replace(tag, version=version)
            if self._refs.compare_and_set(self._prefix + name, record, self._write(moved)):
                return moved

    def _write(self, tag: NamedVersion) -> str:
        return self._blobs.put(json.dumps(asdict(tag) | {"created_at": iso(tag.created_at)}, sort_keys=True).encode())

    def _read(self, record: str) -> NamedVersion:
        fields = json.loads(self._blobs.get(record))
        return NamedVersion(**fields | {"created_at": datetime.fromisoformat(fields["created_at"])})


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:80]!r} cannot name a version", hint="Up to 64 letters, digits and _ . + -, such as v1.0.0."
        )
    if _RESERVED.fullmatch(name):
        raise InvalidInput(
            f"{name!r} cannot name a version, it means one already",
            hint="v3 is the third version of the history; name yours v3.0, for example.",
        )
