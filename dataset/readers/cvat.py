"""Reads CVAT's XML for images (1.1): boxes, and tags for whole pictures.

Source: docs.cvat.ai, "XML annotation format".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dataset.readers.coco import fold_in
from dataset.readers.json_text import number
from dataset.readers.rows import row
from dataset.readers.source import Source
from dataset.readers.values import Box, Found, ReadOptions, Skipped
from dataset.readers.xml_tree import Node, load_xml
from ecosight.errors import InvalidInput

__all__ = ["CVAT", "Cvat"]


class Cvat:
    """One sample a box or tag; the fold is the subset that an image names."""

    name = "cvat"
    fallback = False

    def recognises(self, source: Source) -> bool:
        return bool(self._files(source))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Found | Skipped]:
        del options
        for path in self._files(source) or source.notes(".xml"):
            tree = load_xml(path)
            if tree.tag != "annotations" or tree.first("track") is not None:
                what = "is an annotation of a video" if tree.first("track") else f"begins with <{tree.tag}>"
                raise InvalidInput(f"{path.name} {what}", hint="Export it as `CVAT for images 1.1`.")
            for image in tree.all("image"):
                yield from _read(source, path, image)

    def _files(self, source: Source) -> list[Path]:
        return [path for path in source.notes(".xml") if "<annotations>" in source.head(path)]


CVAT = Cvat()


def _read(source: Source, path: Path, image: Node) -> Iterator[Found | Skipped]:
    shapes = image.children
    if not shapes:
        yield Skipped(path=path, reason=f"line {image.line}: the image has neither a box nor a tag")
    # A turned or drawn outline is no rectangle of pixels; it is told, not guessed.
    tags = {node.attributes.get("label", "") for node in image.all("tag")}
    if len(tags) > 1:
        yield Skipped(
            path=path, reason=f"line {image.line}: the image has {len(tags)} tags ({', '.join(sorted(tags))})"
        )
    for node in shapes:
        if node.tag != "tag" or (len(tags) == 1 and node is image.first("tag")):
            yield row(path, f"line {node.line}", lambda n=node: _found(source, path, image, n))  # type: ignore[misc]


def _found(source: Source, path: Path, image: Node, node: Node) -> Found:
    if node.tag not in ("box", "tag"):
        raise InvalidInput(f"a {node.tag} is no box")
    if number(node.attributes.get("rotation") or 0, "the rotation"):
        raise InvalidInput("a turned box cannot be cut")
    label = node.attributes.get("label", "").strip()
    if not label:
        raise InvalidInput(f"the {node.tag} has no label")
    box = None
    if node.tag == "box":
        size = (int(image.attribute("width")), int(image.attribute("height")))
        x0, y0, x1, y1 = (node.attribute(name) for name in ("xtl", "ytl", "xbr", "ybr"))
        box = Box(x0=x0, y0=y0, x1=x1, y1=y1, size=size)
    subset = image.attributes.get("subset", "")
    near = [path.parent / folder for folder in ("images", f"images/{subset}", "")]
    file = source.find(image.attributes.get("name", ""), near=near)
    return Found(path=file, label=label, fold=fold_in(subset), box=box)
