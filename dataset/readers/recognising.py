"""Owns which reader reads a source: the one that the user names, or the one that recognises it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points

from dataset.readers.source import Source
from dataset.readers.values import Reader
from ecosight.errors import InvalidInput
from ecosight.plugins import load_plugin

__all__ = ["FAMILY", "choose", "recognise"]

FAMILY = "ecosight.readers"


def choose(source: Source, name: str = "") -> Reader:
    """The reader for a source.

    Raises: NotFound: there is no reader of that name. InvalidInput: none recognises the source, or several do.
    """
    if name:
        named: Reader = load_plugin(FAMILY, name)
        return named
    readers = recognise(source)
    if len(readers) == 1:
        return readers[0]
    if readers:
        names = [reader.name for reader in readers]
        raise InvalidInput(
            f"{source.path} looks like {' and '.join(names)}",
            hint=f"Say which: --format {' or --format '.join(names)}.",
            formats=names,
        )
    known = ", ".join(reader.name for reader in _readers())
    raise InvalidInput(
        f"{source.path} has no layout that is known here",
        hint=f"--format names it (known: {known}); an archive must be unpacked first.",
    )


def recognise(source: Source) -> Sequence[Reader]:
    """All readers that recognise a source; those that read anything only where no other does."""
    readers = _readers()
    special = [reader for reader in readers if not reader.fallback and reader.recognises(source)]
    return special or [reader for reader in readers if reader.fallback and reader.recognises(source)]


@cache
def _readers() -> tuple[Reader, ...]:
    """All that are installed, in order of their names. Looked for once: asking for each by name takes half a second."""
    points = sorted(entry_points(group=FAMILY), key=lambda point: point.name)
    return tuple(point.load() for point in points)
