"""Identifiers: content digests, and random ids that sort by the time of their making."""

from __future__ import annotations

import hashlib
import secrets
import time

__all__ = ["content_digest", "new_id"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32, lower case


def content_digest(data: bytes) -> str:
    """SHA-256 of the bytes, lower-case hex, 64 characters."""
    return hashlib.sha256(data).hexdigest()


def new_id(prefix: str) -> str:
    """A fresh id such as ``job_01j9…``: 48 bits of milliseconds, then 80 random bits.

    Layout as in ULID (github.com/ulid/spec), so ids sort by time, lower-case, behind a prefix.
    """
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return prefix + "_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
