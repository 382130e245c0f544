"""Owns the figures of ROC and precision-recall curves, of a classifier's classes or a detector's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evaluation.plots.look import GRID, HUES, INK, MUTED, canvas, name_axes, ruled, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from evaluation.curves import ClassCurve
    from evaluation.estimates import Estimate

__all__ = ["pr_figure", "roc_figure"]


def roc_figure(curves: Sequence[ClassCurve], areas: Mapping[str, Estimate], mean: Estimate) -> Figure:
    """Share of each class that is found, against the share of the others that is taken for it.

    Args:
        areas: label -> area under its curve. mean: over the classes.
    """
    drawn = [each for each in curves if each.positives and each.negatives]
    figure, axes = canvas(7.6, 5.4, "ROC curves", f"each class against the rest; mean area {mean}")
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    _draw(axes, [(c.label, [0.0, *c.false_positive_rate], [0.0, *c.recall]) for c in drawn], areas, "default")
    name_axes(axes, "false positive rate", "recall (true positive rate)")
    return figure


def pr_figure(
    curves: Sequence[ClassCurve],
    areas: Mapping[str, Estimate],
    mean: Estimate,
    told: str = "each class against the rest; mean average precision",
    *,
    best: bool = False,
) -> Figure:
    """Precision of each class against the share of it that is found.

    Args:
        areas: label -> its average precision. mean: over the classes.
        best: draw at each recall the best precision at that recall or more, as a detector's average precision counts.
    """
    drawn = [each for each in curves if each.positives]
    figure, axes = canvas(7.6, 5.4, "Precision and recall", f"{told} {mean}")
    _draw(axes, [(c.label, *_steps(c, best)) for c in drawn], areas, "steps-pre")
    name_axes(axes, "recall", "precision")
    return figure


def _steps(curve: ClassCurve, best: bool) -> tuple[list[float], list[float]]:
    """Recall and precision where the recall rises; what is found in vain between two hits only shows in the next."""
    rising = [at for at, hits in enumerate(curve.hits) if hits > (curve.hits[at - 1] if at else 0)]
    recall, precision = [curve.recall[at] for at in rising], [curve.precision[at] for at in rising]
    if best:
        precision = [max(precision[at:]) for at in range(len(precision))]
    return [0.0, *recall], [*precision[:1], *precision] or [0.0]


def _draw(
    axes: Axes,
    lines: Sequence[tuple[str, list[float], list[float]]],
    areas: Mapping[str, Estimate],
    steps: str,
) -> None:
    """As many classes as there are hues in colour, those with the least area; the others in grey."""
    worst = sorted(lines, key=lambda line: areas[line[0]].value or 0.0)
    coloured = {line[0]: HUES[index] for index, line in enumerate(worst[: len(HUES)])}
    for label, x, y in worst[::-1]:
        bright = label in coloured
        axes.plot(
            x,
            y,
            color=coloured.get(label, "#c3ccd3"),
            linewidth=1.9 if bright else 0.9,
            zorder=3 if bright else 2,
            drawstyle=steps,
            solid_joinstyle="round",
        )
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    ruled(axes, "both")
    _key(axes, list(coloured.items()), areas, len(lines) - len(coloured))


def _key(axes: Axes, coloured: list[tuple[str, str]], areas: Mapping[str, Estimate], others: int) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=hue, linewidth=2.4, label=f"{short(label)}\n{areas[label]}") for label, hue in coloured
    ]
    if others:
        handles.append(Line2D([], [], color="#c3ccd3", linewidth=1.4, label=f"{others} others, all higher"))
    if not handles:
        axes.text(0.5, 0.5, "no class has a curve", ha="center", color=MUTED, backgroundcolor=GRID)
        return
    key = axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.02),
        frameon=False,
        fontsize=8,
        labelcolor=INK,
        handlelength=1.4,
        labelspacing=0.7,
        title="lowest area first" if len(coloured) > 1 else None,
        title_fontsize=8,
        alignment="left",
    )
    for text in key.get_texts():
        text.set_parse_math(False)
