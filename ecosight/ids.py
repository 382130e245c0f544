"""Identifiers: content digests, and random ids that sort by the time of their making."""

from __future__ import annotations

import hashlib
import secrets
import time

__all__ = ["age_s", "content_digest", "new_id"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32, lower case


def content_digest(data: bytes) -> str:
    """SHA-256 of the bytes, lower-case hex, 64 characters."""
    return hashlib.sha256(data).hexdigest()


def age_s(identity: str) -> float | None:
    """How long ago an id of ``new_id`` was made, by this machine's clock; None: it is no such id."""
    figures = [_ALPHABET.find(each) for each in identity.rpartition("_")[2][:10]]
    if len(identity.rpartition("_")[2]) != 26 or -1 in figures:
        return None
    milliseconds = 0
    for figure in figures:
        milliseconds = milliseconds << 5 | figure
    return time.time() - milliseconds / 1000


def new_id(prefix: str) -> str:
    """A fresh id such as ``job_01j9…``: 48 bits of milliseconds, then 80 random bits.

    Layout as in ULID (github.com/ulid/spec), so ids sort by time, lower-case, behind a prefix.
    """
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return prefix + "_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
