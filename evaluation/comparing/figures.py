"""Owns the figures of a comparison: models side by side, differences of each pair, and where they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from evaluation.comparing.comparison import ALPHA, HEADLINES, LOSSES, Comparison, Contrast, Pair
from evaluation.comparing.telling import spoken
from evaluation.plots.look import (
    BLUE,
    HUES,
    INK,
    MUTED,
    ORANGE,
    canvas,
    legend,
    many,
    name_axes,
    png_bytes,
    ruled,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["difference_figure", "draw_comparison", "model_figure"]

_SHARES = ("accuracy", "balanced_accuracy", "macro_f1", "map", "macro_auc", "ece")
_MOST_PAIRS = 10
_MOST_ROWS = 60


def draw_comparison(comparison: Comparison) -> dict[str, bytes]:
    """Name without ending -> PNG: ``models``; and of each of the first ten pairs, numbered from 1, ``pair_1_figures``,
    ``pair_1_classes`` and, where there are slices, ``pair_1_slices``."""
    drawn: dict[str, Callable[[], Figure]] = {"models": lambda: model_figure(comparison)}
    for number, pair in enumerate(comparison.pairs[:_MOST_PAIRS], 1):
        metrics = [(spoken(name), pair.metrics[name]) for name in HEADLINES if name not in ("log_loss", "brier")]
        slices = [(f"{each.fact} {each.value or 'unknown'}", each.accuracy) for each in pair.slices]
        for name, rows in (("figures", metrics), ("classes", list(pair.classes.items())), ("slices", slices)):
            if rows:
                drawn[f"pair_{number}_{name}"] = _bound(pair, rows, name)
    return {name: png_bytes(draw()) for name, draw in drawn.items()}


def model_figure(comparison: Comparison) -> Figure:
    """The figures between 0 and 1 of every model with their intervals."""
    models = comparison.models[: len(HUES)]
    told = f"{comparison.n} samples, {many(comparison.group_count, 'group')}; 95% intervals over resampled groups"
    figure, axes = canvas(7.6, 1.9 + len(_SHARES) * (0.3 + 0.17 * len(models)), "Models", told)
    step = 0.72 / len(models)
    for place, (model, hue) in enumerate(zip(models, HUES, strict=False)):
        rows = [row + (place - (len(models) - 1) / 2) * step for row in range(len(_SHARES))]
        known = [(row, model.figures[name]) for row, name in zip(rows, _SHARES, strict=True)]
        for row, each in known:
            if each.low is not None and each.high is not None:
                axes.plot(
                    [each.low, each.high], [row, row], color=hue, linewidth=2.2, solid_capstyle="butt", alpha=0.55
                )
        values = [(row, each.value) for row, each in known if each.value is not None]
        axes.scatter(
            [value for _, value in values],
            [row for row, _ in values],
            s=26,
            color=hue,
            zorder=3,
            label=short(model.name, 40),
        )
    axes.set_yticks(range(len(_SHARES)), [spoken(name) for name in _SHARES], fontsize=9)
    axes.set(xlim=(-0.01, 1.01), ylim=(len(_SHARES) - 0.45, -0.55))
    axes.xaxis.set_major_formatter("{x:.0%}")
    ruled(axes, "x")
    legend(axes, loc="lower right")
    return figure


def difference_figure(pair: Pair, rows: Sequence[tuple[str, Contrast]], what: str) -> Figure:
    """Differences of a pair with their intervals; those that are shown after correction are full."""
    shown = list(rows[:_MOST_ROWS])
    title = f"{short(pair.second, 34)} minus {short(pair.first, 34)}"
    told = _told(what) + ("" if len(rows) == len(shown) else f"; the first {len(shown)} of {len(rows)}")
    figure, axes = canvas(7.6, 1.7 + 0.27 * len(shown), title, told)
    widest = 0.01
    for row, (name, contrast) in enumerate(shown):
        widest = max(widest, _draw(axes, row, contrast, less_is_better=name in {spoken(each) for each in LOSSES}))
    widest = min(1.05, widest * 1.08)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(shown)), [short(name, 30) for name, _ in shown], fontsize=8.5, parse_math=False)
    axes.set(xlim=(-widest, widest), ylim=(len(shown) - 0.45, -0.55))
    axes.xaxis.set_major_formatter(lambda x, _: f"{100 * x:+.0f}" if x else "0")
    ruled(axes, "x")
    name_axes(axes, "points", "")
    return figure


def _bound(pair: Pair, rows: Sequence[tuple[str, Contrast]], what: str) -> Callable[[], Figure]:
    return lambda: difference_figure(pair, rows, what)


def _told(what: str) -> str:
    told = {"figures": "figures", "classes": "recall by class", "slices": "accuracy by slice"}[what]
    return f"{told}; 95% intervals. Full: shown after correction; blue: better, orange: worse"


def _draw(axes: Axes, row: int, contrast: Contrast, *, less_is_better: bool) -> float:
    """One line. Returns: how far it reaches from 0."""
    value, low, high = contrast.difference.value, contrast.difference.low, contrast.difference.high
    if value is None:
        axes.text(0, row, " undefined", va="center", fontsize=7, color=MUTED)
        return 0.0
    hue = BLUE if (value < 0) == less_is_better else ORANGE
    hue = hue if value else MUTED
    sure = contrast.corrected is not None and contrast.corrected <= ALPHA
    if low is not None and high is not None:
        axes.plot([low, high], [row, row], color=hue, linewidth=2.2, alpha=0.9 if sure else 0.4)
    axes.scatter([value], [row], s=30, zorder=3, facecolor=hue if sure else "white", edgecolor=hue, linewidth=1.4)
    return max(abs(each) for each in (value, low, high) if each is not None)
