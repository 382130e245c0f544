"""Owns reading boxes in the form of COCO: what is there, and what a detector found."""

from __future__ import annotations

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
        images = [str(each["id"]) for each in truth["images"]]
        names = {each["id"]: str(each["name"]) for each in truth["categories"]}
        rows = list(truth["annotations"])
    except (KeyError, TypeError) as error:
        raise InvalidInput(
            f"this is no annotation file of COCO: {error!r}", hint="It has images, categories and annotations."
        ) from error
    there = [_row(each, names, "annotation", at, ()) for at, each in enumerate(rows)]
    said = [_row(each, names, "result", at, ("score",)) for at, each in enumerate(found)]
    return (
        TrueBoxes(
            image=[row[0] for row in there],
            label=[row[1] for row in there],
            box=[row[2] for row in there],
            crowd=[bool(each.get("iscrowd", 0)) for each in rows],
            ignore=[bool(each.get("ignore", 0)) for each in rows],
            area=[each.get("area", row[2][2] * row[2][3]) for each, row in zip(rows, there, strict=True)],
        ),
        FoundBoxes(
            image=[row[0] for row in said],
            label=[row[1] for row in said],
            box=[row[2] for row in said],
            score=[float(each["score"]) for each in found],
        ),
        images,
        [names[each] for each in names],
    )


def _row(
    each: Mapping[str, Any], names: Mapping[Any, str], what: str, at: int, also: Sequence[str]
) -> tuple[str, str, list[float]]:
    missing = [key for key in ("image_id", "category_id", "bbox", *also) if key not in each]
    if missing:
        raise InvalidInput(f"{what} {at} has no {', '.join(missing)}")
    if each["category_id"] not in names:
        raise InvalidInput(f"{what} {at} is of category {each['category_id']!r}, which is not listed")
    return str(each["image_id"]), names[each["category_id"]], [float(value) for value in each["bbox"]]
