"""Owns the fold of a picture in YOLO: what its folder is called, or else the list that names it.

``obj_train_data`` is train. Where folders say nothing, darknet's ``train.txt``, ``valid.txt`` and ``test.txt`` do; they
name pictures by paths of the machine that they were written on.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from dataset.readers.coco import fold_in
from dataset.readers.encoded import encoding_of
from dataset.readers.source import Source

__all__ = ["fold_of", "listed_folds"]

_LISTS = frozenset({"train.txt", "val.txt", "valid.txt", "validation.txt", "test.txt"})
_SEVERAL = ""


def fold_of(inside: Path, folds: Mapping[str, str]) -> str | None:
    """The fold of a picture, by its path in the source; the folders above the source say nothing about it."""
    if told := next((fold for part in reversed(inside.parent.parts) if (fold := fold_in(part))), None):
        return told
    here = inside.as_posix()
    # A list may begin further up than the source, or further down.
    found = {folds[path] for path in (f"*/{here}", *_ends(here)) if path in folds}
    return next(iter(found)) or None if len(found) == 1 else None


def listed_folds(source: Source) -> dict[str, str]:
    """Path -> fold, as the lists name pictures; ``*/PATH`` for what they name below other folders."""
    folds: dict[str, str] = {}
    for path in source.notes(".txt"):
        fold = fold_in(path.stem) if path.name.lower() in _LISTS else None
        for line in _lines(path) if fold else ():
            told = posixpath.normpath(line.replace("\\", "/")).lstrip("/")
            for key in (told, *(f"*/{end}" for end in _ends(told))):
                folds[key] = str(fold) if folds.get(key, fold) == fold else _SEVERAL
    return folds


def _lines(path: Path) -> list[str]:
    with suppress(OSError):  # what may not be read is told elsewhere
        text = path.read_text(encoding_of(path), "replace")
        return [line.strip() for line in text.splitlines() if line.strip()]
    return []


def _ends(path: str) -> Iterator[str]:
    """``a/b/c``, ``b/c``, ``c``."""
    parts = path.split("/")
    return ("/".join(parts[at:]) for at in range(len(parts)))
