"""Owns reliability diagrams: of the top answer, and of every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evaluation.plots.look import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    canvases,
    legend,
    name_axes,
    ruled,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from evaluation.estimates import Estimate
    from evaluation.report import CalibrationBin, ClassificationReport

__all__ = ["class_reliability_figure", "reliability_figure"]

_MOST_PANELS = 12


def reliability_figure(report: ClassificationReport) -> Figure:
    """How often answers are right, against how sure the model was; below, how many answers there are."""
    figure, (above, below) = canvases(
        5.6, 6.0, "Calibration", f"expected calibration error {report.ece}", rows=2, heights=(3.4, 1)
    )
    bins = [each for each in report.calibration if each.count]
    _diagram(above, bins, 24, 150)
    above.plot([], [], color=ORANGE, linewidth=1.6, label="gap")
    legend(above, loc="upper left")
    name_axes(above, "", "share that is right")
    below.bar(
        [each.low for each in bins],
        [each.count for each in bins],
        width=0.9 / len(report.calibration),
        align="edge",
        color=BLUE,
        alpha=0.85,
    )
    below.set(xlim=above.get_xlim())
    name_axes(below, "confidence", "samples")
    below.xaxis.set_major_formatter("{x:.0%}")
    ruled(below, "both")
    return figure


def class_reliability_figure(
    class_calibration: Mapping[str, Sequence[CalibrationBin]], classwise_ece: Estimate
) -> Figure:
    """The same for the probability of every class, said or not; of more than 12, those that are furthest off."""
    order = sorted(class_calibration, key=lambda label: -_gap(class_calibration[label]))
    shown = order[:_MOST_PANELS]
    columns = min(4, max(1, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    told = f"class-wise calibration error {classwise_ece}, of each class above it"
    told += f"; the {len(shown)} furthest off of {len(order)} classes" if len(order) > len(shown) else ""
    width = max(5.2, 2.5 * columns + 0.5)
    figure, grid = canvases(width, 2.6 * rows + 0.9, "Calibration of the classes", told, rows=rows, columns=columns)
    for index, axes in enumerate(grid):
        if index >= len(shown):
            axes.set_visible(False)
            continue
        _diagram(axes, class_calibration[shown[index]], 10, 70)
        axes.set_title(short(shown[index], 20), fontsize=9, color=INK, loc="left", parse_math=False)
        axes.set_title(f"{_gap(class_calibration[shown[index]]):.3f}", fontsize=8, color=MUTED, loc="right")
        axes.set(xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        name_axes(axes, "probability" if index + columns >= len(shown) else "", "share" if index % columns == 0 else "")
    return figure


def _diagram(axes: Axes, bins: Sequence[CalibrationBin], least: float, more: float) -> None:
    sure, right = [each.confidence or 0.0 for each in bins], [each.accuracy or 0.0 for each in bins]
    largest = max((each.count for each in bins), default=1)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="perfectly calibrated")
    axes.vlines(sure, sure, right, color=ORANGE, linewidth=1.6, alpha=0.8)
    axes.scatter(
        sure,
        right,
        s=[least + more * each.count / largest for each in bins],
        color=BLUE,
        edgecolor=PAPER,
        linewidth=1,
        zorder=3,
        label="15 bins of confidence, size = samples",
    )
    axes.set(xlim=(-0.02, 1.03), ylim=(-0.03, 1.04))
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    ruled(axes, "both")


def _gap(bins: Sequence[CalibrationBin]) -> float:
    n = sum(each.count for each in bins)
    return sum(each.count * abs((each.confidence or 0.0) - (each.accuracy or 0.0)) for each in bins) / max(1, n)
