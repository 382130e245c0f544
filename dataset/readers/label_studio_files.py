"""Owns which file a task of Label Studio is about, and where that file is here.

A task's data has keys of the user's choice, and may have texts beside the file's name: a station, a page's address.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dataset.readers.source import Source
from ecosight.errors import InvalidInput

__all__ = ["file_of"]

_UPLOAD = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""
_ENDING = re.compile(r"(?<=[^/\\])\.[0-9A-Za-z]{1,5}$")
_USUAL = ("audio", "image", "sound", "video")
"""Keys that Label Studio's own templates use for the file; its ``url`` may also be that of a page."""


def file_of(source: Source, export: Path, data: Mapping[str, Any], endings: Collection[str]) -> Path:
    """The file that a task is about.

    Args:
        data: of the task. endings: of the modality's files; a text with one of them is the file's name before others.
    Raises: InvalidInput: no text of the data names a file that is here, or several do.
    """
    texts = {key: told.strip() for key, told in data.items() if isinstance(told, str) and told.strip()}
    if not texts:
        raise InvalidInput("the name of its file is missing")
    likely = _with_ending(texts, endings) or {
        # A word such as a station's could be the name of another recording, but for its ending.
        key: told
        for key, told in texts.items()
        if len(texts) == 1 or key in _USUAL or _ending(told)
    }
    if usual := next((key for key in _USUAL if key in likely), None):
        return _path(source, export, likely[usual])
    if len(likely) == 1:
        return _path(source, export, *likely.values())
    there: dict[Path, str] = {}
    for key, told in likely.items():
        with suppress(InvalidInput):
            there.setdefault(_path(source, export, told), key)
    if not there:
        raise InvalidInput(f"none of its texts names a file that is here ({_keys(likely or texts)})")
    if len(there) > 1:
        raise InvalidInput(f"several of its texts name files ({_keys(there.values())})")
    return next(iter(there))


def _with_ending(texts: Mapping[str, str], endings: Collection[str]) -> dict[str, str]:
    """The texts with the ending of a file; a usual key may leave it out, and is not passed over for that."""
    likely = {key: told for key, told in texts.items() if _ending(told) in endings}
    return likely and likely | {key: told for key, told in texts.items() if key in _USUAL and not _ending(told)}


def _keys(keys: Collection[str]) -> str:
    return ", ".join(sorted(keys))[:200]


def _ending(told: str) -> str:
    """Of the file that a text may name, in lower case; empty where the last part of it has none."""
    try:
        url = urlsplit(told)
    except ValueError:
        return ""
    for name in (parse_qs(url.query).get("d", [""])[0], told if not url.scheme else "", unquote(url.path)):
        if ending := _ENDING.search(name.strip()):
            return ending[0].lower()
    return ""


def _path(source: Source, export: Path, told: str) -> Path:
    try:
        url = urlsplit(told)
    except ValueError:
        raise InvalidInput(f"{told[:200]!r} is neither a path nor an address") from None
    local = parse_qs(url.query).get("d")  # /data/local-files/?d=recordings/1.wav
    if local:
        return source.find(local[0], near=[export.parent])
    name = unquote(url.path)
    try:
        return source.find(name if not url.scheme else "/" + name, near=[export.parent])
    except InvalidInput:
        if url.query or url.fragment:  # the name of a file may hold what divides an address
            with suppress(InvalidInput):
                return source.find(told, near=[export.parent])
        last = name.rpartition("/")[2]
        if not _UPLOAD.match(last):
            raise
        return source.called(_UPLOAD.sub("", last))
