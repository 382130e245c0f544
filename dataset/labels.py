"""Owns what a label, a group and a shown file name may look like."""

from __future__ import annotations

import unicodedata

from ecosight.errors import InvalidInput

__all__ = ["MAX_LABEL", "check_group", "check_label", "composed", "shown_name"]

MAX_LABEL = 64
_MAX_GROUP = 200
_MAX_NAME = 255


def check_label(label: str) -> str:
    """The label as it is stored: trimmed, and composed (NFC), so that one name has one spelling.

    Letters of every script, digits, spaces and marks are welcome.
    Raises: InvalidInput: empty, longer than 64 characters, a path or part of one, or with control characters.
    """
    clean = composed(label)
    if fault := _fault(clean, MAX_LABEL) or _path_fault(clean):
        raise InvalidInput(
            f"the label {_quoted(label)} {fault}",
            hint="A label is a plain name of at most 64 characters, such as dog_bark.",
            label=label[:_MAX_NAME],
        )
    return clean


def check_group(group: str, what: str = "group") -> str:
    """The name of a recording, burst or site (``what`` it is called) as it is stored: trimmed and composed (NFC).

    Raises: InvalidInput: empty, longer than 200 characters, or with control characters.
    """
    clean = composed(group)
    if fault := _fault(clean, _MAX_GROUP):
        raise InvalidInput(
            f"the {what} {_quoted(group)} {fault}",
            hint="A group names the recording or the site that a sample belongs to.",
            group=group[:_MAX_NAME],
        )
    return clean


def composed(name: str) -> str:
    """A name that others wrote, such as a station's: trimmed and composed (NFC), so that it has one spelling."""
    return unicodedata.normalize("NFC", name).strip()


def shown_name(source: str) -> str:
    """A file name fit to be shown: its last part, without control characters, at most 255 characters.

    It is told by clients, so it is never used as a path.
    """
    last = source.replace("\\", "/").rsplit("/", 1)[-1]
    clean = "".join(character for character in last if not _is_control(character)).strip()
    return clean[:_MAX_NAME] or "unnamed"


def _fault(text: str, limit: int) -> str:
    if not text:
        return "is empty"
    if len(text) > limit:
        return f"has {len(text)} characters, more than {limit}"
    if any(map(_is_control, text)):
        return "holds control or invisible characters"
    return ""


def _path_fault(text: str) -> str:
    if "/" in text or "\\" in text:
        return "looks like a path"
    if text == "-":
        return "stands for no label in tables"  # and for a sample that is taken out, in the decisions of a merge
    return "begins with a dot" if text.startswith(".") else ""


def _is_control(character: str) -> bool:
    # C*: control, format (direction marks), surrogate, private, unassigned; Zl and Zp end lines.
    category = unicodedata.category(character)
    return category.startswith("C") or category in ("Zl", "Zp")


def _quoted(text: str) -> str:
    return ascii(text if len(text) <= 80 else text[:77] + "...") if not text.isprintable() else repr(text[:80])
