"""Owns the report of a classifier's evaluation: its figures, and how they become JSON and plain metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from ecosight.errors import InvalidInput
from evaluation.curves import ClassCurve
from evaluation.estimates import UNDEFINED, Estimate
from evaluation.output import writing
from evaluation.reading import checked, reading
from evaluation.telling import report_lines

__all__ = [
    "OVERALL",
    "CalibrationBin",
    "ClassFigures",
    "ClassificationReport",
    "Estimate",
    "GroupFigures",
    "Report",
    "read_report",
    "report_lines",
    "write_report",
]

FORMAT = 2
_READ = (1, FORMAT)
"""Format 1 had fewer figures; those are undefined in what is read from it."""
REPORT_FILE = "report.json"
OVERALL = (
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_f1",
    "weighted_precision",
    "weighted_f1",
    "top_3_accuracy",
    "top_5_accuracy",
    "macro_auc",
    "weighted_auc",
    "map",
    "weighted_average_precision",
    "log_loss",
    "brier",
    "ece",
    "classwise_ece",
)
"""The figures over all classes."""
BY_CLASS = ("precision", "recall", "f1", "auc", "average_precision")


class Report(Protocol):
    """What every kind of report can do."""

    def as_dict(self) -> dict[str, Any]: ...
    def metrics(self) -> dict[str, float]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """One class. ``support``: its test samples. ``predicted``: samples it was the answer to."""

    precision: Estimate
    recall: Estimate
    f1: Estimate
    auc: Estimate = UNDEFINED
    average_precision: Estimate = UNDEFINED
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
        balanced_accuracy: mean recall of the classes that are there (macro recall).
        top_3_accuracy, top_5_accuracy: the truth is among the most probable; undefined with no more classes than that.
        macro_auc, weighted_auc, map, weighted_average_precision: each class against the rest.
        brier: squared distance to the truth, 0 to 2. ece, classwise_ece: expected calibration error of the top answer,
            and mean of that of every class.
        confusion: samples, row = truth, column = answer, both in the order of ``labels``.
        calibration: 15 bins of confidence, of equal width. class_calibration: those of each class that hold anything.
        curves: ROC and PR of each class. per_group: held-out group -> how many samples and how many of them right.
        test_digest: the same for every model that was measured on the same samples.
        model_digest: the bytes that were measured, if told.
        caveats: what is wrong on purpose with the test part, a sentence each.
    """

    n: int
    group_count: int
    labels: tuple[str, ...]
    known_labels: tuple[str, ...]
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_precision: Estimate
    macro_f1: Estimate
    weighted_precision: Estimate = UNDEFINED
    weighted_f1: Estimate = UNDEFINED
    top_3_accuracy: Estimate = UNDEFINED
    top_5_accuracy: Estimate = UNDEFINED
    macro_auc: Estimate = UNDEFINED
    weighted_auc: Estimate = UNDEFINED
    map: Estimate = UNDEFINED
    weighted_average_precision: Estimate = UNDEFINED
    log_loss: Estimate
    brier: Estimate = UNDEFINED
    ece: Estimate
    classwise_ece: Estimate = UNDEFINED
    per_class: Mapping[str, ClassFigures]
    confusion: tuple[tuple[int, ...], ...]
    calibration: tuple[CalibrationBin, ...]
    class_calibration: Mapping[str, tuple[CalibrationBin, ...]] = field(default_factory=dict)
    curves: tuple[ClassCurve, ...] = ()
    per_group: Mapping[str, GroupFigures]
    bootstrap_samples: int
    seed: int
    test_digest: str
    model_digest: str | None = None
    caveats: tuple[str, ...] = ()

    kind: ClassVar[str] = "classification"

    def as_dict(self) -> dict[str, Any]:
        """The report as a JSON object; what is undefined is null, never NaN."""
        plain = asdict(self) | {"format": FORMAT, "kind": self.kind}
        plain["labels"], plain["known_labels"] = list(self.labels), list(self.known_labels)
        plain["caveats"] = list(self.caveats)
        plain["confusion"] = [list(row) for row in self.confusion]
        plain["calibration"] = [asdict(each) for each in self.calibration]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """What ``as_dict`` gave. Raises: InvalidInput: it is no report, or of another format."""
        with reading(plain, kind=cls.kind, told="evaluation report", formats=_READ, estimates=OVERALL) as fields:
            fields["known_labels"] = tuple(fields["known_labels"])
            fields["per_class"] = {label: _class_figures(each) for label, each in fields["per_class"].items()}
            fields["per_group"] = {group: GroupFigures(**each) for group, each in fields["per_group"].items()}
            fields["confusion"] = tuple(tuple(row) for row in fields["confusion"])
            fields["calibration"] = _bins(fields["calibration"])
            fields["class_calibration"] = {
                label: _bins(each) for label, each in fields.get("class_calibration", {}).items()
            }
            return checked(cls(**fields))

    def metrics(self) -> dict[str, float]:
        """Name -> value of every figure that is defined; by class as ``recall/fox``."""
        named: dict[str, Estimate] = {name: getattr(self, name) for name in OVERALL}
        for label, figures in self.per_class.items():
            named |= {f"{name}/{label}": getattr(figures, name) for name in BY_CLASS}
        return {name: estimate.value for name, estimate in named.items() if estimate.value is not None}


def write_report(report: Report, folder: Path) -> Path:
    """Write ``report.json`` into a folder, made if it is missing. Raises: InvalidInput: it cannot be written."""
    path = folder / REPORT_FILE
    with writing(folder):
        path.write_text(json.dumps(report.as_dict(), indent=2, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")
    return path


def read_report(path: Path) -> ClassificationReport:
    """What ``write_report`` wrote. Raises: InvalidInput: it is no report."""
    try:
        return ClassificationReport.from_dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is no evaluation report: {error}") from error


def _bins(plain: Any) -> tuple[CalibrationBin, ...]:
    return tuple(CalibrationBin(**each) for each in plain)


def _class_figures(plain: Mapping[str, Any]) -> ClassFigures:
    estimates = {name: Estimate(**plain[name]) for name in BY_CLASS if name in plain}
    return ClassFigures(**{**plain, **estimates})
