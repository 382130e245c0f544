"""Reads YOLO: a label file for each picture, in ``labels`` beside ``images`` or beside the picture itself.

A line of a label file is class, x and y of the centre, width, height; shares of the picture (0 to 1). So do CVAT
(Ultralytics YOLO, and YOLO 1.1, which is darknet's layout) and Label Studio export it.
Source: docs.ultralytics.com, "Object Detection Datasets Overview"; docs.cvat.ai, "YOLO".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from dataset.readers.encoded import encoding_of
from dataset.readers.json_text import number
from dataset.readers.rows import row
from dataset.readers.source import Source
from dataset.readers.values import Box, Found, ReadOptions, Skipped
from dataset.readers.yolo_folds import fold_of, listed_folds
from dataset.readers.yolo_names import class_lists, class_names, descriptions
from ecosight.errors import InvalidInput

__all__ = ["YOLO", "Yolo"]

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class Yolo:
    """One sample a line; the fold is the folder's, or the list's: train, val or test."""

    name = "yolo"
    fallback = False

    def recognises(self, source: Source) -> bool:
        if descriptions(source) or (source.path.is_dir() and _in_labels(source, source.notes(".txt"))):
            return True
        lists = class_lists(source)
        # Any folder may have a classes.txt.
        darknet = any(path.name.lower() == "obj.names" for path in lists)
        return darknet or (bool(lists) and any(_is_labels(source, path) for path in source.below(".txt")))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Found | Skipped]:
        described, names = class_names(source)
        by_key: dict[tuple[str, ...], list[Path]] = defaultdict(list)
        for path in source.media():
            if path.suffix.lower() in _endings(options):
                by_key[_picture_key(path)].append(path)
        labels = _labels(source, by_key)
        folds = listed_folds(source)
        for path, key in sorted(labels.items()):
            found = by_key.get(key, [])
            if len(found) != 1:
                several = " and ".join(each.name for each in found)
                reason = f"it could be for {several}" if found else "there is no picture for it"
                yield Skipped(path=path, reason=reason)
                continue
            fold = fold_of(found[0].relative_to(source.root), folds)
            yield from _read(path, found[0], names, described, fold)
        for key in sorted(by_key.keys() - set(labels.values())):
            for path in by_key[key]:
                yield Skipped(path=path, reason="has no boxes")


YOLO = Yolo()


def _endings(options: ReadOptions) -> set[str]:
    return {each.lower() for each in options.extensions}


def _labels(source: Source, pictures: Collection[tuple[str, ...]]) -> dict[Path, tuple[str, ...]]:
    """Label file -> the key of its picture. Those in folders called labels count before those beside the pictures."""
    lists = frozenset(class_lists(source))
    texts = [path for path in source.below(".txt") if path not in lists]
    labels = {path: _picture_key(path) for path in _in_labels(source, texts)}
    found = set(labels.values())
    beside = {path: _picture_key(path) for path in texts if path not in labels}
    return labels | {
        path: key
        for path, key in beside.items()
        # Other texts lie about too: lists of pictures and of classes, a README.
        if key not in found and (key in pictures or _is_labels(source, path))
    }


def _in_labels(source: Source, texts: Iterable[Path]) -> list[Path]:
    """Those in folders called labels."""
    return [path for path in texts if "labels" in path.relative_to(source.root).parts[:-1]]


def _is_labels(source: Source, path: Path) -> bool:
    """Whether a text begins with a line of a label file, of a box or of an outline."""
    words = source.head(path).lstrip("\ufeff \r\n").partition("\n")[0].split()
    return len(words) >= 5 and all(_NUMBER.fullmatch(word) for word in words)


def _picture_key(path: Path) -> tuple[str, ...]:
    """The same for ``images/train/a.jpg`` and ``labels/train/a.txt``."""
    parts = [*path.parent.parts, path.stem]
    at = [place for place, part in enumerate(parts[:-1]) if part in ("images", "labels")]
    return tuple("images" if at and place == at[-1] else part for place, part in enumerate(parts))


def _read(
    path: Path, picture: Path, names: Mapping[int, str], described: str, fold: str | None
) -> Iterator[Found | Skipped]:
    try:
        lines = path.read_text(encoding_of(path)).splitlines()
    except (OSError, UnicodeDecodeError):
        yield Skipped(path=path, reason="it is not UTF-8 text")
        return
    if not any(map(str.strip, lines)):
        yield Skipped(path=picture, reason="has no boxes")
    for at, line in enumerate(lines, 1):
        if line.strip():
            yield row(path, f"line {at}", lambda words=line.split(): _found(words, picture, names, described, fold))  # type: ignore[misc]


def _found(words: list[str], picture: Path, names: Mapping[int, str], described: str, fold: str | None) -> Found:
    if len(words) not in (5, 6):  # the sixth is a model's confidence
        what = "a polygon, and no box" if len(words) > 6 else "not class, x, y, width, height"
        raise InvalidInput(f"{len(words)} values are {what}")
    number_of_class = number(words[0], f"the class {words[0][:20]!r}")
    label = names.get(int(number_of_class)) if number_of_class.is_integer() else None
    if label is None:
        raise InvalidInput(f"{described} names no class {words[0][:20]}")
    x, y, width, height = (number(word, f"{word[:20]!r}") for word in words[1:5])
    box = Box(x0=x - width / 2, y0=y - height / 2, x1=x + width / 2, y1=y + height / 2, unit="share")
    return Found(path=picture, label=label, fold=fold, box=box)
