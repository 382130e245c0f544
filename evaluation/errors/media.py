"""Owns which samples a page can show or play by itself: their bytes as ``data:`` addresses, within a limit."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable

from ecosight.errors import InputError, IntegrityError, NotFound

__all__ = ["ReadMedia", "embed"]

ReadMedia = Callable[[str], tuple[str, bytes]]
"""Sample id -> IANA media type and bytes. May raise InputError, NotFound, IntegrityError."""

_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")


def embed(sample_ids: Iterable[str], read: ReadMedia, *, most_bytes: int, each_bytes: int) -> dict[str, str]:
    """Sample id -> ``data:`` address, each once, in the order given until the page is full.

    Args:
        most_bytes, each_bytes: of the raw files, all together and each; what is larger is left out.
    Returns: samples that cannot be read are left out; a page with the others is better than none.
    """
    made: dict[str, str] = {}
    left = most_bytes
    for sample_id in sample_ids:
        if sample_id in made:
            continue
        try:
            media_type, data = read(sample_id)
        except (InputError, NotFound, IntegrityError):
            continue
        if len(data) > min(left, each_bytes) or not _TYPE.fullmatch(media_type):
            continue
        left -= len(data)
        made[sample_id] = f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
    return made
