"""Reads a CSV of our own: the columns path and label, and perhaps more about each file."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dataset.labels import check_group, check_label
from dataset.readers.encoded import encoding_of
from dataset.readers.json_text import number
from dataset.readers.source import Source
from dataset.readers.tables import columns_of, parted_otherwise
from dataset.readers.values import Found, ReadOptions, Skipped, Span
from ecosight.errors import InvalidInput

__all__ = ["LABELLED_CSV", "LabelledCsv", "labelled_tables"]

_SHOWN_FAULTS = 20
_LINE = 10_000
"""As much of a first line as names columns; a file without line ends is not read whole."""
_OTHERS = frozenset({".json", ".xml", ".yaml", ".yml", ".zip", ".gz", ".tar", ".tgz", ".7z", ".rar"})
_Found = dict[tuple[Path, Span | None], tuple[int, Found]]


class LabelledCsv:
    """``path,label`` and perhaps group, fold, station, captured_at, annotators, start_s and end_s.

    Whoever writes such a table for EcoSight wants all of it: a bad row refuses the whole, and all are told at once.
    Paths are relative to the CSV, and may lead out of its folder.
    """

    name = "csv"
    fallback = True

    def recognises(self, source: Source) -> bool:
        return source.path.is_file() and source.path.suffix.lower() not in _OTHERS

    def read(self, source: Source, options: ReadOptions) -> Iterator[Found | Skipped]:
        del options
        path = source.path
        if path.is_dir():
            tables = " or ".join(map(str, labelled_tables(path)))
            which = f": {tables}" if tables else f", such as {path / 'labels.csv'}"
            raise InvalidInput(f"{path} is a folder, and csv is one file", hint=f"Name the file{which}.")
        faults: list[str] = []
        found: list[Found] = []
        first: _Found = {}
        for line, row in _rows(path, faults):
            each = _row(path.parent, row, line, faults)
            if each is None:
                continue
            known = first.setdefault((each.path.resolve(), each.span), (line, each))
            if known[1] is each:
                found.append(each)
            elif (each.label, each.group) != (known[1].label, known[1].group):
                faults.append(f"line {line}: {row['path']!r} has another label or group in line {known[0]}")
            elif replace(each, path=known[1].path) != known[1]:
                faults.append(
                    f"line {line}: {row['path']!r} has another station, fold, time or number in line {known[0]}"
                )
        if faults:
            raise _bad_rows(path, faults)
        if not found:
            raise InvalidInput(
                f"{path.name} names no files", hint="Below the header path,label one line for each file."
            )
        yield from found


LABELLED_CSV = LabelledCsv()


def labelled_tables(folder: Path) -> list[Path]:
    """The CSVs in a folder that have the columns path and label; one that cannot be read is none."""
    found: list[Path] = []
    names: list[str] = []
    with suppress(OSError):
        names = sorted(os.listdir(folder))
    for path in (folder / name for name in names):
        if path.suffix.lower() == ".csv" and path.is_file():
            with suppress(OSError, UnicodeDecodeError), path.open(encoding=encoding_of(path)) as file:
                if {"path", "label"} <= set(columns_of(file.readline(_LINE))):
                    found.append(path)
    return found


def _rows(source: Path, faults: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    with source.open(newline="", encoding=encoding_of(source)) as file:
        reader = csv.DictReader(file, restkey="", restval="", strict=True, skipinitialspace=True)
        try:
            columns = [str(name).strip() for name in reader.fieldnames or []]
            missing = [name for name in ("path", "label") if name not in columns]
            if missing:
                raise InvalidInput(
                    f"{source.name} has no column {' and no column '.join(missing)} (it has: {', '.join(columns)})",
                    hint=parted_otherwise(columns)
                    or "The first line names the columns: path,label or path,label,group.",
                )
            if twice := sorted(name for name in set(columns) if name and columns.count(name) > 1):
                raise InvalidInput(f"{source.name} has several columns {twice[0]!r}", hint="Which one counts?")
            reader.fieldnames = columns
            for row in reader:
                if row.pop("", None):
                    faults.append(f"line {reader.line_num}: more fields than columns (a comma without quotes?)")
                else:
                    yield reader.line_num, {name: str(value or "").strip() for name, value in row.items()}
        except csv.Error as error:
            faults.append(f"line {reader.reader.line_num}: {error}")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{source.name} is not UTF-8 text", hint="Save the CSV as UTF-8.") from error


def _row(folder: Path, row: dict[str, str], line: int, faults: list[str]) -> Found | None:
    if not row["path"]:
        faults.append(f"line {line}: no path")
        return None
    path = folder / row["path"]
    # Only regular files: the user may point outside the CSV's folder, but a pipe or a device would hang.
    # os.path: to a name that is too long for the file system, Path.is_file raises an error of its own.
    if not os.path.isfile(path):
        faults.append(f"line {line}: there is no file {row['path']!r}")
        return None
    try:
        group = check_group(row["group"]) if row.get("group") else None
        return Found(path=path, label=check_label(row["label"]), group=group, **_more(row))
    except InvalidInput as error:
        faults.append(f"line {line}: {error.message}")
        return None


def _more(row: dict[str, str]) -> dict[str, Any]:
    start, end = row.get("start_s", ""), row.get("end_s", "")
    span = None
    if start or end:
        span = Span(start_s=number(start or None, "start_s"), end_s=number(end or None, "end_s"))
    return {
        "station": check_group(row["station"], "station") if row.get("station") else None,
        "fold": row.get("fold") or None,
        "captured_at": _moment(row["captured_at"]) if row.get("captured_at") else None,
        "annotators": _count(row["annotators"]) if row.get("annotators") else None,
        "span": span,
    }


def _moment(told: str) -> datetime:
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        raise InvalidInput(f"captured_at {told[:40]!r} is no time such as 2026-05-01T04:30:00+02:00") from None
    if moment.tzinfo is None:
        raise InvalidInput(f"captured_at {told[:40]!r} names no time zone, such as Z or +02:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"captured_at {told[:40]!r} is outside of the years 1 to 9999 in UTC") from None


def _count(told: str) -> int:
    if not told.isdecimal() or len(told) > 9 or not 0 < int(told) < 10_000:
        raise InvalidInput(f"{told[:20]!r} is no number of annotators")
    return int(told)


def _bad_rows(source: Path, faults: list[str]) -> InvalidInput:
    more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
    many = "a bad row" if len(faults) == 1 else f"{len(faults)} bad rows"
    return InvalidInput(
        f"{source.name} has {many}: " + "; ".join(faults[:_SHOWN_FAULTS]) + more,
        hint="Paths are relative to the CSV. Nothing was read; mend the rows and run it again.",
        faults=faults[:_SHOWN_FAULTS],
        fault_count=len(faults),
    )
