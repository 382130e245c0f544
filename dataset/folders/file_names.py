"""Owns the names of a version's files in a folder; made from what clients told, so they are never trusted."""

from __future__ import annotations

from dataset.storing.manifests import DatasetVersion

__all__ = ["file_names"]

_NAME_BYTES = 200


def file_names(version: DatasetVersion) -> dict[str, str]:
    """Sample id -> ``PART/LABEL/NAME``: the name it came in with, and the first digits of its digest."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for entry in version.entries:
        path = f"{entry.part}/{entry.label}/{_name(entry.source, entry.sample_id[:8])}"
        if path.casefold() in taken:
            path = f"{entry.part}/{entry.label}/{_name(entry.source, entry.sample_id)}"
        taken.add(path.casefold())
        found[entry.sample_id] = path
    return found


def _name(source: str, digest: str) -> str:
    stem, dot, suffix = source.rpartition(".")
    if not stem or len(suffix) > 8:
        stem, dot, suffix = source, "", ""
    # Names come from clients: no separators, nothing hidden, and short enough for every file system.
    stem = stem.replace("/", "_").replace("\\", "_").replace("\0", "_").lstrip(".") or "sample"
    stem = stem.encode()[: _NAME_BYTES - len(digest)].decode(errors="ignore")
    return f"{stem}.{digest}{dot}{suffix}"
