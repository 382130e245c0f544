"""Text from outside: arguments of commands, names of clients and files."""

from __future__ import annotations

import re

__all__ = ["one_line", "storable"]

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def storable(text: str) -> str:
    """Without what a database or UTF-8 cannot hold: NUL, and the halves of characters by which Python spells bytes
    that are no text. Each becomes U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """What a person says, as it can be stored and shown: control characters, which terminals obey, become a space."""
    return storable(_CONTROL.sub(" ", text)).strip()
