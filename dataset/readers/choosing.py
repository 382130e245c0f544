"""Owns what is asked of the samples that a reader gives: the wanted classes, and whether boxes are cut out or not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from dataset.readers.values import Found, Skipped
from ecosight.errors import InvalidInput

__all__ = ["BOXES", "checked_boxes", "one_label", "whole_pictures"]

BOXES = ("crop", "whole")


def one_label(each: Found, classes: Collection[str]) -> Found | Skipped:
    """The sample with the one label that is wanted.

    Args:
        classes: the wanted ones; none given wants all.
    """
    labels = list(dict.fromkeys((each.label, *each.others)))
    wanted = [label for label in labels if label in classes] if classes else labels
    if len(wanted) == 1:
        return replace(each, label=wanted[0], others=())
    if not wanted:
        return Skipped(path=each.path, reason="of no class that is wanted")
    return Skipped(
        path=each.path, reason=f"has {len(wanted)} labels ({', '.join(wanted)}); --class names the wanted one"
    )


def whole_pictures(found: Iterable[Found]) -> Iterator[Found | Skipped]:
    """Each picture once, with its boxes and their class; those with boxes of several classes are passed over."""
    pictures: dict[Path, list[Found]] = {}
    for each in found:
        if each.box is None:
            yield each
        else:
            pictures.setdefault(each.path, []).append(each)
    for path, boxes in pictures.items():
        labels = sorted({each.label for each in boxes})
        if len(labels) == 1:
            people = [each.annotators for each in boxes if each.annotators is not None]
            kept = tuple(dict.fromkeys(each.box for each in boxes if each.box is not None))
            yield replace(boxes[0], box=None, boxes=kept, annotators=min(people, default=None))
        else:
            yield Skipped(path=path, reason=f"has boxes of {len(labels)} classes ({', '.join(labels)})")


def checked_boxes(boxes: str) -> str:
    """Raises: InvalidInput: nothing is done with boxes in this way."""
    if boxes not in BOXES:
        raise InvalidInput(f"boxes cannot be read as {boxes!r}", hint=f"Known: {', '.join(BOXES)}.")
    return boxes
