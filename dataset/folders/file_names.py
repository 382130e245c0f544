"""Owns the names of a version's files in a folder; made from what clients told, so they are never trusted."""

from __future__ import annotations

from dataset.storing.manifests import DatasetVersion
from ecosight.ids import content_digest

__all__ = ["file_names"]

_NAME_BYTES = 200
_FOLDER_BYTES = 255
"""What file systems take for one name; 64 characters of a label may be 256 bytes."""


def file_names(version: DatasetVersion) -> dict[str, str]:
    """Sample id -> ``PART/LABEL/NAME``: the name it came in with, and the first digits of its digest."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for entry in version.entries:
        folder = f"{_folder(entry.part)}/{_folder(entry.label)}"
        path = f"{folder}/{_name(entry.source, entry.sample_id[:8])}"
        if path.casefold() in taken:
            path = f"{folder}/{_name(entry.source, entry.sample_id)}"
        taken.add(path.casefold())
        found[entry.sample_id] = path
    return found


def _folder(told: str) -> str:
    """A part or a label as the name of a folder; what cannot be one is told apart by digits of its digest.

    A version that was fetched from elsewhere may hold any text.
    """
    name = _plain(told).lstrip(".")
    if name == told and 0 < len(name.encode()) <= _FOLDER_BYTES:
        return name
    return f"{_cut(name, _NAME_BYTES)}.{content_digest(told.encode())[:8]}".lstrip(".")


def _name(source: str, digest: str) -> str:
    # Names come from clients: no separators, nothing hidden, and short enough for every file system.
    source = _plain(source)
    stem, dot, suffix = source.rpartition(".")
    if not stem or len(suffix) > 8:
        stem, dot, suffix = source, "", ""
    stem = stem.lstrip(".") or "sample"
    return f"{_cut(stem, _NAME_BYTES - len(digest))}.{digest}{dot}{suffix}"


def _plain(name: str) -> str:
    return name.replace("/", "_").replace("\\", "_").replace("\0", "_")


def _cut(name: str, most_bytes: int) -> str:
    return name.encode()[:most_bytes].decode(errors="ignore")
