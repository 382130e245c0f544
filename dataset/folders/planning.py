"""Owns comparing a folder with what a version wants there: what to write, keep, remove, and what is someone else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataset.folders.notes import Noted
from ecosight.errors import Conflict
from ecosight.ids import content_digest

__all__ = ["Plan", "in_the_way", "plan_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Paths to ``write``, ``keep`` and ``remove``; of what would be replaced or removed, ``foreign`` is not ours."""

    write: Sequence[str]
    keep: Sequence[str]
    remove: Sequence[str]
    foreign: Sequence[str]


def plan_of(folder: Path, wanted: Mapping[str, str], ours: Noted, *, verify: bool, copy: bool) -> Plan:
    """Compare a folder with what it should hold; changes nothing.

    Args:
        wanted: path -> digest. ours: what earlier checkouts wrote here.
        verify: read every file; else one whose size and time are as noted is taken for what was written.
        copy: other names of the store's own files are replaced by copies.
    """
    write, keep, foreign = [], [], []
    for path, digest in wanted.items():
        there = _digest_there(folder, path, ours, verify=verify)
        # Who wants files to edit must not be left with other names of the store's own.
        if there == digest and not (copy and (folder / path).lstat().st_nlink > 1):
            keep.append(path)
            continue
        write.append(path)
        if there not in (None, digest) and there not in ours.get(path, {}).get("digests", ()):
            foreign.append(path)
    remove = []
    for path in ours:
        if path not in wanted and (there := _digest_there(folder, path, ours, verify=verify)) is not None:
            remove.append(path)
            if there not in ours[path]["digests"]:
                foreign.append(path)
    return Plan(write=write, keep=keep, remove=remove, foreign=foreign)


def _digest_there(folder: Path, path: str, ours: Noted, *, verify: bool) -> str | None:
    """The digest of the file that lies there; None without one; empty for what is no plain file of this folder."""
    place = folder / path
    for parent in list(place.relative_to(folder).parents)[:-1]:
        # A link would lead the writing elsewhere.
        if (folder / parent).is_symlink() or ((folder / parent).exists() and not (folder / parent).is_dir()):
            return ""
    try:
        status = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not place.is_file() or place.is_symlink():
        return ""
    noted = ours.get(path, {})
    if not verify and noted.get("stat") == [status.st_size, status.st_mtime_ns]:
        return str(noted["digests"][0])
    return content_digest(place.read_bytes())


def in_the_way(folder: Path, foreign: Sequence[str]) -> Conflict:
    """What to tell of files that someone else wrote."""
    more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
    return Conflict(
        f"{folder} holds files that this did not write: {', '.join(sorted(foreign)[:3])}{more}",
        hint="Move them away, choose another folder, or give --force to replace them.",
        files=sorted(foreign)[:100],
        count=len(foreign),
    )
