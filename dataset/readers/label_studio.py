"""Reads Label Studio's JSON export: choices, labelled regions of recordings, and rectangles in pictures.

Several annotators of one task are compared; ``dataset.readers.agreeing`` says how.
Source: labelstud.io, "Label Studio JSON format of annotated tasks".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataset.readers.agreeing import Statement, agreed
from dataset.readers.json_text import listed, load_json, mapped, number, text
from dataset.readers.label_studio_files import file_of
from dataset.readers.label_studio_flat import flat_exports, refused
from dataset.readers.rows import row
from dataset.readers.source import Source
from dataset.readers.values import Box, Found, ReadOptions, Skipped, Span
from ecosight.errors import InvalidInput

__all__ = ["LABEL_STUDIO", "LabelStudio"]


class LabelStudio:
    """One sample for each task with a choice, and for each region or rectangle."""

    name = "label-studio"
    fallback = False

    def recognises(self, source: Source) -> bool:
        return bool(self._files(source) or flat_exports(source))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Found | Skipped]:
        files = self._files(source)
        if not files and (flat := flat_exports(source)):
            raise refused(flat[0])
        for path in files or source.notes(".json"):
            tasks = listed(load_json(path), path.name)
            for place, task in enumerate(tasks):
                yield from _task(source, path, f"task {_name(task, place)}", task, options.extensions)

    def _files(self, source: Source) -> list[Path]:
        return [path for path in source.notes(".json") if _looks(source.head(path))]


LABEL_STUDIO = LabelStudio()


def _looks(head: str) -> bool:
    return head.lstrip().startswith("[") and ('"annotations"' in head or '"completions"' in head)


def _name(task: Any, place: int) -> str:
    return str(task["id"])[:20] if isinstance(task, dict) and "id" in task else f"[{place}]"


def _task(source: Source, path: Path, place: str, task: Any, endings: Collection[str]) -> Iterator[Found | Skipped]:
    try:
        told = mapped(task, "the task")
        data = mapped(told.get("data"), "its data")
        made = listed(told.get("annotations", told.get("completions")), "its annotations")
    except InvalidInput as error:
        yield Skipped(path=path, reason=f"{place}: {error.message}")
        return
    statements: dict[str, list[Statement]] = {}  # what people say is compared for each control of its own
    for number_of, annotation in enumerate(made):
        for at, each in _results(annotation):
            try:
                result = mapped(each, "it")
                said = _statements(result, _who(annotation, number_of))
                statements.setdefault(str(result.get("from_name")), []).extend(said)
            except InvalidInput as error:
                yield Skipped(path=path, reason=f"{place}, result [{at}]: {error.message}")
    if not any(statements.values()):
        yield Skipped(path=path, reason=f"{place}: nobody gave it a label")
    whole: list[Statement] = []
    for one in (each for said in statements.values() for each in agreed(said)):
        if isinstance(one, str):
            yield Skipped(path=path, reason=f"{place}: {one}")
        elif one.piece is None:
            whole.append(one)
        else:
            yield row(path, place, lambda o=one: _found(source, path, data, o, endings))  # type: ignore[misc]
    if whole:
        # Several controls, such as species and quality, give a file several labels: the user says which is meant.
        labels = tuple(dict.fromkeys(label for one in whole for label in one.labels))
        several = replace(whole[0], labels=labels, people=min(one.people for one in whole))
        yield row(path, place, lambda: _found(source, path, data, several, endings))


def _results(annotation: Any) -> list[tuple[int, Any]]:
    if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
        return []
    results = annotation.get("result")
    return list(enumerate(results)) if isinstance(results, list) else []


def _who(annotation: Mapping[str, Any], place: int) -> str:
    """The annotator; where the export names none, each annotation is taken for another person's."""
    who = annotation.get("completed_by")
    who = who.get("id", who.get("email")) if isinstance(who, dict) else who
    return f"annotation {place}" if who is None else str(who)


def _statements(result: Mapping[str, Any], who: str) -> list[Statement]:
    kind, value = result.get("type"), mapped(result.get("value", {}), "value")
    if kind == "choices":
        names, piece = listed(value.get("choices"), "choices"), _region(value)
    elif kind == "labels" and "start" in value and "paragraphs" not in value:
        names, piece = listed(value.get("labels"), "labels"), _span(value)
    elif kind == "rectanglelabels":
        names, piece = listed(value.get("rectanglelabels"), "rectanglelabels"), _box(value)
    elif kind in ("textarea", "rating", "relation", "number", "datetime", "labels", "rectangle", "audio"):
        return []  # remarks, and regions whose label is told by a result of its own
    else:
        raise InvalidInput(f"results of the type {str(kind)[:40]!r} are not read")
    if not names:
        raise InvalidInput("it gives no label")
    if isinstance(piece, Box) and result.get("image_rotation"):
        raise InvalidInput("a rectangle in a picture that was turned while it was labelled cannot be cut")
    labels = tuple(text(name, "a label") for name in names)
    return [Statement(who=who, labels=labels, piece=piece)]


def _region(value: Mapping[str, Any]) -> Span | Box | None:
    """What a choice is about: a choice for a region carries the region's own values, one for all of it none."""
    if "start" in value:
        return _span(value)
    if {"x", "y", "width", "height"} <= value.keys():
        return _box(value)
    if value.keys() & {"x", "points", "vertices", "rle", "ranges", "sequence"}:
        raise InvalidInput("a choice for a region that is neither a span nor a rectangle cannot be cut")
    return None


def _span(value: Mapping[str, Any]) -> Span:
    return Span(start_s=number(value.get("start"), "start"), end_s=number(value.get("end"), "end"))


def _box(value: Mapping[str, Any]) -> Box:
    """Label Studio counts in percent of the picture."""
    if value.get("rotation"):
        raise InvalidInput("a turned rectangle cannot be cut")
    x, y, width, height = (number(value.get(name), name) / 100 for name in ("x", "y", "width", "height"))
    return Box(x0=x, y0=y, x1=x + width, y1=y + height, unit="share")


def _found(source: Source, path: Path, data: Mapping[str, Any], one: Statement, endings: Collection[str]) -> Found:
    label, *others = one.labels
    return Found(
        path=file_of(source, path, data, endings),
        label=label,
        others=tuple(others),
        annotators=one.people,
        span=one.piece if isinstance(one.piece, Span) else None,
        box=one.piece if isinstance(one.piece, Box) else None,
    )
