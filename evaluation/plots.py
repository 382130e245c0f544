"""Owns the figures of an evaluation: confusion, calibration, classes and learning curves, as PNG files.

Drawn with Matplotlib's objects, never through pyplot: nothing global is touched, so threads may draw at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evaluation.report import ClassificationReport, Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["class_figure", "confusion_figure", "learning_figure", "reliability_figure", "write_plots"]

INK, MUTED, GRID, PAPER = "#1b2733", "#66757f", "#e4e9ed", "#ffffff"
BLUE, ORANGE, GREEN = "#2a6f97", "#d1782a", "#4c956c"
"""Three hues that the colour-blind can tell apart."""
PALE = {"precision": "#a8cdb9", "recall": "#7fb2ce", "f1": "#eabd92"}
"""Fillings on which the ink of an interval is seen."""
_TOLD = {"precision": "precision", "recall": "recall", "f1": "F1"}
SCALE = ("#ffffff", "#d8e8ef", "#9cc5d6", "#4f94b3", "#2a6f97", "#173f5a")
DPI = 150
HEADER_IN = 0.78
"""Inches above the axes, for title and subtitle."""
_LONGEST_LABEL = 24
_NUMBERED_CLASSES = 25
"""With more classes than this, a confusion matrix shows colours only."""


def write_plots(
    report: ClassificationReport, folder: Path, *, history: Mapping[str, Sequence[float]] | None
) -> list[Path]:
    """Write the figures of a report into a folder, which is made if it is missing.

    Args:
        history: learning curves by epoch (``loss``, ``val_loss``, ``accuracy``, ``learning_rate``, …), or None.
    Returns: the files: confusion.png, reliability.png, per_class.png, and learning_curves.png with a history.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "confusion.png": confusion_figure(report),
        "reliability.png": reliability_figure(report),
        "per_class.png": class_figure(report),
    }
    if history and any(len(curve) for curve in history.values()):
        figures["learning_curves.png"] = learning_figure(history)
    with warnings.catch_warnings():
        # A script that Matplotlib's own font lacks is drawn as boxes; that is no reason to fail or to shout.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        for name, figure in figures.items():
            figure.savefig(folder / name, dpi=DPI, facecolor=PAPER)
    return [folder / name for name in figures]


def confusion_figure(report: ClassificationReport) -> Figure:
    """Rows are the truth and sum to 1 in colour; the numbers are samples."""
    from matplotlib.colors import LinearSegmentedColormap

    labels, counts = [_short(label) for label in report.labels], report.confusion
    size = len(labels)
    side = min(20.0, max(4.6, 2.6 + 0.52 * size))
    figure, axes = _canvas(side + 0.6, side, "Confusion", f"accuracy {report.accuracy}, {_many(report.n, 'sample')}")
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    colours = LinearSegmentedColormap.from_list("ecosight", SCALE)
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1, aspect="equal")
    if size <= _NUMBERED_CLASSES:
        for row, column in ((r, c) for r in range(size) for c in range(size) if counts[r][c]):
            colour = PAPER if shares[row][column] > 0.5 else INK
            weight = "bold" if row == column else "normal"
            axes.text(
                column, row, str(counts[row][column]), ha="center", va="center", color=colour, fontsize=9, weight=weight
            )
    small = 9 if size <= _NUMBERED_CLASSES else max(4.5, 330 / size)
    axes.set_xticks(
        range(size), labels, rotation=45, ha="right", rotation_mode="anchor", fontsize=small, parse_math=False
    )
    axes.set_yticks(range(size), labels, fontsize=small, parse_math=False)
    axes.set_xticks([edge - 0.5 for edge in range(1, size)], minor=True)
    axes.set_yticks([edge - 0.5 for edge in range(1, size)], minor=True)
    axes.grid(which="minor", color=GRID, linewidth=0.8)
    axes.tick_params(which="both", length=0)
    _name_axes(axes, "predicted", "true class")
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=24, pad=0.03, format="{x:.0%}")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, labelcolor=MUTED)
    bar.set_label("share of the true class", color=MUTED, fontsize=8)
    return figure


def reliability_figure(report: ClassificationReport) -> Figure:
    """How often answers are right, against how sure the model was; below, how many answers there are."""
    figure, (above, below) = _canvases(
        5.6, 6.0, "Calibration", f"expected calibration error {report.ece}", rows=2, heights=(3.4, 1)
    )
    bins = [each for each in report.calibration if each.count]
    sure, right = [each.confidence or 0.0 for each in bins], [each.accuracy or 0.0 for each in bins]
    largest = max(each.count for each in bins)
    above.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="perfectly calibrated")
    above.vlines(sure, sure, right, color=ORANGE, linewidth=1.6, alpha=0.8)
    above.scatter(
        sure,
        right,
        s=[24 + 150 * each.count / largest for each in bins],
        color=BLUE,
        edgecolor=PAPER,
        linewidth=1,
        zorder=3,
        label="15 bins of confidence, size = samples",
    )
    above.plot([], [], color=ORANGE, linewidth=1.6, label="gap")
    above.set(xlim=(0, 1.02), ylim=(-0.02, 1.04))
    _legend(above, loc="upper left")
    _name_axes(above, "", "share that is right")
    below.bar(
        [each.low for each in bins],
        [each.count for each in bins],
        width=0.9 / len(report.calibration),
        align="edge",
        color=BLUE,
        alpha=0.85,
    )
    below.set(xlim=(0, 1.02))
    _name_axes(below, "confidence", "samples")
    for axes in (above, below):
        axes.xaxis.set_major_formatter("{x:.0%}")
        _ruled(axes, "both")
    above.yaxis.set_major_formatter("{x:.0%}")
    return figure


