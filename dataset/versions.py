"""Owns dataset versions: immutable, each the child of one before it, found through one ref that moves atomically.

In the blob store lie the entries (Parquet), the parts of all groups ever assigned (Parquet), and the manifest
(JSON) that names both by digest. Contents go first, then the manifest, then the ref ``dataset/NAME/head`` moves by
compare-and-set. A crash leaves blobs that nobody refers to; a lost race is run again on the new head.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dataset.entries import Entry, decode_entries, decode_groups, encode_entries, encode_groups
from dataset.splitting import PARTS, DatasetSplitter
from dataset.tags import TagBook
from ecosight.clock import iso
from ecosight.errors import IntegrityError, InvalidInput, NotEnoughData, NotFound
from ecosight.values import DatasetRef, Sample

if TYPE_CHECKING:
    from ecosight.ports import BlobStore, Clock, RefStore

__all__ = ["DatasetRepository", "DatasetVersion", "Entry", "VersionSummary"]

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSummary:
    """A dataset version without its entries.

    Attributes:
        ref: name, number, and the digest of the manifest, which pins every byte of the version.
        parent: digest of the version before it, or None.
        class_counts: label -> samples. part_counts: part -> samples.
        ratios, seed: what the splitter was asked for when this version was made.
    """

    ref: DatasetRef
    parent: str | None
    message: str
    created_at: datetime
    class_counts: Mapping[str, int]
    part_counts: Mapping[str, int]
    ratios: Mapping[str, float]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion(VersionSummary):
    """One immutable dataset version; its entries are in order of the sample id."""

    entries: tuple[Entry, ...]

    def part(self, name: str) -> list[Entry]:
        """The entries of ``train``, ``val`` or ``test``. Raises: NotFound: there is no such part."""
        if name not in PARTS:
            raise NotFound(f"a dataset has no part {name!r}", hint=f"Parts are {', '.join(PARTS)}.")
        return [entry for entry in self.entries if entry.part == name]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(sorted(self.class_counts))

    @property
    def sample_ids(self) -> frozenset[str]:
        return frozenset(entry.sample_id for entry in self.entries)


class DatasetRepository:
    """All versions of one dataset. Thread-safe; several processes may commit at once and lose nothing.

    Args:
        name: names the dataset in its refs.
        ratios, seed: how groups that are new are split. Changing them never moves a group that has its part.
    """

    def __init__(
        self, blobs: BlobStore, refs: RefStore, *, name: str, ratios: Mapping[str, float], seed: int, clock: Clock
    ) -> None:
        self.name = name
        self._blobs, self._refs, self._clock = blobs, refs, clock
        self._splitter = DatasetSplitter(ratios, seed)
        self.tags = TagBook(blobs, refs, dataset=name, clock=clock)

    @property
    def ratios(self) -> Mapping[str, float]:
        return self._splitter.ratios

    @property
    def head_ref(self) -> str:
        return f"dataset/{self.name}/head"

    def head(self) -> DatasetVersion | None:
        """The newest version; None before the first commit."""
        digest = self._refs.get(self.head_ref)
        return None if digest is None else self._load(digest)

    def get(self, version: int | str | None = None) -> DatasetVersion:
        """One version.

        Args:
            version: None for the newest; a number; ``v3``; ``NAME@v3``; a version's digest; or a tag.
        Raises: NotFound: there is no such version. IntegrityError: its bytes were changed.
        """
        return self._load(self.resolve(version))

    def resolve(self, version: int | str | None = None) -> str:
        """The digest of a version, named as for ``get``."""
        head = self._refs.get(self.head_ref)
        if head is None:
            raise NotFound(f"the dataset {self.name!r} has no version yet", hint="`ecosight ingest FOLDER` makes one.")
        wanted = str(version if version is not None else "head").removeprefix(f"{self.name}@")
        if wanted in ("head", "latest"):
            return head
        tag = self.tags.get(wanted)
        if tag is not None and tag.version is not None:
            return tag.version
        number = re.fullmatch(r"v?(\d+)", wanted)
        digest: str | None = head
        while digest is not None:
            manifest = self._manifest(digest)
            if digest == wanted or (number and manifest["version"] == int(number[1])):
                return digest
            digest = manifest["parent"]
        if tag is not None:
            raise NotFound(f"{wanted!r} holds no samples yet", hint="Add some to it first.")
        newest = self._manifest(head)["version"]
        raise NotFound(
            f"the dataset {self.name!r} has no version {version!r}",
            hint=f"The newest is {self.name}@v{newest}; `ecosight dataset log` lists all.",
        )

    def log(self) -> list[VersionSummary]:
        """All versions without their entries, newest first."""
        found, digest = [], self._refs.get(self.head_ref)
        while digest is not None:
            manifest = self._manifest(digest)
            found.append(VersionSummary(**_summary(digest, manifest)))
            digest = manifest["parent"]
        return found

    def commit(self, samples: Iterable[Sample], *, message: str) -> DatasetVersion:
        """The version that holds the newest one's samples and these; see ``extend``."""
        return self.extend(samples, message=message)[0]

    def extend(
        self, samples: Iterable[Sample], *, message: str, ratios: Mapping[str, float] | None = None
    ) -> tuple[DatasetVersion, bool]:
        """Commit a version with the newest one's samples and these; or none, if that would be the same.

        Groups that ever had a part keep it. A sample that is there already keeps its group; its label
        becomes the given one, in the new version only.

        Args:
            samples: labelled; their bytes lie in the blob store.
            ratios: target shares for the groups that are new, if not those of the repository.
        Returns: the version, and whether it was made by this call.
        Raises: InvalidInput: a sample without a label. NotEnoughData: there is nothing at all to commit.
        """
        given = {sample.id: sample for sample in samples}
        if unlabelled := [sample for sample in given.values() if sample.label is None]:
            raise InvalidInput(f"{len(unlabelled)} samples have no label", hint="Only labelled samples are versioned.")
        splitter = self._splitter if ratios is None else DatasetSplitter(ratios, self._splitter.seed)
        while True:
            expected = self._refs.get(self.head_ref)
            head = None if expected is None else self._load(expected)
            entries, groups = self._merge(expected, head, given, splitter)
            if head is not None and entries == head.entries:
                return head, False
            if not entries:
                raise NotEnoughData("there are no labelled samples to commit", hint="Ingest or upload some first.")
            digest = self._write(head, entries, groups, message, splitter)
            if self._refs.compare_and_set(self.head_ref, expected, digest):
                return self._load(digest), True
            # Another writer was first: what it committed is part of the next try.

    def _merge(
        self,
        digest: str | None,
        head: DatasetVersion | None,
        given: Mapping[str, Sample],
        splitter: DatasetSplitter,
    ) -> tuple[tuple[Entry, ...], dict[str, str]]:
        """Entries of the union, in order of the sample id, and the part of every group ever assigned."""
        old = {entry.sample_id: entry for entry in head.entries} if head else {}
        fixed = decode_groups(self._blobs.get(self._manifest(digest)["groups"])) if digest else {}
        rows = {id: (entry.label, entry.group, entry.source, entry.size_bytes) for id, entry in old.items()}
        for id, sample in given.items():
            group = old[id].group if id in old else sample.group
            rows[id] = (str(sample.label), group, sample.source, sample.size_bytes)
        counts: dict[str, Counter[str]] = {}
        for label, group, _, _ in rows.values():
            counts.setdefault(group, Counter())[label] += 1
        parts = fixed | splitter.assign(counts, fixed)
        entries = tuple(
            Entry(sample_id=id, label=label, group=group, part=parts[group], source=source, size_bytes=size)
            for id, (label, group, source, size) in sorted(rows.items())
        )
        return entries, parts

    def _write(
        self,
        head: DatasetVersion | None,
        entries: tuple[Entry, ...],
        groups: Mapping[str, str],
        message: str,
        splitter: DatasetSplitter,
    ) -> str:
        manifest = {
            "format": _FORMAT,
            "name": self.name,
            "version": head.ref.version + 1 if head else 1,
            "parent": head.ref.digest if head else None,
            "message": message,
            "created_at": iso(self._clock.now()),
            "class_counts": _class_counts(entries),
            "part_counts": _part_counts(entries),
            "ratios": splitter.ratios,
            "seed": splitter.seed,
            "entries": self._blobs.put(encode_entries(entries)),
            "groups": self._blobs.put(encode_groups(groups)),
        }
        return self._blobs.put(json.dumps(manifest, indent=1, sort_keys=True).encode())

    def _load(self, digest: str) -> DatasetVersion:
        manifest = self._manifest(digest)
        entries = decode_entries(self._blobs.get(manifest["entries"]))
        if _class_counts(entries) != manifest["class_counts"]:
            raise IntegrityError(f"the dataset version {digest} does not hold what its manifest says")
        return DatasetVersion(**_summary(digest, manifest), entries=entries)

    def _manifest(self, digest: str) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads(self._blobs.get(digest))
        if manifest.get("format") != _FORMAT or manifest.get("name") != self.name:
            raise IntegrityError(
                f"{digest} is no version of the dataset {self.name!r} that this EcoSight can read",
                hint="A newer EcoSight may have made it.",
            )
        return manifest


def _summary(digest: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ref": DatasetRef(name=manifest["name"], version=manifest["version"], digest=digest),
        "parent": manifest["parent"],
        "message": manifest["message"],
        "created_at": datetime.fromisoformat(manifest["created_at"]),
        "class_counts": manifest["class_counts"],
        "part_counts": {part: manifest["part_counts"][part] for part in PARTS},
        "ratios": {part: manifest["ratios"][part] for part in PARTS},
        "seed": manifest["seed"],
    }


def _class_counts(entries: Iterable[Entry]) -> dict[str, int]:
    return dict(sorted(Counter(entry.label for entry in entries).items()))


def _part_counts(entries: Iterable[Entry]) -> dict[str, int]:
    counts = Counter(entry.part for entry in entries)
    return {part: counts[part] for part in PARTS}
