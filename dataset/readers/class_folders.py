"""Reads folders whose first level names the classes: ``SOURCE/<label>/**/files``."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from dataset.readers.labelled_csv import labelled_tables
from dataset.readers.source import Source
from dataset.readers.values import Found, ReadOptions, Skipped
from ecosight.errors import InvalidInput

__all__ = ["CLASS_FOLDERS", "ClassFolders"]

_SHOWN_FAULTS = 20
_NO_CLASSES = frozenset(
    {
        *("annotations", "audio", "images", "imagesets", "jpegimages", "labels", "meta", "metadata"),
        *("dev", "eval", "evaluation", "test", "testing", "train", "training", "val", "valid", "validation"),
    }
)
"""What folders of other layouts are called. Where a source has no others, these are hardly its classes."""


class ClassFolders:
    """A folder for each class."""

    name = "class-folders"
    fallback = True

    def recognises(self, source: Source) -> bool:
        return source.path.is_dir()

    def read(self, source: Source, options: ReadOptions) -> Iterator[Found | Skipped]:
        folder, extensions = source.path, frozenset(options.extensions)
        each = [_judged(path, folder, extensions) for path in _walk(folder)]
        tables = " or ".join(map(str, labelled_tables(folder))) if folder.is_dir() and not options.told else ""
        found = [one for one in each if isinstance(one, Found)]
        if not found:
            skipped = [one for one in each if isinstance(one, Skipped)]
            raise InvalidInput(
                f"{folder} holds no recordings in class folders ({len(skipped)} other files)",
                hint=f"Expected {folder.name}/<label>/<file>, the file {_one_of(extensions)}."
                + (f" To read a CSV, name the file: {tables}." if tables else ""),
                skipped=[{"path": str(one.path), "reason": one.reason} for one in skipped[:_SHOWN_FAULTS]],
            )
        if tables:
            raise InvalidInput(
                f"{folder} holds folders that may be classes, and a CSV that names labels",
                hint=f"Say which: --format class-folders, or the file itself: {tables}.",
            )
        labels = {one.label for one in found}
        if not options.told and {label.lower() for label in labels} <= _NO_CLASSES:
            raise InvalidInput(
                f"{folder} looks like no layout that is known: {', '.join(sorted(labels))} are hardly classes",
                hint="--format says what it is; --format class-folders takes these as the classes.",
            )
        yield from each


CLASS_FOLDERS = ClassFolders()


def _judged(path: Path, source: Path, extensions: frozenset[str]) -> Found | Skipped:
    inside = path.relative_to(source).parts
    if any(part.startswith(".") for part in inside):
        return Skipped(path=path, reason="hidden")
    if len(inside) == 1:
        return Skipped(path=path, reason="in no class folder")
    if path.suffix.lower() not in extensions:
        return Skipped(path=path, reason=f"not {_one_of(extensions)}")
    if not path.is_file():
        return Skipped(path=path, reason="not a regular file, or a broken link")
    return Found(path=path, label=inside[0])


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
