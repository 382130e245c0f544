"""Reads YOLO: ``data.yaml`` with the class names, and beside the folders of images those of labels.

A line of a label file is class, x and y of the centre, width, height; shares of the picture (0 to 1).
Source: docs.ultralytics.com, "Object Detection Datasets Overview".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dataset.readers.coco import fold_in
from dataset.readers.encoded import encoding_of
from dataset.readers.json_text import mapped, number, text
from dataset.readers.rows import row
from dataset.readers.source import Source
from dataset.readers.values import Box, Found, ReadOptions, Skipped
from ecosight.errors import InvalidInput

__all__ = ["YOLO", "Yolo"]

_YAML = (".yaml", ".yml")
_LARGEST_YAML = 1 << 20


class Yolo:
    """One sample a line; the fold is the folder's: train, val or test."""

    name = "yolo"
    fallback = False

    def recognises(self, source: Source) -> bool:
        return bool(_descriptions(source)) or (source.path.is_dir() and bool(_labels(source, source.notes(".txt"))))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Found | Skipped]:
        described = _descriptions(source) or source.notes(*_YAML)
        if len(described) != 1:
            several = ", ".join(path.name for path in described)
            raise InvalidInput(
                f"{source.root} has {'several descriptions: ' + several if described else 'no data.yaml'}",
                hint="data.yaml names the classes (names: [fox, owl]); name the file itself if there are several.",
            )
        names = _names(described[0])
        pictures = [path for path in source.media() if path.suffix.lower() in _endings(options)]
        labels = {path: _picture_key(path) for path in _labels(source, source.below(".txt"))}
        by_key: dict[tuple[str, ...], list[Path]] = defaultdict(list)
        for path in pictures:
            by_key[_picture_key(path)].append(path)
        for path, key in sorted(labels.items()):
            found = by_key.get(key, [])
            if len(found) != 1:
                several = " and ".join(each.name for each in found)
                reason = f"it could be for {several}" if found else "there is no picture for it"
                yield Skipped(path=path, reason=reason)
                continue
            yield from _read(path, found[0], names, _fold(path.relative_to(source.root)))
        for key in sorted(by_key.keys() - set(labels.values())):
            for path in by_key[key]:
                yield Skipped(path=path, reason="has no boxes")


YOLO = Yolo()


def _descriptions(source: Source) -> list[Path]:
    return [path for path in source.notes(*_YAML) if "names:" in source.head(path)]


def _endings(options: ReadOptions) -> set[str]:
    return {each.lower() for each in options.extensions}


def _labels(source: Source, texts: Iterable[Path]) -> list[Path]:
    """Those in folders called labels."""
    return [path for path in texts if "labels" in path.relative_to(source.root).parts[:-1]]


def _picture_key(path: Path) -> tuple[str, ...]:
    """The same for ``images/train/a.jpg`` and ``labels/train/a.txt``."""
    parts = [*path.parent.parts, path.stem]
    at = [place for place, part in enumerate(parts[:-1]) if part in ("images", "labels")]
    return tuple("images" if at and place == at[-1] else part for place, part in enumerate(parts))


def _fold(inside: Path) -> str | None:
    """As the nearest folder of the source is called; the folders above the source say nothing about it."""
    return next((fold for part in reversed(inside.parent.parts) if (fold := fold_in(part))), None)


def _read(path: Path, picture: Path, names: Mapping[int, str], fold: str | None) -> Iterator[Found | Skipped]:
    try:
        lines = path.read_text(encoding_of(path)).splitlines()
    except (OSError, UnicodeDecodeError):
        yield Skipped(path=path, reason="it is not UTF-8 text")
        return
    if not any(map(str.strip, lines)):
        yield Skipped(path=picture, reason="has no boxes")
    for at, line in enumerate(lines, 1):
        if line.strip():
            yield row(path, f"line {at}", lambda words=line.split(): _found(words, picture, names, fold))  # type: ignore[misc]


def _found(words: list[str], picture: Path, names: Mapping[int, str], fold: str | None) -> Found:
    if len(words) not in (5, 6):  # the sixth is a model's confidence
        what = "a polygon, and no box" if len(words) > 6 else "not class, x, y, width, height"
        raise InvalidInput(f"{len(words)} values are {what}")
    number_of_class = number(words[0], f"the class {words[0][:20]!r}")
    label = names.get(int(number_of_class)) if number_of_class.is_integer() else None
    if label is None:
        raise InvalidInput(f"data.yaml names no class {words[0][:20]}")
    x, y, width, height = (number(word, f"{word[:20]!r}") for word in words[1:5])
    box = Box(x0=x - width / 2, y0=y - height / 2, x1=x + width / 2, y1=y + height / 2, unit="share")
    return Found(path=picture, label=label, fold=fold, box=box)


def _names(path: Path) -> dict[int, str]:
    import yaml

    try:
        if path.stat().st_size > _LARGEST_YAML:
            raise InvalidInput(f"{path.name} is too large to be a description of classes")
        # Aliases would let a small file unpack to any size; a list of names needs none.
        content = path.read_text(encoding_of(path))
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(content)):
            raise InvalidInput(f"{path.name} holds aliases (*name)", hint="Write the names of the classes out.")
        told: Any = yaml.safe_load(content)
        written: Any = yaml.load(content, yaml.BaseLoader)  # noqa: S506  # it makes texts only, as they stand there
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidInput(f"{path.name}: line {line}: {error.problem}", hint="It must be YAML.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InvalidInput(f"{path.name} is no YAML in UTF-8", hint="Export it again.") from error
    names, texts = mapped(told, path.name).get("names"), written.get("names")
    if isinstance(names, list):
        names, texts = dict(enumerate(names)), {str(key): each for key, each in enumerate(texts)}
    if not isinstance(names, dict) or not names or not all(isinstance(key, int) for key in names):
        raise InvalidInput(f"{path.name} names no classes", hint="Such as names: [fox, owl].")
    if unclear := [key for key, name in names.items() if not _is_text(name, texts.get(str(key)))]:
        raise InvalidInput(
            f"{path.name}: the name of class {unclear[0]} is no text",
            hint="YAML reads yes, no, on, off and null so, and 010 as the number 8: quote it.",
        )
    return {key: text(str(name), f"{path.name}: the name of class {key}") for key, name in names.items()}


def _is_text(name: Any, as_written: Any) -> bool:
    """Whether YAML left a name as it was written; a number stays one, such as the digit 7."""
    return name is not None and not isinstance(name, bool) and str(name) == as_written
