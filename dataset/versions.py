"""Owns dataset versions: immutable, each the child of those before it, found through refs that move atomically.

In the blob store lie the rows (packs of Parquet and their indexes) and the manifest (JSON) that names them by digest.
Contents go first, then the manifest, then the branch's ref moves by compare-and-set. A crash leaves blobs that nobody
refers to; a lost race is run again on the new head.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dataset.changes import changes_from_samples, station_of
from dataset.entries import Entry
from dataset.lines.branches import MAIN, BranchBook
from dataset.lines.history import ancestors
from dataset.lines.naming import VersionNames
from dataset.lines.tags import TagBook
from dataset.parting.copies import NearDuplicates, looker, nobody_looks
from dataset.parting.guards import allowed, checked_overrides, newly_broken
from dataset.parting.settling import Settled, settle
from dataset.splitting import DatasetSplitter
from dataset.storing.blob_files import FreshBlobs
from dataset.storing.manifests import DatasetVersion, VersionSummary, summary_of
from dataset.storing.rows import hex_of, keys_of, keys_of_hex
from dataset.storing.snapshots import SnapshotStore
from ecosight.clock import iso
from ecosight.errors import NotEnoughData
from ecosight.values import Sample

if TYPE_CHECKING:
    import pyarrow as pa

    from dataset.changes import StationOf
    from ecosight.ports import BlobStore, Clock, RefStore

__all__ = ["DatasetRepository", "DatasetVersion", "Entry", "VersionSummary"]


class DatasetRepository:
    """All versions of one dataset. Thread-safe; several processes may commit at once and lose nothing.

    Args:
        name: names the dataset in its refs.
        ratios, seed: how groups that are new are split. Changing them never moves a group that has its part.
        near_duplicates: tells which of the new samples nearly equal others; they are put on one side. Where nobody
            looks, the version says so.
        station: the place that a sample comes from.
    """

    def __init__(
        self,
        blobs: BlobStore,
        refs: RefStore,
        *,
        name: str,
        ratios: Mapping[str, float],
        seed: int,
        clock: Clock,
        near_duplicates: NearDuplicates = nobody_looks,
        station: StationOf = station_of,
    ) -> None:
        self.name = name
        # Whoever refers to a blob that was there already must make it young: a collector may be at work.
        self.blobs: BlobStore = blobs if isinstance(blobs, FreshBlobs) else FreshBlobs(blobs)
        self.refs, self.clock = refs, clock
        self.splitter = DatasetSplitter(ratios, seed)
        self.near_duplicates, self.station = near_duplicates, station
        self.snapshots = SnapshotStore(self.blobs, name=name, clock=clock)
        self.branches = BranchBook(refs, dataset=name)
        self.tags = TagBook(self.blobs, refs, dataset=name, clock=clock)
        self._names = VersionNames(self.snapshots, self.branches, self.tags)

    @property
    def ratios(self) -> Mapping[str, float]:
        return self.splitter.ratios

    @property
    def head_ref(self) -> str:
        return self.branches.ref(MAIN)

    def head(self, branch: str = MAIN) -> DatasetVersion | None:
        """The newest version; None before the first commit."""
        digest = self.branches.get(branch)
        return None if digest is None else self._version(digest, branch)

    def get(self, version: int | str | None = None) -> DatasetVersion:
        """One version.

        Args:
            version: None for the newest; a number; ``v3``; ``NAME@v3``; a version's digest, or its first eight
                digits or more; a branch; a tag; ``night:v3`` for the third version of the branch night;
                ``v3~2`` for two before it.
        Raises: NotFound: there is no such version. IntegrityError: its bytes were changed.
        """
        return self._version(self.resolve(version))

    def summary(self, version: int | str | None = None) -> VersionSummary:
        """A version without its entries; see ``get``."""
        digest = self.resolve(version)
        found = VersionSummary(**summary_of(digest, self.snapshots.manifest(digest)))
        return replace(found, ref=self._names.called([found.ref])[digest])

    def resolve(self, version: int | str | None = None) -> str:
        """The digest of a version, named as for ``get``. Raises: as ``get``. Conflict: it begins several digests."""
        return self._names.resolve(version)

    def shown(self, *versions: VersionSummary, branch: str = MAIN) -> dict[str, str]:
        """Digest -> how to print a version so that ``get`` finds it: ``main@v3``, ``night:v3``, or its first digits.

        Args:
            branch: the one that is spoken of, where a version is on several.
        """
        return self._names.shown([each.ref for each in versions], branch)

    def is_held(self, digest: str) -> bool:
        """Whether a branch or a tag leads to a version, so that a collection keeps it."""
        return self._names.is_held(digest)

    def labels(self, sample_ids: Iterable[str], branch: str = MAIN) -> dict[str, str]:
        """Sample id -> label in a branch's newest version, of those that it holds."""
        found = self.snapshots.load(self.branches.get(branch)).entries.lookup(keys_of_hex(sample_ids))
        return dict(zip(hex_of(keys_of(found)), found.column("label").to_pylist(), strict=True))

    def log(self, branch: str = MAIN) -> list[VersionSummary]:
        """All versions that a branch grew from, without their entries, newest first."""
        digest = self.branches.get(branch)
        walk = ancestors([digest] if digest else [], self.snapshots.manifest)
        found = [VersionSummary(**summary_of(each, manifest)) for each, manifest in walk]
        called = self._names.called([each.ref for each in found], branch)
        return [replace(each, ref=called[each.ref.digest]) for each in found]

    def commit(self, samples: Iterable[Sample], *, message: str) -> DatasetVersion:
        """The version that holds the newest one's samples and these; see ``extend``."""
        return self.extend(samples, message=message)[0]

    def extend(
        self,
        samples: Iterable[Sample],
        *,
        message: str,
        ratios: Mapping[str, float] | None = None,
        branch: str = MAIN,
        overrides: Mapping[str, str] | None = None,
    ) -> tuple[DatasetVersion, bool]:
        """Commit a version with the newest one's samples and these; or none, if that would be the same.

        Groups that ever had a part keep it. A sample that is there already keeps its group; its label
        becomes the given one, in the new version only. Samples that were removed on purpose stay away.

        Args:
            samples: labelled; their bytes lie in the blob store.
            ratios: target shares for the groups that are new, if not those of the repository.
            overrides: rule -> reason, where something may be on two sides; see ``dataset.parting.guards``.
        Returns: the version, and whether it was made by this call.
        Raises: InvalidInput: a sample without a label. NotEnoughData: there is nothing at all to commit.
            Refused: something would be on two sides. NotFound: there is no such branch.
        """
        changes = changes_from_samples(samples, station=self.station)
        return self.commit_changes(changes, message=message, ratios=ratios, branch=branch, overrides=overrides)

    def commit_changes(
        self,
        changes: pa.Table,
        *,
        message: str,
        ratios: Mapping[str, float] | None = None,
        branch: str = MAIN,
        overrides: Mapping[str, str] | None = None,
    ) -> tuple[DatasetVersion, bool]:
        """``extend`` for any changes; see ``dataset.changes``. Raises: as ``extend``, and NotFound."""
        given = checked_overrides(overrides)
        splitter = self.splitter if ratios is None else DatasetSplitter(ratios, self.splitter.seed)
        while True:
            self.branches.require(branch)
            expected = self.branches.get(branch)
            settled = self.settled(expected, changes, splitter, given)
            if expected is not None and not settled.changed:
                return self._version(expected, branch), False
            _check_some(settled)
            parents = [] if expected is None else [expected]
            digest = self.store(settled, parents=parents, message=message, given=given, splitter=splitter)
            if self.branches.move(branch, expected, digest):
                return self._version(digest, branch), True
            # Another writer was first: what it committed is part of the next try.

    def rehearse(
        self,
        changes: pa.Table,
        *,
        ratios: Mapping[str, float] | None = None,
        branch: str = MAIN,
        overrides: Mapping[str, str] | None = None,
    ) -> Settled:
        """What ``commit_changes`` would hold now. Writes nothing. Raises: as ``commit_changes``."""
        given = checked_overrides(overrides)
        splitter = self.splitter if ratios is None else DatasetSplitter(ratios, self.splitter.seed)
        self.branches.require(branch)
        base = self.branches.get(branch)
        settled = self.settled(base, changes, splitter, given)
        if base is None or settled.changed:
            _check_some(settled)
            self.check(settled, given)
        return settled

    def check(self, settled: Settled, given: Mapping[str, str]) -> None:
        """Whether ``store`` would take it with these overrides. Writes nothing. Raises: Refused: it would not."""
        newly_broken(settled.violations, before=settled.snapshot.overrides, given=given, blobs=self.blobs)

    def settled(
        self,
        base: str | None,
        changes: pa.Table,
        splitter: DatasetSplitter | None = None,
        given: Mapping[str, str] | None = None,
    ) -> Settled:
        """What a commit of these changes on a version would hold, with these overrides. Writes nothing."""
        return settle(
            self.snapshots.load(base),
            changes,
            splitter=splitter or self.splitter,
            now=self.clock.now(),
            near_duplicates=looker(self.near_duplicates, given or {}),
        )

    def store(
        self,
        settled: Settled,
        *,
        parents: list[str],
        message: str,
        given: Mapping[str, str],
        splitter: DatasetSplitter | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """Write a version, and move no ref. Returns its digest. Raises: Refused: something is on two sides."""
        chosen = splitter or self.splitter
        number = 1 + max((self.snapshots.manifest(parent)["version"] for parent in parents), default=0)
        overrides = allowed(
            settled.violations,
            before=settled.snapshot.overrides,
            given=given,
            number=number,
            made_at=iso(self.clock.now()),
            blobs=self.blobs,
        )
        return self.snapshots.write(
            replace(settled.snapshot, overrides=overrides),
            parents=parents,
            number=number,
            message=message,
            ratios=chosen.ratios,
            seed=chosen.seed,
            more=more,
        )

    def _version(self, digest: str, branch: str = MAIN) -> DatasetVersion:
        """A version that is called by a name which finds it; of several branches that hold it, by main or this one."""
        found = self.snapshots.version(digest)
        return replace(found, ref=self._names.called([found.ref], branch)[digest])


def _check_some(settled: Settled) -> None:
    if len(settled.snapshot.entries) == 0:
        raise NotEnoughData("there are no labelled samples to commit", hint="Ingest or upload some first.")
