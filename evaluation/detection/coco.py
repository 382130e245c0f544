"""Owns reading boxes in the form of COCO: what is there, and what a detector found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ecosight.errors import InvalidInput
from evaluation.detection.boxes import FoundBoxes, TrueBoxes

__all__ = ["from_coco"]


def from_coco(
    truth: Mapping[str, Any], found: Sequence[Mapping[str, Any]]
) -> tuple[TrueBoxes, FoundBoxes, list[str], list[str]]:
    """Boxes of an annotation file and of a result file.

    Args:
        truth: ``images`` (id), ``categories`` (id, name), ``annotations`` (image_id, category_id, bbox, and where told
            area, iscrowd, ignore).
        found: results: image_id, category_id, bbox, score.
    Returns: what is there, what was found, all pictures (their ids as text), all classes (their names).
    Raises: InvalidInput: a key is missing, or an id is not listed; the sentence names the row.
    """
    try:
        images = [_id(each["id"]) for each in truth["images"]]
        names = {_id(each["id"]): str(each["name"]) for each in truth["categories"]}
        rows = list(truth["annotations"])
    except (KeyError, TypeError) as error:
        raise InvalidInput(
            f"this is no annotation file of COCO: {error!r}", hint="It has images, categories and annotations."
        ) from error
    if not isinstance(found, Sequence):
        raise InvalidInput(f"results of COCO are a list, not {type(found).__name__}")
    there = [_row(each, names, f"annotation {at}") for at, each in enumerate(rows)]
    said = [_row(each, names, f"result {at}", ("score",)) for at, each in enumerate(found)]
    return (
        TrueBoxes(
            image=[row[0] for row in there],
            label=[row[1] for row in there],
            box=[row[2] for row in there],
            crowd=[row[3]["iscrowd"] > 0 for row in there],
            ignore=[row[3]["ignore"] > 0 for row in there],
            area=[row[3]["area"] for row in there],
        ),
        FoundBoxes(
            image=[row[0] for row in said],
            label=[row[1] for row in said],
            box=[row[2] for row in said],
            score=[row[3]["score"] for row in said],
        ),
        images,
        [names[each] for each in names],
    )


def _row(
    each: Any, names: Mapping[str, str], where: str, also: Sequence[str] = ()
) -> tuple[str, str, list[float], dict[str, float]]:
    """Picture, class, box, and the other numbers; a number that is null or left out is that of an ordinary box."""
    try:
        missing = [key for key in ("image_id", "category_id", "bbox", *also) if each.get(key) is None]
        if missing:
            raise InvalidInput(f"{where} has no {', '.join(missing)}")
        image, label = _id(each["image_id"]), names.get(_id(each["category_id"]))
        if label is None:
            raise InvalidInput(f"{where} is of category {each['category_id']!r}, which is not listed")
        _, _, width, height = box = [float(value) for value in each["bbox"]]
        usual = {"iscrowd": 0.0, "ignore": 0.0, "area": width * height, "score": 0.0}
        numbers = {key: value if each.get(key) is None else float(each[key]) for key, value in usual.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"{where} makes no sense: {error}", hint="bbox is x, y, width, height; the rest are ids and numbers."
        ) from error
    return image, label, box, numbers


def _id(value: Any) -> str:
    """An id as text. Some tools write one list with 1 and the other with 1.0 or "1"; "01" is another one."""
    if not isinstance(value, int | float | str):
        raise TypeError(f"{value!r} is no id")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return re.sub(r"^(-?\d+)\.0+$", r"\1", str(value))
