"""Owns reading XML of others into a small tree that knows its lines. A DTD is refused, and entities with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from dataset.readers.json_text import number
from ecosight.errors import InvalidInput

__all__ = ["Node", "load_xml"]

_DEEPEST = 100


@dataclass(slots=True)
class Node:
    """One element: its name, attributes, text, children, and the line that it begins in."""

    tag: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, tag: str) -> list[Node]:
        return [child for child in self.children if child.tag == tag]

    def first(self, tag: str) -> Node | None:
        return next((child for child in self.children if child.tag == tag), None)

    def word(self, tag: str) -> str:
        """The text of the first child with this name; empty where there is none."""
        child = self.first(tag)
        return child.text.strip() if child else ""

    def number(self, tag: str) -> float:
        """The number in a child. Raises: InvalidInput: there is none."""
        return number(self.word(tag) or None, f"<{tag}> in <{self.tag}>")

    def attribute(self, name: str) -> float:
        """The number in an attribute. Raises: InvalidInput: there is none."""
        return number(self.attributes.get(name), f"the attribute {name} of <{self.tag}>")


def load_xml(path: Path) -> Node:
    """The root element of a file.

    Raises: InvalidInput: it is cut off or no XML; or has a DTD, which could make it unpack to any size, or read
        other files.
    """
    builder = _Builder(path)
    try:
        builder.parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        what = expat.errors.messages[error.code]
        raise InvalidInput(
            f"{path.name} is no whole XML file: line {error.lineno}, column {error.offset + 1}: {what}",
            hint="Was it cut off on its way? Export it again.",
        ) from error
    except (OSError, ValueError, LookupError) as error:
        raise InvalidInput(f"{path.name} cannot be read: {error}", hint="Is it an annotation file?") from error
    assert builder.root is not None  # expat reports a file without an element itself
    return builder.root


class _Builder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.root: Node | None = None
        self._open: list[Node] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._forbidden
        self.parser.EntityDeclHandler = self._forbidden

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        node = Node(tag, self.parser.CurrentLineNumber, dict(attributes))
        if len(self._open) >= _DEEPEST:
            raise InvalidInput(f"{self.path.name}: line {node.line}: elements are nested too deep")
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _characters(self, data: str) -> None:
        self._open[-1].text += data

    def _forbidden(self, *_: Any) -> None:
        raise InvalidInput(
            f"{self.path.name}: line {self.parser.CurrentLineNumber}: it declares a document type (DTD)",
            hint="Annotation files need none, and entities in it can do harm; remove the <!DOCTYPE …> if you trust it.",
        )
