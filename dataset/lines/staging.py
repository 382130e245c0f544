"""Owns what was added but not committed yet: one list of changes for each branch, which survives the process.

The ref ``dataset/NAME/stage/BRANCH`` points to a Parquet blob of changes, and moves by compare-and-set, so that two
people who add at once lose nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataset.changes import change_schema, joined, no_changes
from dataset.lines.branches import MAIN, NOWHERE
from dataset.storing.manifests import DatasetVersion
from dataset.storing.packs import decode_table, encode_table
from dataset.storing.rows import hex_of, keys_of, rows_at
from ecosight.errors import NotEnoughData

if TYPE_CHECKING:
    import pyarrow as pa

    from dataset.versions import DatasetRepository

__all__ = ["Stage", "StagedCounts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedCounts:
    """What a commit would do: samples that are new, that get another label (or part), and that go."""

    added: int
    changed: int
    removed: int

    def as_dict(self) -> dict[str, int]:
        return {"added": self.added, "changed": self.changed, "removed": self.removed}


class Stage:
    """The uncommitted changes of a dataset. Thread-safe, and safe across processes."""

    def __init__(self, repository: DatasetRepository) -> None:
        self._repository = repository

    def changes(self, branch: str = MAIN) -> pa.Table:
        return self._read(self._repository.refs.get(self._ref(branch)))

    def labels(self, sample_ids: Sequence[str], branch: str = MAIN) -> dict[str, str]:
        """Sample id -> the label that it would have if this were committed, of those that would be there."""
        labels, changes = self._repository.labels(sample_ids, branch), self.changes(branch)
        asked = set(sample_ids)
        ids, actions, given = hex_of(keys_of(changes)), changes.column("action"), changes.column("label")
        for sample_id, action, label in zip(ids, actions.to_pylist(), given.to_pylist(), strict=True):
            if action == "remove":
                labels.pop(sample_id, None)
            elif label is not None and sample_id in asked:
                labels[sample_id] = label
        return labels

    def add(self, changes: pa.Table, branch: str = MAIN) -> None:
        """Add changes after those that are staged. Raises: NotFound: there is no such branch."""
        self._repository.branches.require(branch)
        refs, name = self._repository.refs, self._ref(branch)
        while True:
            expected = refs.get(name)
            record = self._repository.blobs.put(encode_table(joined([self._read(expected), changes])))
            if refs.compare_and_set(name, expected, record):
                return

    def clear(self, branch: str = MAIN) -> None:
        """Forget what is staged."""
        refs, name = self._repository.refs, self._ref(branch)
        while (expected := refs.get(name)) not in (None, NOWHERE):
            refs.compare_and_set(name, expected, NOWHERE)

    def counts(self, branch: str = MAIN) -> StagedCounts:
        """Against the branch's newest version. Reads the chunks that the changes touch."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        changes = self.changes(branch)
        if len(changes) == 0:
            return StagedCounts(added=0, changed=0, removed=0)
        base = self._repository.snapshots.load(self._repository.branches.get(branch))
        found = base.entries.lookup(keys_of(changes))
        at = rows_at(keys_of(found), keys_of(changes))
        there, gone = at >= 0, pc.equal(changes.column("action"), "remove").to_numpy()
        before, other = found.take(pa.array(at, mask=~there)), np.zeros(len(changes), bool)
        for name in ("label", "part", "annotators"):  # an empty field means: as it is
            differs = pc.not_equal(changes.column(name), before.column(name))
            other |= pc.fill_null(differs, False).to_numpy(zero_copy_only=False)
        return StagedCounts(
            added=int((~there & ~gone).sum()),
            changed=int((there & ~gone & other).sum()),
            removed=int((there & gone).sum()),
        )

    def commit(
        self,
        *,
        message: str,
        branch: str = MAIN,
        overrides: Mapping[str, str] | None = None,
        ratios: Mapping[str, float] | None = None,
        also: pa.Table | None = None,
    ) -> tuple[DatasetVersion, bool]:
        """Commit what is staged, and ``also`` that. What is staged meanwhile stays for the next commit.

        Returns: as ``DatasetRepository.extend``. Raises: NotEnoughData: nothing is staged. As ``commit_changes``.
        """
        refs, name = self._repository.refs, self._ref(branch)
        record = refs.get(name)
        changes = self._with(also, record)
        done = self._repository.commit_changes(
            changes, message=message, branch=branch, overrides=overrides, ratios=ratios
        )
        # Killed here, the same changes are staged still; committing them again makes no version.
        if record not in (None, NOWHERE) and not refs.compare_and_set(name, record, NOWHERE):
            self._drop(changes, name)
        return done

    def rehearse(
        self,
        *,
        branch: str = MAIN,
        overrides: Mapping[str, str] | None = None,
        ratios: Mapping[str, float] | None = None,
        also: pa.Table | None = None,
    ) -> None:
        """See whether ``commit`` would be refused. Writes nothing. Raises: as ``commit``."""
        changes = self._with(also, self._repository.refs.get(self._ref(branch)))
        self._repository.rehearse(changes, branch=branch, overrides=overrides, ratios=ratios)

    def _with(self, also: pa.Table | None, record: str | None) -> pa.Table:
        """All that a commit takes. Raises: NotEnoughData: nothing."""
        changes = self._read(record)
        if also is not None:
            changes = joined([also, changes])
        if len(changes) == 0:
            raise NotEnoughData(
                "nothing is staged", hint="`ecosight dataset add` stages files; `commit --all` takes every upload too."
            )
        return changes

    def _drop(self, done: pa.Table, name: str) -> None:
        """Others staged more while this was committed: theirs stay, what is committed is dropped."""
        refs = self._repository.refs
        while (expected := refs.get(name)) not in (None, NOWHERE):
            now = self._read(expected)
            at = rows_at(keys_of(done), keys_of(now))
            rest = now.filter([row < 0 or _row(now, place) != _row(done, row) for place, row in enumerate(at.tolist())])
            record = self._repository.blobs.put(encode_table(rest)) if len(rest) else NOWHERE
            if refs.compare_and_set(name, expected, record):
                return

    def _read(self, record: str | None) -> pa.Table:
        if record in (None, NOWHERE):
            return no_changes()
        return decode_table(self._repository.blobs.get(str(record))).cast(change_schema())

    def _ref(self, branch: str) -> str:
        self._repository.branches.ref(branch)  # a fit name
        return f"dataset/{self._repository.name}/stage/{branch}"


def _row(table: pa.Table, row: int) -> dict[str, Any]:
    found: dict[str, Any] = table.slice(row, 1).to_pylist()[0]
    return found
