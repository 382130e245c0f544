"""Owns what a reader gives: one value for each sample that a source names, and one for each that it cannot give."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ecosight.errors import InvalidInput

if TYPE_CHECKING:
    from dataset.readers.source import Source

__all__ = ["Box", "Found", "ReadOptions", "Reader", "Skipped", "Span", "Survey"]

_ROUNDING_PX = 1.0
"""How far a box may reach over an edge: tools count pixels from 0 or from 1, and round."""
_ROUNDING_SHARE = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of a recording.

    Attributes:
        start_s, end_s: from the beginning of the file, in seconds.
        low_hz, high_hz: the band that was marked, if one was. The piece keeps all frequencies.
        maybe_cut: the file may hold this piece alone already, as downloads of single clips do.
    Raises: InvalidInput: it has no length, or is before the beginning.
    """

    start_s: float
    end_s: float
    low_hz: float | None = None
    high_hz: float | None = None
    maybe_cut: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s) and 0 <= self.start_s < self.end_s):
            raise InvalidInput(f"the span from {self.start_s:g} s to {self.end_s:g} s is no piece of a recording")
        band = (self.low_hz or 0.0, math.inf if self.high_hz is None else self.high_hz)
        if not 0 <= band[0] < band[1]:
            raise InvalidInput(f"the band from {band[0]:g} Hz to {band[1]:g} Hz is none")

    @property
    def name(self) -> str:
        """For people, as part of a file name."""
        return f"{self.start_s:.3f}-{self.end_s:.3f}s"

    def as_dict(self) -> dict[str, Any]:
        """As JSON, without what is not known."""
        told = {"start_s": self.start_s, "end_s": self.end_s, "low_hz": self.low_hz, "high_hz": self.high_hz}
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in a picture: x to the right and y down from the upper left corner; x1 and y1 are behind it.

    Attributes:
        unit: ``px``, or ``share`` of the picture's width and height (0 to 1).
        size: width and height of the picture in pixels as its annotation tells them; None where it does not.
    Raises: InvalidInput: it has no area, or is not in the picture.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    unit: Literal["px", "share"] = "px"
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        corners = (self.x0, self.y0, self.x1, self.y1)
        shown = ", ".join(f"{each:g}" for each in corners)
        if not all(map(math.isfinite, corners)) or self.x1 <= self.x0 or self.y1 <= self.y0:
            raise InvalidInput(f"the box {shown} has no area")
        if self.size is not None and min(self.size) <= 0:
            raise InvalidInput(f"the picture is said to have {self.size[0]} x {self.size[1]} pixels")
        width, height = (1, 1) if self.unit == "share" else self.size or (math.inf, math.inf)
        slack = _ROUNDING_SHARE if self.unit == "share" else _ROUNDING_PX
        if min(self.x0, self.y0) < -slack or self.x1 > width + slack or self.y1 > height + slack:
            whole = "" if self.unit == "share" or self.size is None else f" of {width} x {height} pixels"
            raise InvalidInput(f"the box {shown} reaches out of the picture{whole}")

    @property
    def name(self) -> str:
        """For people, as part of a file name."""
        digits = 4 if self.unit == "share" else 0
        return ",".join(f"{each:.{digits}f}" for each in (self.x0, self.y0, self.x1, self.y1))

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"x0": self.x0, "y0": self.y0, "x1": self.x1, "y1": self.y1, "unit": self.unit}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One sample that is to be read: a file or a piece of it, and what its source says about it.

    Attributes:
        label: what it is. others: further labels, where the source gives several; one must be chosen.
        group: the recording, burst or site, if the source names it. station: the place or sensor.
        captured_at: aware; None where it is not told.
        fold: the part of the publisher's own split. part: ``train``, ``val`` or ``test``, where the fold decides.
        annotators: how many people gave the label; None where it is not told.
        span, box: the piece; at most one of them. boxes: those on a picture that is kept whole, all of its label.
    """

    path: Path
    label: str
    others: tuple[str, ...] = ()
    group: str | None = None
    station: str | None = None
    captured_at: datetime | None = None
    fold: str | None = None
    part: str | None = None
    annotators: int | None = None
    span: Span | None = None
    box: Box | None = None
    boxes: tuple[Box, ...] = ()

    @property
    def piece(self) -> Span | Box | None:
        return self.span or self.box

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is kept with the sample, as JSON: where it was, its fold, what it was cut from, the boxes on it."""
        cut = {"from": self.path.name, **self.piece.as_dict()} if self.piece else None
        boxes = [{**each.as_dict(), "size": each.size and list(each.size)} for each in self.boxes] or None
        told = {"station": self.station, "fold": self.fold, "piece": cut, "boxes": boxes}
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """One file, or one row of a file, that is not read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What lies at a source.

    Attributes:
        found: the samples to read, in the order of their paths. skipped: what was passed over.
        format: the name of the reader.
        base: the folder that shown paths are relative to.
    """

    found: tuple[Found, ...]
    skipped: tuple[Skipped, ...]
    format: str = ""
    base: Path = Path()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How to read.

    Attributes:
        extensions: of the modality's files; lower case, with the dot.
        label_column: the column of a table that holds the label, where the format leaves that open.
        told: the user named the format himself, so a doubtful layout is taken as it is.
    """

    extensions: Collection[str]
    label_column: str = ""
    told: bool = False


class Reader(Protocol):
    """One layout that labelled files come in: a plug-in of the family ``ecosight.readers``. Stateless.

    Attributes:
        name: as in ``--format NAME``. fallback: only asked where no other reader recognises the source.
    """

    name: str
    fallback: bool

    def recognises(self, source: Source) -> bool:
        """Whether the source looks like it, from names and the beginnings of files. Never raises for bad contents."""
        ...

    def read(self, source: Source, options: ReadOptions) -> Iterator[Found | Skipped]:
        """All samples that the source names. One bad row is skipped with its line or element.

        Raises: InvalidInput: a file as a whole cannot be understood.
        """
        ...
