"""Owns the manifest of a dataset version: the small JSON blob that pins every byte of it, and what it tells."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dataset.entries import PARTS, Entry
from dataset.storing.sequence import EntrySequence
from ecosight.errors import IntegrityError, NotFound
from ecosight.values import DatasetRef

if TYPE_CHECKING:
    from ecosight.ports import BlobStore

__all__ = [
    "FORMAT",
    "STRATIFIED",
    "UNSEARCHED",
    "DatasetVersion",
    "Override",
    "VersionSummary",
    "read_manifest",
    "summary_of",
]

FORMAT = 2
STRATIFIED: Mapping[str, Any] = {"by": "stratified"}
UNSEARCHED = "unsearched"
"""The rule that whoever commits samples lets their near-duplicates be looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A rule that a version breaks on purpose; every later version tells of it.

    Attributes:
        name: the rule: ``group``, ``near-duplicates``, ``station``, ``time`` or ``unsearched``.
        reason: why it was allowed, in the words of whoever did.
        version: the number of the version that it was given for. made_at: ISO 8601, UTC.
        count: how many groups or pairs are on two sides, or samples were not compared. examples: the first of them.
        covers: digest of a blob with all of them, as a JSON list.
    """

    name: str
    reason: str
    version: int
    made_at: str
    count: int
    examples: Sequence[str]
    covers: str

    @property
    def sentence(self) -> str:
        wrong = "new samples not compared for near-duplicates" if self.name == UNSEARCHED else "on two sides"
        return f"override of {self.name} since v{self.version}: {self.count} {wrong}, because: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSummary:
    """A dataset version without its entries.

    Attributes:
        ref: name, number, and the digest of the manifest, which pins every byte of the version.
        parent: digest of the version before it, or None. parents: all of them; a merge has two.
        class_counts: label -> samples. part_counts: part -> samples.
        ratios, seed: what the splitter was asked for when this version was made.
        scheme: how new groups get their part: by ``stratified``, ``time`` or ``station``.
        overrides: the rules that this version or one before it breaks on purpose.
    """

    ref: DatasetRef
    parent: str | None
    message: str
    created_at: datetime
    class_counts: Mapping[str, int]
    part_counts: Mapping[str, int]
    ratios: Mapping[str, float]
    seed: int
    parents: tuple[str, ...] = ()
    scheme: Mapping[str, Any] = field(default_factory=lambda: STRATIFIED)
    overrides: tuple[Override, ...] = ()

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is or may be on two sides on purpose, a sentence each; every evaluation on this version repeats them."""
        return tuple(each.sentence for each in self.overrides)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion(VersionSummary):
    """One immutable dataset version; its entries are in order of the sample id."""

    entries: Sequence[Entry]

    def part(self, name: str) -> Sequence[Entry]:
        """The entries of ``train``, ``val`` or ``test``. Raises: NotFound: there is no such part."""
        if name not in PARTS:
            raise NotFound(f"a dataset has no part {name!r}", hint=f"Parts are {', '.join(PARTS)}.")
        if isinstance(self.entries, EntrySequence):
            return self.entries.where("part", name)
        return [entry for entry in self.entries if entry.part == name]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(sorted(self.class_counts))

    @property
    def sample_ids(self) -> frozenset[str]:
        if isinstance(self.entries, EntrySequence):
            return frozenset(self.entries.sample_ids)
        return frozenset(entry.sample_id for entry in self.entries)


def read_manifest(blobs: BlobStore, digest: str, *, name: str | None = None) -> dict[str, Any]:
    """The manifest behind a digest, of any format, with ``parents``, ``scheme`` and ``overrides``.

    Args:
        name: the dataset that it must be of; None takes any.
    Raises: NotFound: no such blob. IntegrityError: damaged, or no manifest.
    """
    try:
        data = blobs.get(digest)
    except IntegrityError as error:
        raise IntegrityError(
            f"the stored bytes of {digest}, a version of the dataset {name or 'named'!r}, are damaged",
            hint="Delete that blob and pull from a remote that has it, or restore it from a backup.",
            digest=digest,
        ) from error
    try:
        manifest: dict[str, Any] = json.loads(data)
        right = manifest.get("format") in (1, FORMAT) and name in (None, manifest.get("name"))
    except (ValueError, AttributeError):
        right = False
    if not right:
        raise IntegrityError(
            f"{digest} is no version of the dataset {name or 'named'!r} that this EcoSight can read",
            hint="A newer EcoSight may have made it.",
        )
    manifest.setdefault("parents", [manifest["parent"]] if manifest["parent"] else [])
    manifest.setdefault("scheme", dict(STRATIFIED))
    manifest.setdefault("overrides", [])
    manifest.setdefault("removed", None)
    return manifest


def summary_of(digest: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a ``VersionSummary``."""
    return {
        "ref": DatasetRef(name=manifest["name"], version=manifest["version"], digest=digest),
        "parent": manifest["parent"],
        "parents": tuple(manifest["parents"]),
        "message": manifest["message"],
        "created_at": datetime.fromisoformat(manifest["created_at"]),
        "class_counts": manifest["class_counts"],
        "part_counts": {part: manifest["part_counts"][part] for part in PARTS},
        "ratios": {part: manifest["ratios"][part] for part in PARTS},
        "seed": manifest["seed"],
        "scheme": manifest["scheme"],
        "overrides": tuple(Override(**each) for each in manifest["overrides"]),
    }


def told(overrides: Sequence[Override]) -> list[dict[str, Any]]:
    """Overrides as JSON."""
    return [asdict(each) for each in overrides]
