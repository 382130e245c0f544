"""Owns the one look of all figures: colours, titles, axes, and turning a figure into a PNG.

Drawn with Matplotlib's objects, never through pyplot: nothing global is touched, so threads may draw at once.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GREEN",
    "GRID",
    "HUES",
    "INK",
    "MUTED",
    "ORANGE",
    "PAPER",
    "SCALE",
    "canvas",
    "canvases",
    "legend",
    "many",
    "name_axes",
    "png_bytes",
    "ruled",
    "short",
]

INK, MUTED, GRID, PAPER = "#1b2733", "#66757f", "#e4e9ed", "#ffffff"
BLUE, ORANGE, GREEN = "#2a6f97", "#d1782a", "#4c956c"
"""Three hues that the colour-blind can tell apart."""
HUES = ("#2a6f97", "#d1782a", "#4c956c", "#a4508b", "#8a6d00", "#53a7c9", "#b0413e", "#5b5ea6")
"""As many lines as are told apart by colour in one figure."""
SCALE = ("#ffffff", "#d8e8ef", "#9cc5d6", "#4f94b3", "#2a6f97", "#173f5a")
DPI = 150
HEADER_IN = 0.78
"""Inches above the axes, for title and subtitle."""
_LONGEST_LABEL = 24


def png_bytes(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, 150 dots per inch."""
    with warnings.catch_warnings():
        # A script that Matplotlib's own font lacks is drawn as boxes; that is no reason to fail or to shout.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, facecolor=PAPER)
    return buffer.getvalue()


def canvas(width: float, height: float, title: str, subtitle: str) -> tuple[Figure, Axes]:
    """A figure of that many inches with its title, and its one pair of axes."""
    figure, (axes,) = canvases(width, height, title, subtitle)
    return figure, axes


def canvases(
    width: float,
    height: float,
    title: str,
    subtitle: str,
    *,
    rows: int = 1,
    columns: int = 1,
    heights: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """The same with several axes, row by row."""
    from matplotlib.figure import Figure

    # What the marks behind intervals mean, as in the lines of text.
    subtitle += "".join(told for mark, told in (("]~", "   ~ few groups"), ("]*", "   * exact")) if mark in subtitle)
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    top = 1 - HEADER_IN / height
    figure.set_layout_engine("constrained", rect=(0, 0, 1, top), w_pad=0.12, h_pad=0.08)
    figure.text(0.16 / width, 1 - 0.2 / height, title, va="top", fontsize=14, weight="bold", color=INK)
    figure.text(0.16 / width, 1 - 0.5 / height, subtitle, va="top", fontsize=9.5, color=MUTED)
    grid = figure.subplots(rows, columns, squeeze=False, gridspec_kw={"height_ratios": heights} if heights else None)
    axes: list[Axes] = list(grid.flat)
    for each in axes:
        for side in ("top", "right", "left", "bottom"):
            each.spines[side].set_visible(False)
        each.tick_params(colors=INK, labelsize=8.5)
        each.set_facecolor(PAPER)
    return figure, axes


def ruled(axes: Axes, which: Any) -> None:
    """Fine lines behind the data, and no ticks."""
    axes.grid(axis=which, color=GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def name_axes(axes: Axes, below: str, beside: str) -> None:
    """What the axes show."""
    axes.set_xlabel(below, color=MUTED, fontsize=9)
    axes.set_ylabel(beside, color=MUTED, fontsize=9)


def legend(axes: Axes, *, loc: Any) -> None:
    """A legend without a frame."""
    axes.legend(loc=loc, frameon=False, fontsize=8.5, labelcolor=INK, handlelength=1.4)


def many(count: int, unit: str) -> str:
    """``1 sample``, ``2 samples``."""
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def short(label: str, longest: int = _LONGEST_LABEL) -> str:
    """A label that fits beside an axis."""
    return label if len(label) <= longest else label[: longest - 1] + "…"