def class_figure(report: ClassificationReport) -> Figure:
    """Precision, recall and F1 of every class with their intervals; the number of test samples beside it."""
    classes = list(report.per_class.items())
    height = max(2.8, 1.5 + 0.62 * len(classes))
    figure, axes = _canvas(7.6, height, "Classes", "95% intervals over resampled groups")
    for offset, (name, colour) in enumerate(PALE.items()):
        estimates: list[Estimate] = [getattr(figures, name) for _, figures in classes]
        rows = [row + (offset - 1) * 0.25 for row in range(len(classes))]
        values = [estimate.value or 0.0 for estimate in estimates]
        axes.barh(rows, values, height=0.22, color=colour, label=_TOLD[name])
        _intervals(axes, rows, estimates)
        for row, estimate in zip(rows, estimates, strict=True):
            if estimate.value is None:
                axes.text(0.008, row, f"no {_TOLD[name]}", va="center", fontsize=7, color=MUTED)
    for row, (_, figures) in enumerate(classes):
        axes.text(1.045, row, f"n = {figures.support}", va="center", fontsize=8.5, color=MUTED)
    axes.set_yticks(range(len(classes)), [_short(label) for label, _ in classes], fontsize=9, parse_math=False)
    axes.set(xlim=(0, 1.0), ylim=(len(classes) - 0.45, -0.55))
    axes.xaxis.set_major_formatter("{x:.0%}")
    _ruled(axes, "x")
    axes.tick_params(axis="y", length=0)
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


def _intervals(axes: Axes, rows: Sequence[float], estimates: Sequence[Estimate]) -> None:
    known = [
        (row, e.low, e.high) for row, e in zip(rows, estimates, strict=True) if e.low is not None and e.high is not None
    ]
    if known:
        at, low, high = (list(column) for column in zip(*known, strict=True))
        axes.hlines(at, low, high, color=INK, linewidth=1.1)
        for ends in (low, high):
            axes.plot(ends, at, "|", color=INK, markersize=4.5, markeredgewidth=1.1)


def learning_figure(history: Mapping[str, Sequence[float]]) -> Figure:
    """Training against validation by epoch, one panel a quantity; the epoch of the least validation loss is marked."""
    from matplotlib.ticker import MaxNLocator

    panels = _panels(history)
    epochs = max(len(curve) for curve in history.values())
    best = (
        min(range(len(history["val_loss"])), key=history["val_loss"].__getitem__) + 1
        if history.get("val_loss")
        else None
    )
    told = _many(epochs, "epoch") + (f", least validation loss in epoch {best}" if best else "")
    figure, grid = _canvases(4.1 * len(panels) + 0.6, 3.9, "Learning curves", told, columns=len(panels))
    for axes, (name, curves) in zip(grid, panels, strict=True):
        for key, colour, label in curves:
            values = list(history[key])
            marker = "o" if len(values) == 1 else ""
            steps = "steps-mid" if label == "learning rate" else "default"
            axes.plot(
                range(1, len(values) + 1),
                values,
                color=colour,
                linewidth=1.8,
                marker=marker,
                label=label,
                drawstyle=steps,
            )
        if best:
            axes.axvline(best, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xlim(0 if epochs < 3 else 1, epochs + (1 if epochs < 3 else 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if name == "loss":
            axes.set_ylim(bottom=0)
        elif name == "learning rate":
            _scale_rate(axes, history[curves[0][0]])
        _ruled(axes, "both")
        _name_axes(axes, "epoch", name)
        if len(curves) > 1:
            _legend(axes, loc="best")
    return figure


def _scale_rate(axes: Axes, rates: Sequence[float]) -> None:
    from matplotlib.ticker import NullLocator

    if min(rates) > 0 and max(rates) >= 8 * min(rates):
        axes.set_yscale("log", base=2)
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:.2g}")
    else:
        axes.set_ylim(0, 1.08 * max(rates))
        axes.yaxis.set_major_formatter("{x:g}")


def _panels(history: Mapping[str, Sequence[float]]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """(title, [(key, colour, label)]) of each panel: loss first, then what else there is in pairs, then the rate."""
    rates = [key for key in ("learning_rate", "lr") if len(history.get(key, ()))]
    names = {key.removeprefix("val_") for key, curve in history.items() if len(curve) and key not in rates}
    panels = []
    for name in sorted(names, key=lambda name: (name != "loss", name != "accuracy", name)):
        curves = [
            (key, colour, label)
            for key, colour, label in ((name, BLUE, "training"), (f"val_{name}", ORANGE, "validation"))
            if len(history.get(key, ()))
        ]
        panels.append((name.replace("_", " "), curves))
    if rates:
        panels.append(("learning rate", [(rates[0], GREEN, "learning rate")]))
    return panels


# -- the one look of all figures ---------------------------------------------------------------------------


def _canvas(width: float, height: float, title: str, subtitle: str) -> tuple[Figure, Axes]:
    figure, (axes,) = _canvases(width, height, title, subtitle)
    return figure, axes


def _canvases(
    width: float,
    height: float,
    title: str,
    subtitle: str,
    *,
    rows: int = 1,
    columns: int = 1,
    heights: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

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


def _ruled(axes: Axes, which: Any) -> None:
    axes.grid(axis=which, color=GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def _name_axes(axes: Axes, below: str, beside: str) -> None:
    axes.set_xlabel(below, color=MUTED, fontsize=9)
    axes.set_ylabel(beside, color=MUTED, fontsize=9)


def _legend(axes: Axes, *, loc: Literal["upper left", "best"]) -> None:
    axes.legend(loc=loc, frameon=False, fontsize=8.5, labelcolor=INK, handlelength=1.4)


def _many(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"
