"""Owns the encoding of text files of others: UTF-8, or what the mark at the beginning says."""

from __future__ import annotations

import codecs
from pathlib import Path

__all__ = ["encoding_of"]


# The longer marks first: one of them begins with a shorter one.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def encoding_of(path: Path) -> str:
    """What to open a text file with. Spreadsheets and Windows write UTF-16 too, with its mark at the beginning.

    Raises: OSError: it cannot be read.
    """
    with path.open("rb") as file:
        begin = file.read(4)
    return next((name for mark, name in _MARKS.items() if begin.startswith(mark)), "utf-8-sig")
