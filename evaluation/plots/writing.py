"""Owns which figures a report has, and writing them as PNG files beside the interactive page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.detection.report import DetectionReport
from evaluation.output import writing
from evaluation.plots.calibration import class_reliability_figure, reliability_figure
from evaluation.plots.classes import class_figure
from evaluation.plots.confusion import confusion_figure
from evaluation.plots.curves import pr_figure, roc_figure
from evaluation.plots.errors import error_figure
from evaluation.plots.learning import learning_figure
from evaluation.plots.look import png_bytes
from evaluation.report import ClassificationReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from evaluation.gates import GateDecision
    from evaluation.metrics import AnyReport
    from evaluation.multilabel import MultilabelReport
    from evaluation.speed import SpeedReport

    Figures = dict[str, Callable[[], Figure]]

__all__ = ["PAGE_FILE", "draw_plots", "write_page", "write_plots"]

PAGE_FILE = "report.html"


def draw_plots(report: AnyReport, *, history: Mapping[str, Sequence[float]] | None = None) -> dict[str, bytes]:
    """The figures of a report as PNG files: name without ending -> bytes.

    Args:
        history: learning curves by epoch (``loss``, ``val_loss``, ``accuracy``, ``learning_rate``, …), or None.
    Returns: of a classifier ``confusion``, ``reliability``, ``per_class``, and from reports that hold them
        ``class_reliability``, ``roc``, ``precision_recall``; of several labels a sample the same without the first two;
        of a detector ``per_class``, ``precision_recall``, ``errors``. With a history ``learning_curves``.
    """
    figures = _figures(report)
    if history and any(len(curve) for curve in history.values()):
        figures["learning_curves"] = lambda: learning_figure(history)
    return {name: png_bytes(draw()) for name, draw in figures.items()}


def write_plots(
    report: AnyReport,
    folder: Path,
    *,
    history: Mapping[str, Sequence[float]] | None,
    decision: GateDecision | None = None,
    speed: SpeedReport | None = None,
) -> list[Path]:
    """Write the figures of ``draw_plots`` and the interactive page into a folder, which is made if it is missing.

    Args:
        decision, speed: shown on the page.
    Returns: the files, ``report.html`` last.
    Raises: InvalidInput: the folder cannot be written into.
    """
    files = []
    with writing(folder):
        for name, drawn in draw_plots(report, history=history).items():
            files.append(folder / f"{name}.png")
            files[-1].write_bytes(drawn)
    return [*files, write_page(report, folder, decision=decision, speed=speed)]


def write_page(
    report: AnyReport, folder: Path, *, decision: GateDecision | None = None, speed: SpeedReport | None = None
) -> Path:
    """Write the interactive page alone. Returns: the file. Raises: InvalidInput: it cannot be written."""
    from evaluation.page import report_page

    page = folder / PAGE_FILE
    with writing(folder):
        page.write_text(report_page(report, decision=decision, speed=speed), "utf-8")
    return page


def _figures(report: AnyReport) -> Figures:
    if isinstance(report, DetectionReport):
        return _of_detector(report)
    found: Figures = {}
    if isinstance(report, ClassificationReport):
        found["confusion"] = lambda: confusion_figure(report)
        found["reliability"] = lambda: reliability_figure(report)
    found["per_class"] = lambda: class_figure(report.per_class)
    return found | _of_classes(report)


def _of_classes(report: ClassificationReport | MultilabelReport) -> Figures:
    found: Figures = {}
    if report.class_calibration:
        found["class_reliability"] = lambda: class_reliability_figure(report.class_calibration, report.classwise_ece)
    if report.curves:
        areas = {label: each.auc for label, each in report.per_class.items()}
        precisions = {label: each.average_precision for label, each in report.per_class.items()}
        found["roc"] = lambda: roc_figure(report.curves, areas, report.macro_auc)
        found["precision_recall"] = lambda: pr_figure(report.curves, precisions, report.map)
    return found


def _of_detector(report: DetectionReport) -> Figures:
    precisions = {label: each.ap50 for label, each in report.per_class.items()}
    told = "at overlap 0.5; mAP@.5"
    return {
        "per_class": lambda: class_figure(report.per_class, ("precision", "recall", "ap50"), "boxes"),
        "precision_recall": lambda: pr_figure(report.curves, precisions, report.map50, told, best=True),
        "errors": lambda: error_figure(report.errors, report.map50),
    }
