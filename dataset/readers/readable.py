"""Owns telling what of a source this user may not read: else a class would be missing, and nobody would notice."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from dataset.readers.values import Skipped
from ecosight.errors import InvalidInput, UnreadableMedia

__all__ = ["check_readable", "not_readable", "readable_bytes", "unreadable_within"]


def check_readable(path: Path) -> None:
    """Raises: InvalidInput: a folder or regular file is there, and may not be read. What is not there passes."""
    try:
        if os.path.isdir(path):
            os.scandir(path).close()
        elif os.path.isfile(path):
            path.open("rb").close()
        else:
            os.stat(path)  # what lies in a folder that may not be entered only looks as if it were not there
    except PermissionError as error:
        raise not_readable(path, [Skipped(path=path, reason=_why(error))]) from error
    except (OSError, ValueError):  # the reader says it better, or whoever finds nothing there
        return


def unreadable_within(folder: Path, suffixes: Collection[str]) -> list[Skipped]:
    """Folders below this one, and files of annotations (with these endings), that may not be read; in order."""
    found: list[Skipped] = []

    def note(error: OSError) -> None:
        found.append(Skipped(path=Path(error.filename), reason=_why(error)))

    seen: set[str] = set()
    for place, folders, names in os.walk(folder, onerror=note, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (os.path.join(place, name) for name in names if os.path.splitext(name)[1].lower() in suffixes)
        found += [
            Skipped(path=Path(path), reason="cannot be read: Permission denied")
            for path in paths
            if os.path.isfile(path) and not os.access(path, os.R_OK)
        ]
    return sorted(found, key=lambda each: each.path)


def not_readable(source: Path, unread: Collection[Skipped]) -> InvalidInput:
    """What to tell of a source that gives nothing, as these may not be read."""
    first, more = next(iter(unread)), len(unread) - 1
    return InvalidInput(
        f"{first.path} {first.reason}" + (f" (and {more} more)" if more else ""),
        hint=f"Let user {_user()} read it, such as: chmod -R +rX {source}",
        skipped=[{"path": str(each.path), "reason": each.reason} for each in list(unread)[:20]],
    )


def readable_bytes(path: Path) -> bytes:
    """A file's bytes. Raises: UnreadableMedia: it is gone, or may not be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableMedia(f"{path} {_why(error)}", hint="Check that it is there and may be read.") from error


def _why(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "of this process"
