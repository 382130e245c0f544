"""Owns finding labelled files: class folders, or a CSV with the columns path, label and perhaps group."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from dataset.augmenting.manifest import is_augmented_folder
from dataset.labels import check_group, check_label
from ecosight.errors import InvalidInput, NotFound

__all__ = ["Found", "Skipped", "Survey", "find_recordings", "survey"]

_SHOWN_FAULTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One file that is to be read, the label it is said to have, and its group if the CSV names one."""

    path: Path
    label: str
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """One file that is not read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What lies at a source: the files to read, in order of their path, and those passed over."""

    found: tuple[Found, ...]
    skipped: tuple[Skipped, ...]


def find_recordings(source: Path, extensions: Collection[str]) -> list[Found]:
    """The files that ``survey`` finds, without those that it passes over."""
    return list(survey(source, extensions).found)


def survey(source: Path, extensions: Collection[str]) -> Survey:
    """Find the labelled files at a source, without reading them.

    Args:
        source: a folder ``SOURCE/<label>/**/files``, or a CSV file whose header names path, label and perhaps
            group; its paths are relative to it.
        extensions: lower-case file name endings with the dot. They choose among the files of a folder;
            what a CSV names is taken as it is, and content decides.
    Raises: NotFound: there is no such source. InvalidInput: it holds nothing to read, or the CSV has bad
        rows; all of them are told together, with their lines.
    """
    if source.is_dir():
        if is_augmented_folder(source):
            raise InvalidInput(
                f"{source} holds variants that were made of samples, and no new ones",
                hint="Ingest the recordings that they were made of.",
            )
        return _survey_folder(source, frozenset(extensions))
    if source.is_file():
        return Survey(found=tuple(_read_csv(source)), skipped=())
    raise NotFound(
        f"there is no folder or CSV file {str(source)!r}",
        hint="Name a folder with one folder for each class, or a CSV.",
    )


def _survey_folder(source: Path, extensions: frozenset[str]) -> Survey:
    found, skipped = [], []
    for path in _walk(source):
        inside = path.relative_to(source).parts
        if any(part.startswith(".") for part in inside):
            skipped.append(Skipped(path=path, reason="hidden"))
        elif len(inside) == 1:
            skipped.append(Skipped(path=path, reason="in no class folder"))
        elif path.suffix.lower() not in extensions:
            skipped.append(Skipped(path=path, reason=f"not {_one_of(extensions)}"))
        elif not path.is_file():
            skipped.append(Skipped(path=path, reason="not a regular file, or a broken link"))
        else:
            found.append(Found(path=path, label=inside[0]))
    if not found:
        raise InvalidInput(
            f"{source} holds no recordings in class folders ({len(skipped)} other files)",
            hint=f"Expected {source.name}/<label>/<file>, the file {_one_of(extensions)}.",
            skipped=[{"path": str(each.path), "reason": each.reason} for each in skipped[:_SHOWN_FAULTS]],
        )
    return Survey(found=tuple(found), skipped=tuple(skipped))


def _walk(source: Path) -> list[Path]:
    """Every file below a folder, in order of its path. Links to folders are followed, each folder once."""
    files, seen = [], set()
    for folder, folders, names in os.walk(source, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        files += [Path(folder, name) for name in names]
    return sorted(files)


def _one_of(extensions: Collection[str]) -> str:
    return "one of " + " ".join(sorted(extensions))


# -- CSV ---------------------------------------------------------------------------------------------------


def _read_csv(source: Path) -> list[Found]:
    faults: list[str] = []
    found: list[Found] = []
    first: dict[Path, tuple[int, Found]] = {}
    for line, row in _rows(source, faults):
        each = _row(source.parent, row, line, faults)
        if each is None:
            continue
        known = first.setdefault(each.path.resolve(), (line, each))
        if (each.label, each.group) != (known[1].label, known[1].group):
            faults.append(f"line {line}: {row['path']!r} has another label or group in line {known[0]}")
        elif known[1] is each:
            found.append(each)
    if faults:
        raise _bad_rows(source, faults)
    if not found:
        raise InvalidInput(f"{source.name} names no files", hint="Below the header path,label one line for each file.")
    return found


def _rows(source: Path, faults: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    with source.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restkey="", restval="", strict=True, skipinitialspace=True)
        try:
            columns = [str(name).strip() for name in reader.fieldnames or []]
            missing = [name for name in ("path", "label") if name not in columns]
            if missing:
                raise InvalidInput(
                    f"{source.name} has no column {' and no column '.join(missing)} (it has: {', '.join(columns)})",
                    hint="The first line names the columns: path,label or path,label,group.",
                )
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
    if "\0" in row["path"] or not path.is_file():
        faults.append(f"line {line}: there is no file {row['path']!r}")
        return None
    try:
        group = check_group(row["group"]) if row.get("group") else None
        return Found(path=path, label=check_label(row["label"]), group=group)
    except InvalidInput as error:
        faults.append(f"line {line}: {error.message}")
        return None


def _bad_rows(source: Path, faults: list[str]) -> InvalidInput:
    more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
    many = "a bad row" if len(faults) == 1 else f"{len(faults)} bad rows"
    return InvalidInput(
        f"{source.name} has {many}: " + "; ".join(faults[:_SHOWN_FAULTS]) + more,
        hint="Paths are relative to the CSV. Nothing was read; mend the rows and run it again.",
        faults=faults[:_SHOWN_FAULTS],
        fault_count=len(faults),
    )
