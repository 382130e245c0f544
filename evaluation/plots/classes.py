"""Owns the figure of every class's figures with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evaluation.plots.look import BLUE, INK, MUTED, canvas, ruled, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from evaluation.estimates import Estimate

__all__ = ["class_figure"]

PALE = ("#a8cdb9", "#7fb2ce", "#eabd92")
"""Fillings on which the ink of an interval is seen."""
_TOLD = {"precision": "precision", "recall": "recall", "f1": "F1", "ap50": "AP@.5", "ap": "AP@.5:.95"}
_MOST_BARS = 20
"""With more classes than this, a class is one line: its last figure alone, worst first."""


def class_figure(
    per_class: Mapping[str, Any], names: Sequence[str] = ("precision", "recall", "f1"), unit: str = "n"
) -> Figure:
    """Up to three figures of every class with their intervals; the number of test samples or boxes beside it.

    Args:
        per_class: label -> an object with an Estimate under each of ``names`` and with ``support``.
    """
    return _bars(per_class, names, unit) if len(per_class) <= _MOST_BARS else _dots(per_class, names[-1], unit)


def _bars(per_class: Mapping[str, Any], names: Sequence[str], unit: str) -> Figure:
    classes = list(per_class.items())
    height = max(2.8, 1.5 + 0.62 * len(classes))
    figure, axes = canvas(7.6, height, "Classes", "95% intervals over resampled groups")
    step = 0.75 / len(names)
    for offset, (name, colour) in enumerate(zip(names, PALE, strict=False)):
        estimates: list[Estimate] = [getattr(figures, name) for _, figures in classes]
        rows = [row + (offset - (len(names) - 1) / 2) * step for row in range(len(classes))]
        axes.barh(rows, [each.value or 0.0 for each in estimates], height=step * 0.88, color=colour, label=_TOLD[name])
        _intervals(axes, rows, estimates)
        for row, estimate in zip(rows, estimates, strict=True):
            if estimate.value is None:
                axes.text(0.008, row, f"no {_TOLD[name]}", va="center", fontsize=7, color=MUTED)
    _rows(axes, classes, unit, 8.5)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=3,
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
        handlelength=1.2,
    )
    return figure


def _dots(per_class: Mapping[str, Any], name: str, unit: str) -> Figure:
    classes = sorted(per_class.items(), key=lambda item: (getattr(item[1], name).value is not None, _value(item, name)))
    told = f"{_TOLD[name]} of {len(classes)} classes, lowest first; 95% intervals over resampled groups"
    figure, axes = canvas(7.6, 1.5 + 0.2 * len(classes), "Classes", told)
    estimates = [getattr(figures, name) for _, figures in classes]
    known = [row for row, each in enumerate(estimates) if each.value is not None]
    _intervals(axes, list(range(len(classes))), estimates)
    axes.scatter([estimates[row].value for row in known], known, s=22, color=BLUE, zorder=3)
    for row in set(range(len(classes))) - set(known):
        axes.text(0.008, row, f"no {_TOLD[name]}", va="center", fontsize=7, color=MUTED)
    _rows(axes, classes, unit, 7.5)
    return figure


def _value(item: tuple[str, Any], name: str) -> float:
    return getattr(item[1], name).value or 0.0


def _rows(axes: Axes, classes: Sequence[tuple[str, Any]], unit: str, fontsize: float) -> None:
    for row, (_, figures) in enumerate(classes):
        axes.text(1.045, row, f"{unit} = {figures.support}", va="center", fontsize=fontsize, color=MUTED)
    axes.set_yticks(range(len(classes)), [short(label) for label, _ in classes], fontsize=fontsize, parse_math=False)
    axes.set(xlim=(0, 1.0), ylim=(len(classes) - 0.45, -0.55))
    axes.xaxis.set_major_formatter("{x:.0%}")
    ruled(axes, "x")
    axes.tick_params(axis="y", length=0)


def _intervals(axes: Axes, rows: Sequence[float], estimates: Sequence[Estimate]) -> None:
    known = [
        (row, e.low, e.high) for row, e in zip(rows, estimates, strict=True) if e.low is not None and e.high is not None
    ]
    if known:
        at, low, high = (list(column) for column in zip(*known, strict=True))
        axes.hlines(at, low, high, color=INK, linewidth=1.1)
        for ends in (low, high):
            axes.plot(ends, at, "|", color=INK, markersize=4.5, markeredgewidth=1.1)
