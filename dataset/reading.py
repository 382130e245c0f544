"""Owns finding labelled files at a source: the reader that recognises it, and what is asked of its samples."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from dataset.augmenting.manifest import is_augmented_folder
from dataset.readers.choosing import checked_boxes, one_label, whole_pictures
from dataset.readers.readable import check_readable, not_readable, unreadable_within
from dataset.readers.recognising import choose
from dataset.readers.source import NOTES, Source
from dataset.readers.values import Found, Reader, ReadOptions, Skipped, Survey
from ecosight.errors import InvalidInput, NotFound

__all__ = ["Found", "Skipped", "Survey", "find_recordings", "survey"]

_SHOWN = 3


def find_recordings(source: Path, extensions: Collection[str]) -> list[Found]:
    """The files that ``survey`` finds, without those that it passes over."""
    return list(survey(source, extensions).found)


def survey(
    source: Path,
    extensions: Collection[str],
    *,
    format: str = "",
    boxes: str = "crop",
    classes: Collection[str] = (),
    label_column: str = "",
) -> Survey:
    """Find the labelled samples of a source, without reading their media.

    Args:
        source: a folder or an annotation file in a layout that one of the readers knows (``ecosight.readers``), such
            as ``SOURCE/<label>/**/files`` or a CSV whose header names path and label.
        extensions: lower-case file name endings with the dot. They choose among the files of a folder;
            what a file of annotations names is taken as it is, and content decides.
        format: the reader's name; none given, the source is recognised.
        boxes: ``crop``: a sample for each box; ``whole``: for each picture whose boxes are of one class.
        classes: only these; none given takes all. label_column: see ``ReadOptions``.
    Raises: NotFound: there is no such source or reader. InvalidInput: it holds nothing to read, it is not clear what
        it is, or a file of it cannot be understood.
    """
    check_readable(source)
    if not os.path.exists(source):  # also for a name that is too long; Path.exists raises an error of its own then
        raise NotFound(
            f"there is no folder or CSV file {str(source)[:200]!r}",
            hint="Name a folder with one folder for each class, a CSV, or annotations in a layout that is known.",
        )
    checked_boxes(boxes)
    if source.is_dir() and is_augmented_folder(source):
        raise InvalidInput(
            f"{source} holds variants that were made of samples, and no new ones",
            hint="Ingest the recordings that they were made of.",
        )
    place = Source(source)
    unread = unreadable_within(source, NOTES) if source.is_dir() else []
    options = ReadOptions(extensions=frozenset(extensions), label_column=label_column, told=bool(format))
    try:
        reader = choose(place, format)
        given = _given(reader, place, options)
    except InvalidInput as error:
        raise (not_readable(source, unread) if unread else error) from error
    read = [one_label(each, classes) if isinstance(each, Found) else each for each in given]
    if boxes == "whole":
        kept = whole_pictures(each for each in read if isinstance(each, Found))
        read = [*(each for each in read if isinstance(each, Skipped)), *kept]
    found = tuple(each for each in read if isinstance(each, Found))
    skipped = tuple(each for each in [*read, *unread] if isinstance(each, Skipped))
    if not found:
        raise _nothing(source, reader.name, skipped)
    return Survey(found=found, skipped=skipped, format=reader.name, base=place.root)


def _given(reader: Reader, place: Source, options: ReadOptions) -> list[Found | Skipped]:
    given = list(reader.read(place, options))
    return list(reader.read(place, options)) if place.settle() else given


def _nothing(source: Path, format: str, skipped: Collection[Skipped]) -> InvalidInput:
    reasons = Counter(f"{each.path.name}: {each.reason}" for each in skipped)
    shown = "; ".join(list(reasons)[:_SHOWN])
    more = f" and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return InvalidInput(
        f"{source}, read as {format}, gives no samples" + (f": {shown}{more}" if shown else ""),
        hint="Nothing was taken in; --format names another layout.",
        skipped=[{"path": str(each.path), "reason": each.reason} for each in list(skipped)[:20]],
    )
