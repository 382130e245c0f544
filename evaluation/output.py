"""Owns the folder that results are written into: tried before the work, and what fails there told in a sentence."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecosight.errors import InvalidInput

__all__ = ["require_writable", "writing"]


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A folder that is made if it is missing, for writing files into it.

    Raises: InvalidInput: the folder cannot be made, or something cannot be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise InvalidInput(
            f"the folder {str(folder)!r} cannot be written into: {error.strerror or error}",
            hint="Name a folder that you may write to, with room for it.",
        ) from error


def require_writable(folder: Path | str | None) -> None:
    """Make the folder and try it, so that nobody measures for an hour and then cannot keep the result; None is none.

    Raises: InvalidInput: as ``writing``.
    """
    if folder is not None:
        with writing(Path(folder)), tempfile.TemporaryFile(dir=folder):
            pass
