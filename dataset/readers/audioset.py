"""Reads AudioSet's segment tables: ``YTID, start_seconds, end_seconds, positive_labels`` below a commented header.

The labels are ontology ids; ``class_labels_indices.csv`` or ``ontology.json`` beside the table names them.
Source: Gemmeke et al. (2017), "Audio Set: An ontology and human-labeled dataset for audio events".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from dataset.readers.json_text import listed, load_json, mapped, number
from dataset.readers.rows import table_row
from dataset.readers.source import Source
from dataset.readers.tables import columns_of, table_rows
from dataset.readers.values import Found, ReadOptions, Skipped, Span
from ecosight.errors import InvalidInput

__all__ = ["AUDIOSET", "AudioSet"]

_COLUMNS = ("YTID", "start_seconds", "end_seconds", "positive_labels")


class AudioSet:
    """Files are named by the id, as ``ID.wav`` or ``YID.wav``: the whole soundtrack, or the one clip; or by id and
    start (``ID_30.wav``, ``ID_30000.wav``, ``ID_30.000_40.000.wav``), as the clip alone. The group is the id, the fold
    the table's name (eval_segments)."""

    name = "audioset"
    fallback = False

    def recognises(self, source: Source) -> bool:
        return bool(self._tables(source))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Found | Skipped]:
        del options
        names = _names(source)
        for table in self._tables(source) or source.notes(".csv"):
            for line, cells in table_rows(table, (), columns=_COLUMNS):
                yield table_row(table, line, cells, lambda c=cells, t=table: _found(source, c, names, t.stem))  # type: ignore[misc]

    def _tables(self, source: Source) -> list[Path]:
        return [path for path in source.notes(".csv") if _is_table(source.head(path))]


AUDIOSET = AudioSet()


def _is_table(head: str) -> bool:
    comments = [line.lstrip("# ") for line in head.splitlines() if line.startswith("#")]
    return any(columns_of(line)[:1] == ["YTID"] for line in comments)


def _found(source: Source, cells: Mapping[str, str], names: Mapping[str, str], fold: str) -> Found:
    start, end = (number(cells[name] or None, name) for name in _COLUMNS[1:3])
    span = Span(start_s=start, end_s=end, maybe_cut=True)
    ids = [each.strip() for each in cells["positive_labels"].split(",") if each.strip()]
    if not ids:
        raise InvalidInput("there is no label")
    if unknown := [each for each in ids if names and each not in names]:
        raise InvalidInput(f"the ontology has no class {unknown[0][:40]!r}")
    if not names and ids[0].startswith("/"):
        raise InvalidInput("nothing names the ontology's ids; put class_labels_indices.csv beside the table")
    label, *others = [names.get(each, each) for each in ids]
    path, is_clip = _path(source, cells["YTID"], span)
    return Found(
        path=path,
        label=label,
        others=tuple(others),
        group=cells["YTID"],
        fold=fold,
        span=None if is_clip else span,
    )


def _path(source: Source, ytid: str, span: Span) -> tuple[Path, bool]:
    """The file, and whether its name says that it is this clip alone."""
    if not ytid or "/" in ytid or "\\" in ytid:
        raise InvalidInput(f"{ytid[:40]!r} is no id")
    s, e = span.start_s, span.end_s
    clips = [f"_{s:.3f}_{e:.3f}", f"_{s:g}_{e:g}", f"_{s * 1000:.0f}_{e * 1000:.0f}", f"_{s * 1000:.0f}", f"_{s:g}"]
    for name, is_clip in [*((ytid + clip, True) for clip in clips), (ytid, False), ("Y" + ytid, False)]:
        if (path := source.stemmed(name)) is not None:
            return path, is_clip
    raise InvalidInput(f"there is no file for the id {ytid[:40]!r}")


def _names(source: Source) -> dict[str, str]:
    """Ontology id -> display name, as far as a file beside the table tells."""
    for path in sorted(source.root.glob("**/class_labels_indices.csv")):
        rows = table_rows(path, ("mid", "display_name"))
        return {cells["mid"]: cells["display_name"] for _, cells in rows}
    for path in sorted(source.root.glob("**/ontology.json")):
        each = [mapped(one, f"{path.name}: a class") for one in listed(load_json(path), path.name)]
        return {str(one.get("id")): str(one.get("name")) for one in each}
    return {}
