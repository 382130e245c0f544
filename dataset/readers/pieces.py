"""Owns the bytes of a sample that was found: a whole file, or the piece that the modality cuts out of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dataset.readers.values import Found
from ecosight.errors import InvalidInput, UnreadableMedia
from ecosight.ids import content_digest

__all__ = ["Piece", "cut_piece"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What was cut: its bytes, a name for people, and the digest of the whole file."""

    data: bytes
    name: str
    whole: str


def cut_piece(found: Found, modality: Any) -> Piece:
    """Cut what a span or a box marks.

    The digest of the whole is the group, where nothing else names one: the pieces of a recording or a picture stay
    together, and with the whole, which is a group of its own under the same name.
    Args:
        modality: offers ``cut(path, piece) -> bytes`` and ``cut_suffix``; not every ``ecosight.ports.Modality`` does.
    Raises: InvalidInput: this modality does not cut, or not such pieces. InputError: the file cannot be read.
    """
    cut: Any = getattr(modality, "cut", None)
    piece = found.piece
    if cut is None or piece is None:
        raise InvalidInput(f"samples of the kind {modality.name} cannot be cut", hint="Give whole files.")
    try:
        stat = found.path.stat()
        whole = _digest(found.path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise UnreadableMedia(
            f"the file cannot be read: {error.strerror or error}", hint="Check that it is there and may be read."
        ) from error
    data = cut(found.path, piece)
    suffix = getattr(modality, "cut_suffix", found.path.suffix)
    uncut = content_digest(data) == whole  # the file held this piece already
    return Piece(data=data, name=found.path.name if uncut else f"{found.path.stem} {piece.name}{suffix}", whole=whole)


@lru_cache(maxsize=64)
def _digest(path: Path, modified_ns: int, size_bytes: int) -> str:
    """Of a file that many pieces come from, once. The time and the size tell whether it is still the same."""
    del modified_ns, size_bytes
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
