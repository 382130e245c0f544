"""Owns boxes: absolute x, y, width, height in pixels, x and y of the upper left corner, and how much two overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosight.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Boxes = Sequence[Sequence[float]] | NDArray[Any]

__all__ = ["FoundBoxes", "Scene", "TrueBoxes", "overlap", "rows_by"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrueBoxes:
    """What is there: one row a box.

    Attributes:
        image, label: the picture and the class of each box.
        box: (n, 4), pixels.
        crowd: boxes around many animals at once; any number of detections may lie in one, and none of them counts.
        ignore: boxes that are not asked for (too far, cut off): neither missing nor finding them counts.
        area: square pixels, where it is known better than width times height; it decides small, medium or large.
    """

    image: Sequence[str]
    label: Sequence[str]
    box: Boxes
    crowd: Sequence[bool] | NDArray[Any] | None = None
    ignore: Sequence[bool] | NDArray[Any] | None = None
    area: Sequence[float] | NDArray[Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundBoxes:
    """What a detector found: one row a box. ``score``: how sure it was, higher is surer."""

    image: Sequence[str]
    label: Sequence[str]
    box: Boxes
    score: Sequence[float] | NDArray[Any]


class Scene:
    """Boxes of a test part as arrays; pictures and classes as positions in ``images`` and ``labels``, both sorted.

    Pictures that are named by numbers, as COCO does, are sorted by them: 2 before 10.

    Boxes found come sorted by falling score, of equals by picture, then in the order they were given.

    Raises: InvalidInput: lengths differ, a box is no box, a score or area is no number, a picture or class is not
        listed.
    """

    def __init__(
        self, truth: TrueBoxes, found: FoundBoxes, images: Sequence[str], labels: Sequence[str] | None
    ) -> None:
        self.images = sorted(images, key=_by_number)
        self.labels = sorted({*truth.label, *found.label}) if labels is None else sorted(labels)
        for name, values in (("picture", self.images), ("class", self.labels)):
            if len(set(values)) != len(values):
                raise InvalidInput(f"a {name} is listed twice")
        self.true_image = _positions(truth.image, self.images, "picture")
        self.true_label = _positions(truth.label, self.labels, "class")
        self.true_box = _checked(truth.box, len(truth.image), len(truth.label), "true")
        count = len(self.true_box)
        self.crowd = _column(truth.crowd, count, "crowd", bool)
        self.ignore = _column(truth.ignore, count, "ignore", bool) | self.crowd
        known = None if truth.area is None else _column(truth.area, count, "area", float)
        self.true_area = self.true_box[:, 2] * self.true_box[:, 3] if known is None else known
        if not (np.isfinite(self.true_area) & (self.true_area >= 0)).all():
            raise InvalidInput(
                "the area of a true box is no number of square pixels", hint="Leave out what is unknown."
            )
        boxes = _checked(found.box, len(found.image), len(found.label), "found")
        score = _column(found.score, len(boxes), "score", float)
        if not np.isfinite(score).all():
            raise InvalidInput(f"the score of found box {int((~np.isfinite(score)).argmax())} is no number")
        image = _positions(found.image, self.images, "picture")
        order = np.lexsort((image, -score))
        self.score, self.found_box, self.found_image = score[order], boxes[order], image[order]
        self.found_label = _positions(found.label, self.labels, "class")[order]
        self.found_area = self.found_box[:, 2] * self.found_box[:, 3]


def overlap(found: NDArray[np.float64], true: NDArray[np.float64], crowd: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Intersection over union of each pair of boxes; over the area of the found box alone where the true is a crowd.

    Input: found, (d, 4). true, (g, 4). crowd, bool (g,).
    Returns: float64 (d, g), 0 to 1.
    """
    x, y, width, height = (found[:, k, None] for k in range(4))
    tx, ty, twidth, theight = (true[None, :, k] for k in range(4))
    across = np.minimum(x + width, tx + twidth) - np.maximum(x, tx)
    down = np.minimum(y + height, ty + theight) - np.maximum(y, ty)
    both = np.where((across > 0) & (down > 0), across * down, 0.0)
    area = width * height
    either = np.where(crowd[None, :], area, area + twidth * theight - both)
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def rows_by(key: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Key -> its rows, in their order. Input: key, int (n,)."""
    order = np.argsort(key, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(key[order])) + 1) if len(order) else []
    return {int(key[each[0]]): each for each in rows}


def _by_number(name: str) -> tuple[bool, int, str, str]:
    digits = name.lstrip("0") if name.isdecimal() else ""
    return not name.isdecimal(), len(digits), digits, name


def _positions(names: Sequence[str], known: Sequence[str], what: str) -> NDArray[np.int64]:
    at = {name: index for index, name in enumerate(known)}
    missing = next((name for name in names if name not in at), None)
    if missing is not None:
        raise InvalidInput(f"a box is of the {what} {missing!r}, which is not listed", hint=f"List every {what}.")
    return np.array([at[name] for name in names], dtype=np.int64)


def _checked(boxes: Any, images: int, labels: int, what: str) -> NDArray[np.float64]:
    table = np.asarray(boxes, dtype=np.float64)
    table = table.reshape(0, 4) if table.size == 0 else table
    if table.ndim != 2 or table.shape[1] != 4 or not len(table) == images == labels:
        raise InvalidInput(
            f"{what} boxes of shape {table.shape} do not fit {images} pictures and {labels} labels",
            hint="One row a box: x, y, width, height in pixels.",
        )
    bad = ~np.isfinite(table).all(axis=1) | (table[:, 2:] < 0).any(axis=1)
    if bad.any():
        raise InvalidInput(
            f"{what} box {int(bad.argmax())} is {table[bad.argmax()].tolist()}, which is no box",
            hint="x, y, width, height in pixels; not the coordinates of two corners.",
        )
    return table


def _column(values: Any, count: int, what: str, kind: Any) -> NDArray[Any]:
    column = np.zeros(count, kind) if values is None else np.asarray(values, dtype=kind)
    if column.shape != (count,):
        raise InvalidInput(f"{what} holds {column.size} values for {count} boxes")
    return column
