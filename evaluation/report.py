"""Owns the report of an evaluation: its figures, and how they become JSON, plain metrics and lines of text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ecosight.errors import InvalidInput

__all__ = [
    "OVERALL",
    "CalibrationBin",
    "ClassFigures",
    "ClassificationReport",
    "Estimate",
    "GroupFigures",
    "read_report",
    "report_lines",
    "write_report",
]

FORMAT = 1
REPORT_FILE = "report.json"
OVERALL = ("accuracy", "balanced_accuracy", "macro_precision", "macro_f1", "log_loss", "ece")
"""The figures over all classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure and its 95% interval. None: undefined, or too few groups for an interval."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "undefined"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """One class. ``support``: its test samples. ``predicted``: samples it was the answer to."""

    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int
    predicted: int
    group_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Answers with a confidence in (low, high]: how many, how sure on average, how often right."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigures:
    """One held-out recording, burst or site."""

    n: int
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationReport:
    """How good a classifier is on one test part.

    Attributes:
        n, group_count: samples, and groups that they come from.
        labels: all classes, of the model and of the test part. known_labels: those the model can answer.
        balanced_accuracy: mean recall of the classes that are there. ece: expected calibration error.
        confusion: samples, row = truth, column = answer, both in the order of ``labels``.
        calibration: 15 bins of confidence, of equal width.
        per_group: held-out group -> how many samples and how many of them right.
        test_digest: the same for every model that was measured on the same samples.
        model_digest: the bytes that were measured, if told.
    """

    n: int
    group_count: int
    labels: tuple[str, ...]
    known_labels: tuple[str, ...]
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_precision: Estimate
    macro_f1: Estimate
    log_loss: Estimate
    ece: Estimate
    per_class: Mapping[str, ClassFigures]
    confusion: tuple[tuple[int, ...], ...]
    calibration: tuple[CalibrationBin, ...]
    per_group: Mapping[str, GroupFigures]
    bootstrap_samples: int
    seed: int
    test_digest: str
    model_digest: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The report as a JSON object; what is undefined is null, never NaN."""
        plain = asdict(self) | {"format": FORMAT}
        plain["labels"], plain["known_labels"] = list(self.labels), list(self.known_labels)
        plain["confusion"] = [list(row) for row in self.confusion]
        plain["calibration"] = [asdict(each) for each in self.calibration]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """What ``as_dict`` gave. Raises: InvalidInput: it is no report, or of another format."""
        try:
            fields = dict(plain)
            if fields.pop("format") != FORMAT:
                raise InvalidInput(f"the report has format {plain['format']}, this EcoSight reads {FORMAT}")
            for name in OVERALL:
                fields[name] = Estimate(**fields[name])
            fields["labels"], fields["known_labels"] = tuple(fields["labels"]), tuple(fields["known_labels"])
            fields["per_class"] = {label: _class_figures(each) for label, each in fields["per_class"].items()}
            fields["per_group"] = {group: GroupFigures(**each) for group, each in fields["per_group"].items()}
            fields["confusion"] = tuple(tuple(row) for row in fields["confusion"])
            fields["calibration"] = tuple(CalibrationBin(**each) for each in fields["calibration"])
            return cls(**fields)
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"this is no evaluation report: {error!r}") from error

    def metrics(self) -> dict[str, float]:
        """Name -> value of every figure that is defined; by class as ``recall/fox``."""
        named: dict[str, Estimate] = {name: getattr(self, name) for name in OVERALL}
        for label, figures in self.per_class.items():
            named |= {
                f"precision/{label}": figures.precision,
                f"recall/{label}": figures.recall,
                f"f1/{label}": figures.f1,
            }
        return {name: estimate.value for name, estimate in named.items() if estimate.value is not None}


def report_lines(report: ClassificationReport) -> list[str]:
    """The report for people: figures with their intervals, and a table of the classes."""
    lines = [f"{report.n} samples in {report.group_count} groups; 95% intervals over resampled groups"]
    for name, estimate in (
        ("accuracy", report.accuracy),
        ("balanced accuracy", report.balanced_accuracy),
        ("macro F1", report.macro_f1),
        ("log loss", report.log_loss),
        ("calibration error", report.ece),
    ):
        lines.append(f"  {name:18} {estimate}")
    width = max(5, *(len(label) for label in report.per_class))
    lines.append(f"  {'class':{width}}  {'precision':22} {'recall':22} {'F1':22} samples")
    for label, figures in report.per_class.items():
        cells = "".join(f"{estimate!s:23}" for estimate in (figures.precision, figures.recall, figures.f1))
        lines.append(f"  {label:{width}}  {cells}{figures.support:7}")
    return lines


def write_report(report: ClassificationReport, folder: Path) -> Path:
    """Write ``report.json`` into a folder, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT_FILE
    path.write_text(json.dumps(report.as_dict(), indent=2, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")
    return path


def read_report(path: Path) -> ClassificationReport:
    """What ``write_report`` wrote. Raises: InvalidInput: it is no report."""
    try:
        return ClassificationReport.from_dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} is no evaluation report: {error}") from error


def _class_figures(plain: Mapping[str, Any]) -> ClassFigures:
    estimates = {name: Estimate(**plain[name]) for name in ("precision", "recall", "f1")}
    return ClassFigures(**{**plain, **estimates})
