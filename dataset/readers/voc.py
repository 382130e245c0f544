"""Reads Pascal VOC: one XML file for each picture, with its objects' boxes; also as CVAT exports it.

Corners are numbers of pixels, counted from 1, both of them within the box. The fold is what ImageSets/Main beside
the folder of annotations tells.
Source: Everingham et al., "The PASCAL VOC2012 Development Kit".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from dataset.readers.encoded import encoding_of
from dataset.readers.json_text import number
from dataset.readers.rows import row
from dataset.readers.source import Source
from dataset.readers.values import Box, Found, ReadOptions, Skipped
from dataset.readers.xml_tree import Node, load_xml
from ecosight.errors import InvalidInput

__all__ = ["VOC", "PascalVoc"]

_FOLDS = ("train", "val", "test")


class PascalVoc:
    """One sample an object. A damaged file costs its own picture only."""

    name = "voc"
    fallback = False

    def recognises(self, source: Source) -> bool:
        # Of thousands, a few tell: one that is cut off at its very beginning must not hide the rest.
        return any(_is_voc(source.head(path)) for path in source.notes(".xml")[:20])

    def read(self, source: Source, options: ReadOptions) -> Iterator[Found | Skipped]:
        del options
        paths = source.notes(".xml")
        folds = _folds(source, paths)
        for path in paths:
            try:
                tree = load_xml(path)
                if tree.tag != "annotation":
                    raise InvalidInput(f"line {tree.line}: <{tree.tag}> is no annotation of VOC")
            except InvalidInput as error:
                yield Skipped(path=path, reason=error.message)
                continue
            objects = tree.all("object")
            if not objects:
                yield Skipped(path=path, reason="has no objects")
            for node in objects:
                yield row(path, f"line {node.line}", lambda n=node, t=tree, p=path: _found(source, p, t, n, folds))  # type: ignore[misc]


VOC = PascalVoc()


def _is_voc(head: str) -> bool:
    return "<annotation>" in head or "<annotation " in head


def _found(source: Source, path: Path, tree: Node, node: Node, folds: Mapping[Path, Mapping[str, str]]) -> Found:
    corners = node.first("bndbox")
    if corners is None:
        raise InvalidInput("the object has no <bndbox>")
    _check_upright(node)
    size = tree.first("size")
    width, height = (int(size.number("width")), int(size.number("height"))) if size is not None else (0, 0)
    # The first pixel is 1. Tools that count from 0 write 0 for the edge, and that is the edge then.
    box = Box(
        x0=max(corners.number("xmin") - 1, 0) if corners.number("xmin") >= 0 else corners.number("xmin"),
        y0=max(corners.number("ymin") - 1, 0) if corners.number("ymin") >= 0 else corners.number("ymin"),
        x1=corners.number("xmax"),
        y1=corners.number("ymax"),
        # Some tools write 0 x 0 where they did not look.
        size=(width, height) if width and height else None,
    )
    label = node.word("name")
    if not label:
        raise InvalidInput("the object has no <name>")
    near = [path.parent, *(path.parent.parent / folder for folder in ("JPEGImages", "images", "Images", ""))]
    told = tree.word("filename")
    file = source.find(told, near=near) if told else source.beside(path, path.stem, near=near)
    if file is None:
        raise InvalidInput(f"neither <filename> nor the name of the XML tells the picture ({path.stem[:80]!r})")
    return Found(path=file, label=label, fold=_fold(path, folds), box=box)


def _check_upright(node: Node) -> None:
    """CVAT tells a turned box by its corners before the turn, and the turn as an attribute beside them."""
    told = node.first("attributes")
    for each in told.all("attribute") if told is not None else []:
        if each.word("name") == "rotation" and number(each.word("value") or 0, "the rotation"):
            raise InvalidInput("a turned box cannot be cut")


def _folds(source: Source, paths: Iterable[Path]) -> dict[Path, dict[str, str]]:
    """Folder that holds an ImageSets -> picture -> fold, for the folders that these annotations lie in or below.

    Beside Main lie lists for other tasks, such as ImageSets/Segmentation, of other pictures.
    """
    inside = (folder for path in {path.parent for path in paths} for folder in (path, *path.parents))
    within = {folder for folder in inside if folder == source.root or source.root in folder.parents}
    listed = {folder: _listed(folder / "ImageSets" / "Main") for folder in sorted(within)}
    return {folder: folds for folder, folds in listed.items() if folds}


def _listed(folder: Path) -> dict[str, str]:
    """Picture -> fold, from train.txt and the like; whoever is in two lists is in the first."""
    found: dict[str, str] = {}
    for fold in _FOLDS:
        path = folder / f"{fold}.txt"
        if path.is_file():
            for line in path.read_text(encoding_of(path), "replace").splitlines():
                if line.split():
                    found.setdefault(line.split()[0], fold)
    return found


def _fold(path: Path, folds: Mapping[Path, Mapping[str, str]]) -> str | None:
    """As the nearest ImageSets says: VOC2007 and VOC2012 have lists of their own."""
    nearest = next((folds[folder] for folder in path.parents if folder in folds), {})
    return nearest.get(path.stem)
