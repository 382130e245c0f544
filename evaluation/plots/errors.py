"""Owns the figure of a detector's kinds of errors: what each costs, and how many there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from evaluation.plots.look import BLUE, INK, MUTED, ORANGE, canvases, name_axes, ruled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from evaluation.detection.tide import ErrorKind
    from evaluation.estimates import Estimate

__all__ = ["error_figure"]

_TOLD = {
    "classification": "wrong class",
    "localisation": "wrong place",
    "both": "wrong class and place",
    "duplicate": "found twice",
    "background": "nothing there",
    "missed": "missed",
}


def error_figure(errors: Mapping[str, ErrorKind], map50: Estimate) -> Figure:
    """By how much mAP at overlap 0.5 would rise without each kind of error, beside how often it happens."""
    figure, (cost, count) = canvases(7.6, 3.9, "Kinds of errors", f"mAP at overlap 0.5 is {map50}", columns=2)
    rows = range(len(errors))
    for axes, values, colour, form in (
        (cost, [each.cost for each in errors.values()], ORANGE, "{:.3f}"),
        (count, [each.count for each in errors.values()], BLUE, "{:,.0f}"),
    ):
        axes.barh(rows, values, height=0.62, color=colour)
        top = max([*values, 1e-9])
        for row, value in zip(rows, values, strict=True):
            axes.text(value + 0.02 * top, row, form.format(value), va="center", fontsize=8.5, color=INK)
        axes.set(xlim=(0, top * 1.18), ylim=(len(errors) - 0.5, -0.5))
        ruled(axes, "x")
        axes.tick_params(length=0, labelcolor=MUTED, axis="x")
    cost.set_yticks(rows, [_TOLD.get(kind, kind) for kind in errors], fontsize=9, color=INK)
    count.set_yticks([])
    name_axes(cost, "mAP@.5 to be gained", "")
    name_axes(count, "errors", "")
    return figure
