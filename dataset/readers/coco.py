"""Reads COCO JSON (``images``, ``annotations`` with ``bbox``, ``categories``), also as CVAT and others export it.

A box is x, y, width, height in pixels. The fold is what the file's name tells: instances_train2017.json is train.
Source: cocodataset.org, "Data format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dataset.readers.json_text import listed, load_json, mapped, number, text
from dataset.readers.rows import row
from dataset.readers.source import Source
from dataset.readers.values import Box, Found, ReadOptions, Skipped
from ecosight.errors import InvalidInput

__all__ = ["COCO", "Coco", "fold_in"]

_KEYS = ('"images"', '"annotations"', '"categories"')


class Coco:
    """One sample a box; a picture without one is passed over."""

    name = "coco"
    fallback = False

    def recognises(self, source: Source) -> bool:
        return bool(self._files(source))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Found | Skipped]:
        del options
        for path in self._files(source) or source.notes(".json"):
            yield from _read(source, path)

    def _files(self, source: Source) -> list[Path]:
        return [path for path in source.notes(".json") if _looks(source, path)]


COCO = Coco()


def fold_in(name: str) -> str | None:
    """``train``, ``val`` or ``test`` where a file or folder is named after it."""
    words = re.findall(r"[a-z]+", name.lower())
    found = {"valid": "val", "validation": "val"} | {word: word for word in ("train", "val", "test")}
    return next((found[word] for word in words if word in found), None)


def _looks(source: Source, path: Path) -> bool:
    head = source.head(path)
    # Captions and key points of people come in like files, without boxes that name a class.
    both = head + source.tail(path)
    # Where a tool sorts the keys, long lists push all but the first one out of sight.
    boxes = '"annotations"' in head and '"bbox"' in head and '"category_id"' in head
    looks = boxes or sum(key in both for key in _KEYS) >= 2
    return head.lstrip().startswith("{") and looks and '"caption"' not in head


def _read(source: Source, path: Path) -> Iterator[Found | Skipped]:
    whole = mapped(load_json(path), path.name)
    if missing := [key for key in ("images", "annotations", "categories") if not isinstance(whole.get(key), list)]:
        raise InvalidInput(f"{path.name} has no list {missing[0]!r}", hint="COCO JSON has all three; export it again.")
    classes = _by_id(whole["categories"], f"{path.name}: categories")
    pictures = _by_id(whole["images"], f"{path.name}: images")
    fold = fold_in(path.stem) or fold_in(path.parent.name)
    seen: set[str] = set()
    for place, each in enumerate(whole["annotations"]):

        def make(each: Any = each) -> Found:
            told = mapped(each, "it")
            seen.add(_key(told.get("image_id")))
            return _found(source, path, told, pictures, classes, fold)

        yield row(path, f"annotations[{place}]", make)
    for key, picture in pictures.items():
        if key not in seen:
            yield Skipped(path=path, reason=f"{str(picture.get('file_name'))[:200]!r} has no boxes")


def _found(
    source: Source,
    path: Path,
    told: Mapping[str, Any],
    pictures: Mapping[str, Mapping[str, Any]],
    classes: Mapping[str, Mapping[str, Any]],
    fold: str | None,
) -> Found:
    picture, label = pictures.get(_key(told.get("image_id"))), classes.get(_key(told.get("category_id")))
    if picture is None:
        raise InvalidInput(f"there is no image {str(told.get('image_id'))[:40]}")
    if label is None:
        raise InvalidInput(f"there is no category {str(told.get('category_id'))[:40]}")
    if told.get("iscrowd"):
        raise InvalidInput("it marks a crowd, and not one thing")
    attributes = told.get("attributes")  # CVAT tells a turned box by its sides before the turn
    if isinstance(attributes, dict) and number(attributes.get("rotation") or 0, "the rotation"):
        raise InvalidInput("a turned box cannot be cut")
    sides = listed(told.get("bbox"), "bbox")
    if len(sides) != 4:
        raise InvalidInput(f"bbox has {len(sides)} numbers, not x, y, width, height")
    x, y, width, height = (number(side, "a side of bbox") for side in sides)
    size = None
    if picture.get("width") and picture.get("height"):
        size = (int(number(picture["width"], "the image's width")), int(number(picture["height"], "its height")))
    box = Box(x0=x, y0=y, x1=x + width, y1=y + height, size=size)
    subset = path.stem.rpartition("_")[2]
    near = [path.parent, *(source.root / name for name in (f"images/{subset}", "images", subset))]
    file = source.find(text(picture.get("file_name"), "file_name"), near=near)
    return Found(path=file, label=text(label.get("name"), "the category's name"), fold=fold, box=box)


def _by_id(rows: list[Any], what: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for place, each in enumerate(rows):
        one = mapped(each, f"{what}[{place}]")
        if found.setdefault(_key(one.get("id")), one) is not one:
            raise InvalidInput(f"{what}[{place}] has the id {one.get('id')!r} again", hint="Export it again.")
    return found


def _key(value: Any) -> str:
    """An id as text. Some tools write one list with 1 and the other with 1.0 or "1"; "01" is another one."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return re.sub(r"^(-?\d+)\.0+$", r"\1", str(value))
