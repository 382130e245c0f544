"""Labelled files as samples that are searched where they lie, and never stored."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from dataset.entries import Entry
from dataset.readers.readable import readable_bytes
from dataset.reading import find_recordings
from ecosight.ids import content_digest

__all__ = ["FileBytes", "read_files"]


class FileBytes:
    """Reads a file by the digest of its bytes."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths

    def get(self, digest: str) -> bytes:
        return readable_bytes(self._paths[digest])


def read_files(
    source: Path, extensions: Collection[str], group_of: Callable[[str], str | None]
) -> tuple[list[Entry], FileBytes]:
    """A row for each file, the same bytes as often as they lie there, and where to read them.

    Args:
        source: a folder with a folder for each class, or a CSV; see ``reading.survey``.
        group_of: the group that a file's name tells, or None.
    Raises: NotFound, InvalidInput: there is nothing to read.
    """
    found = find_recordings(source, extensions)
    paths: dict[str, Path] = {}
    rows = []
    for each in found:
        data = readable_bytes(each.path)
        digest = content_digest(data)
        paths.setdefault(digest, each.path)
        shown = str(each.path.relative_to(source)) if source in each.path.parents else each.path.name
        group = each.group or group_of(each.path.name) or digest
        rows.append(Entry(sample_id=digest, label=each.label, group=group, part="", source=shown, size_bytes=len(data)))
    return rows, FileBytes(paths)
