"""Reads ESC-50 and UrbanSound8K as they are published: one CSV of clips, folds, and the recordings they come from.

The group is the number of the recording on freesound, which both use: a recording that is in both stays together.
Source: Piczak (2015), "ESC: Dataset for Environmental Sound Classification"; Salamon, Jacoby, Bello (2014), "A
Dataset and Taxonomy for Urban Sound Research".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dataset.readers.rows import table_row
from dataset.readers.source import Source
from dataset.readers.tables import columns_of, table_rows
from dataset.readers.values import Found, ReadOptions, Skipped
from ecosight.errors import InvalidInput

__all__ = ["ESC50", "URBANSOUND8K", "ClipTable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipTable:
    """A published table of clips.

    Attributes:
        file, label, group: the columns. marks: further columns that tell this table from others.
        folder: where a clip lies, with its fold; relative to the folder above the table's.
    """

    name: str
    file: str
    label: str
    group: str
    marks: tuple[str, ...]
    folder: str
    fallback: bool = False

    def recognises(self, source: Source) -> bool:
        return bool(self._tables(source))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Found | Skipped]:
        del options
        for table in self._tables(source) or source.notes(".csv"):
            for line, cells in table_rows(table, (self.file, self.label, self.group, "fold")):
                yield table_row(table, line, cells, lambda c=cells: self._found(source, c))  # type: ignore[misc]

    def _found(self, source: Source, cells: dict[str, str]) -> Found:
        if not cells["fold"].isdecimal():
            raise InvalidInput(f"the fold {cells['fold'][:20]!r} is no number")
        path = source.find(cells[self.file], near=[source.root / self.folder.format(fold=cells["fold"])])
        return Found(path=path, label=cells[self.label], group=cells[self.group], fold=cells["fold"])

    def _tables(self, source: Source) -> list[Path]:
        needed = {self.file, self.label, self.group, "fold", *self.marks}
        return [
            path for path in source.notes(".csv") if needed <= set(columns_of(source.head(path).partition("\n")[0]))
        ]


ESC50 = ClipTable(
    name="esc-50", file="filename", label="category", group="src_file", marks=("target", "take"), folder="audio"
)
URBANSOUND8K = ClipTable(
    name="urbansound8k",
    file="slice_file_name",
    label="class",
    group="fsID",
    marks=("classID", "salience"),
    folder="audio/fold{fold}",
)
