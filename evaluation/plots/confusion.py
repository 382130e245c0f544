"""Owns the figure of a confusion matrix, readable from 2 to some 60 classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.plots.look import GRID, INK, MUTED, PAPER, SCALE, canvas, many, name_axes, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from evaluation.report import ClassificationReport

__all__ = ["confusion_figure"]

_SHARED_CLASSES = 12
"""Up to so many classes, a cell shows its share of the true class beneath the count."""
_NUMBERED_CLASSES = 60
"""With more classes than this, cells are colours only."""
_LARGEST_IN = 21.0


def confusion_figure(report: ClassificationReport) -> Figure:
    """Rows are the truth and sum to 1 in colour; the numbers are samples, and their share of the row where it fits."""
    from matplotlib.colors import LinearSegmentedColormap

    labels, counts = [short(label) for label in report.labels], report.confusion
    size = len(labels)
    side = max(4.6, 2.6 + 0.62 * min(size, _SHARED_CLASSES) + 0.26 * max(0, size - _SHARED_CLASSES))
    side = min(_LARGEST_IN, side)
    told = f"accuracy {report.accuracy}, {many(report.n, 'sample')}"
    figure, axes = canvas(side + 0.6, side, "Confusion", told + _mixed_up(report))
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    colours = LinearSegmentedColormap.from_list("ecosight", SCALE)
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1, aspect="equal")
    small = 9.0 if size <= _SHARED_CLASSES else max(4.0, min(9.0, 24 * (side - 2.6) / size))
    if size <= _NUMBERED_CLASSES:
        _number(axes, counts, shares, size, small)
    if size > _SHARED_CLASSES:
        _name_shares(axes, shares, small)
    axes.set_xticks(
        range(size), labels, rotation=45, ha="right", rotation_mode="anchor", fontsize=small, parse_math=False
    )
    axes.set_yticks(range(size), labels, fontsize=small, parse_math=False)
    axes.set_xticks([edge - 0.5 for edge in range(1, size)], minor=True)
    axes.set_yticks([edge - 0.5 for edge in range(1, size)], minor=True)
    axes.grid(which="minor", color=GRID, linewidth=0.8)
    axes.tick_params(which="both", length=0)
    name_axes(axes, "predicted", "true class")
    bar = figure.colorbar(image, ax=axes, shrink=min(0.6, 5 / side), aspect=24, pad=0.03, format="{x:.0%}")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, labelcolor=MUTED)
    bar.set_label("share of the true class", color=MUTED, fontsize=8)
    return figure


def _number(
    axes: Axes, counts: tuple[tuple[int, ...], ...], shares: list[list[float]], size: int, fontsize: float
) -> None:
    for row, column in ((r, c) for r in range(size) for c in range(size) if counts[r][c]):
        told = str(counts[row][column])
        if size <= _SHARED_CLASSES:
            told += f"\n{shares[row][column]:.0%}"
        axes.text(
            column,
            row,
            told,
            ha="center",
            va="center",
            color=PAPER if shares[row][column] > 0.5 else INK,
            fontsize=fontsize,
            weight="bold" if row == column else "normal",
            linespacing=1.25,
        )


def _name_shares(axes: Axes, shares: list[list[float]], fontsize: float) -> None:
    """The share of each class that is right, beside its row; colour alone says the others."""
    right = axes.secondary_yaxis("right")
    told = [f"{row[at]:.0%}" if sum(row) else "none" for at, row in enumerate(shares)]
    right.set_yticks(range(len(told)), told, fontsize=fontsize, color=MUTED)
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)
    right.set_ylabel("right", color=MUTED, fontsize=9)


def _mixed_up(report: ClassificationReport) -> str:
    """The three most frequent mistakes, where there are too many cells to see them at once."""
    if len(report.labels) <= _SHARED_CLASSES:
        return ""
    mistakes = sorted(
        (-count, report.labels[row], report.labels[column])
        for row, line in enumerate(report.confusion)
        for column, count in enumerate(line)
        if row != column and count
    )
    told = ", ".join(f"{short(true)} as {short(said)} ({-count})" for count, true, said in mistakes[:3])
    return f"; most often mistaken: {told}" if told else ""
