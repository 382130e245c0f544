"""Reads Raven's selection tables: tab-separated, one sound event a line, as Raven, BirdNET and others write them.

Source: Cornell Lab, "Raven Pro User's Manual", chapter "Saving and retrieving selection tables".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dataset.readers.json_text import number
from dataset.readers.rows import table_row
from dataset.readers.source import Source
from dataset.readers.tables import columns_of, table_rows
from dataset.readers.values import Found, ReadOptions, Skipped, Span
from ecosight.errors import InvalidInput

__all__ = ["RAVEN", "Raven"]

_START, _END, _OFFSET = "Begin Time (s)", "End Time (s)", "File Offset (s)"
_OWN = (_START, _END, _OFFSET, "Selection", "Begin File", "Begin Path", "Low Freq (Hz)", "High Freq (Hz)")
_LABELS = (
    "annotation",
    "label",
    "species",
    "common name",
    "class",
    "species code",
    "call type",
    "call",
    "tags",
    "sound type",
)
"""Columns that usually hold the label; the first of these that a table has is taken."""
_MEASURED = re.compile(
    r"\(|^(selection|view|channel|begin|end|low|high|delta|peak|confidence|rank|score|notes?|comments?)\b",
    re.IGNORECASE,
)
"""Columns of Raven's own, and measurements (they give their unit in brackets): no labels."""
_TABLE_NAME = re.compile(
    r"(\.table\.\d+)?(\.birdnet)?(\.selections?(\.table)?)?(\.table\.\d+)?(\.results)?$", re.IGNORECASE
)


class Raven:
    """One sample a selection; the sound file is the one that the row names, or else that of the table's name."""

    name = "raven"
    fallback = False

    def recognises(self, source: Source) -> bool:
        return bool(self._tables(source))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Found | Skipped]:
        for table in self._tables(source) or source.notes(".txt", ".tsv", ".csv"):
            header = columns_of(source.head(table).partition("\n")[0], "\t")
            label = _label_column(table, header, options.label_column)
            spelt = {name.lower(): name for name in reversed(header)}
            needed = [spelt.get(name.lower(), name) for name in (_START, _END)]
            rows = [(line, _as_raven(cells)) for line, cells in table_rows(table, (*needed, label), delimiter="\t")]
            _check_offsets(table, [cells for _, cells in rows])
            seen: set[tuple[str, ...]] = set()
            for line, cells in rows:
                # Raven writes each selection once for every view that it is shown in.
                mark = tuple(cells.get(name, "") for name in ("Selection", "Begin File", _START, _END, label))
                if mark not in seen:
                    seen.add(mark)
                    yield table_row(table, line, cells, lambda c=cells, t=table, n=label: _found(source, t, c, n))  # type: ignore[misc]

    def _tables(self, source: Source) -> list[Path]:
        return [path for path in source.notes(".txt", ".tsv", ".csv") if _is_table(source.head(path))]


RAVEN = Raven()


def _is_table(head: str) -> bool:
    names = {name.lower() for name in columns_of(head.partition("\n")[0], "\t")}
    return {_START.lower(), _END.lower()} <= names


def _as_raven(cells: Mapping[str, str]) -> dict[str, str]:
    """With Raven's own columns as Raven spells them, beside what the table calls them."""
    spelt = {name.lower(): name for name in _OWN}
    return {**cells, **{spelt[name.lower()]: told for name, told in cells.items() if name.lower() in spelt}}


def _check_offsets(table: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Opened one behind the other, files share one time; only the offset tells where an event is in its own."""
    files = {cells.get("Begin File", "") for cells in rows if not cells.get(_OFFSET)} - {""}
    if len(files) > 1:
        raise InvalidInput(
            f"{table.name} names {len(files)} sound files, and no {_OFFSET!r} in each",
            hint="Add the measurement `File Offset (s)` in Raven, or save a table for each file.",
        )


def _label_column(table: Path, header: Sequence[str], told: str) -> str:
    if told:
        return told  # that it is there is checked with the other columns
    by_name = {name.lower(): name for name in reversed(header)}
    if known := next((by_name[name] for name in _LABELS if name in by_name), None):
        return known
    open_to_be = [name for name in header if name and not _MEASURED.search(name)]
    if len(open_to_be) == 1:
        return open_to_be[0]
    raise InvalidInput(
        f"{table.name} does not tell which column holds the label (it has: {', '.join(header)})",
        hint="Name it: --label-column 'NAME'.",
    )


def _found(source: Source, table: Path, cells: Mapping[str, str], label: str) -> Found:
    start, end = number(cells[_START] or None, _START), number(cells[_END] or None, _END)
    if cells.get(_OFFSET):  # the times count from the first of several files then, the offset from this one
        offset = number(cells[_OFFSET], _OFFSET)
        start, end = offset, offset + (end - start)
    low, high = (
        number(told, name) if (told := cells.get(name)) else None for name in ("Low Freq (Hz)", "High Freq (Hz)")
    )
    if not cells[label]:
        raise InvalidInput(f"the column {label!r} is empty")
    named = cells.get("Begin File") or cells.get("Begin Path")
    path = source.find(named, near=[table.parent]) if named else _beside(source, table)
    return Found(path=path, label=cells[label], span=Span(start_s=start, end_s=end, low_hz=low, high_hz=high))


def _beside(source: Source, table: Path) -> Path:
    stem = _TABLE_NAME.sub("", table.stem)
    path = source.beside(table, stem)
    if path is None:
        raise InvalidInput(
            f"neither the row nor the table's name tells the sound file (no single file {stem[:80]!r} near it)"
        )
    return path
