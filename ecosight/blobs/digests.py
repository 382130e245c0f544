"""What a digest must look like before it becomes part of a path or a key."""

from __future__ import annotations

import re

from ecosight.errors import IntegrityError, InvalidInput
from ecosight.ids import content_digest

__all__ = ["checked_digest", "is_digest", "verified"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def checked_digest(digest: str) -> str:
    """Raises: InvalidInput: not 64 lower-case hex digits, so no name that a store ever gave."""
    if not is_digest(digest):
        raise InvalidInput(f"{digest[:80]!r} is no content digest", hint="A digest is 64 lower-case hex digits.")
    return digest


def verified(data: bytes, digest: str) -> bytes:
    """Raises: IntegrityError: the bytes are not those that were put."""
    if content_digest(data) != digest:
        raise IntegrityError(
            f"the stored bytes of {digest} are damaged",
            hint="Delete that blob and ingest the original file again, or restore it from a backup.",
            digest=digest,
        )
    return data
