"""Owns how a report is told to people, in lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evaluation.estimates import BASES, Estimate

if TYPE_CHECKING:
    from evaluation.report import ClassificationReport

__all__ = ["caveat_lines", "footnotes", "report_lines", "table_lines"]

_MARKS = {"few groups": "~", "exact on groups": "*"}


def report_lines(report: ClassificationReport) -> list[str]:
    """The report for people: figures with their intervals, and a table of the classes."""
    overall = {
        "accuracy": report.accuracy,
        "balanced accuracy": report.balanced_accuracy,
        "macro F1": report.macro_f1,
        "mAP": report.map,
        "macro AUC": report.macro_auc,
        "log loss": report.log_loss,
        "Brier score": report.brier,
        "calibration error": report.ece,
    }
    lines = [f"{report.n} samples in {report.group_count} groups; 95% intervals over resampled groups"]
    lines += caveat_lines(report.caveats)
    lines += [f"  {name:18} {estimate}" for name, estimate in overall.items()]
    lines += table_lines(
        report.per_class, {"precision": "precision", "recall": "recall", "f1": "F1"}, {"support": "samples"}
    )
    shown = [getattr(each, name) for each in report.per_class.values() for name in ("precision", "recall", "f1")]
    return lines + footnotes([*overall.values(), *shown])


def caveat_lines(caveats: Sequence[str]) -> list[str]:
    """What is wrong on purpose with the samples, below what says how many there are."""
    return [f"  ! {caveat}" for caveat in caveats]


def table_lines(rows: Mapping[str, Any], columns: Mapping[str, str], counts: Mapping[str, str]) -> list[str]:
    """A table with a row for each class: estimates by attribute name -> heading, then counts."""
    width = max([5, *(len(label) for label in rows)])
    head = "".join(f"{heading:25}" for heading in columns.values())
    lines = [f"  {'class':{width}}  {head}" + " ".join(f"{heading:>7}" for heading in counts.values())]
    for label, row in rows.items():
        cells = "".join(f"{getattr(row, name)!s:25}" for name in columns)
        lines.append(f"  {label:{width}}  {cells}" + " ".join(f"{getattr(row, name):7}" for name in counts))
    return lines


def footnotes(estimates: Iterable[Estimate]) -> list[str]:
    """What the marks behind intervals mean, where any are."""
    used = {estimate.basis for estimate in estimates}
    return [f"  {mark} {BASES[basis]}" for basis, mark in _MARKS.items() if basis in used]
