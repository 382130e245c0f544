"""Figures of reports as PNG: confusion, calibration, classes, curves, kinds of errors, learning curves."""

from evaluation.plots.calibration import class_reliability_figure, reliability_figure
from evaluation.plots.classes import class_figure
from evaluation.plots.confusion import confusion_figure
from evaluation.plots.curves import pr_figure, roc_figure
from evaluation.plots.errors import error_figure
from evaluation.plots.learning import learning_figure
from evaluation.plots.look import png_bytes
from evaluation.plots.writing import draw_plots, write_page, write_plots

__all__ = [
    "class_figure",
    "class_reliability_figure",
    "confusion_figure",
    "draw_plots",
    "error_figure",
    "learning_figure",
    "png_bytes",
    "pr_figure",
    "reliability_figure",
    "roc_figure",
    "write_page",
    "write_plots",
]
