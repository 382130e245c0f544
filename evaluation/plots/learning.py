"""Owns the figure of learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evaluation.plots.look import BLUE, GREEN, MUTED, ORANGE, canvases, legend, many, name_axes, ruled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["learning_figure"]


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
    told = many(epochs, "epoch") + (f", least validation loss in epoch {best}" if best else "")
    figure, grid = canvases(4.1 * len(panels) + 0.6, 3.9, "Learning curves", told, columns=len(panels))
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
        ruled(axes, "both")
        name_axes(axes, "epoch", name)
        if len(curves) > 1:
            legend(axes, loc="best")
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
