"""Owns the report of a detector's evaluation: its figures, and how they become JSON and plain metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from evaluation.curves import ClassCurve
from evaluation.detection.tide import ErrorKind
from evaluation.estimates import Estimate
from evaluation.reading import checked, reading
from evaluation.telling import caveat_lines, footnotes, table_lines

__all__ = ["OVERALL", "ClassDetection", "DetectionReport", "detection_lines"]

FORMAT = 1
OVERALL = (
    "map",
    "map50",
    "map75",
    "map_small",
    "map_medium",
    "map_large",
    "ar_1",
    "ar_10",
    "ar_100",
    "ar_small",
    "ar_medium",
    "ar_large",
    "precision",
    "recall",
    "f1",
    "macro_precision",
    "macro_recall",
    "macro_f1",
)
"""The figures over all classes."""
BY_CLASS = ("ap", "ap50", "precision", "recall", "f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDetection:
    """One class. ``support``: its boxes that count. ``found``: detections of it that count, at the chosen score.

    ``ap``: mean over overlaps 0.5 to 0.95. ``ap50``: at 0.5. Precision, recall, F1: at overlap 0.5 and that score.
    """

    ap: Estimate
    ap50: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int
    found: int
    group_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionReport:
    """How good a detector is on one test part.

    Attributes:
        images, n, group_count: pictures, boxes that count, and groups (sites, or pictures) that were resampled.
        map: mean over overlaps 0.5, 0.55, … 0.95 and classes. map50, map75: at one overlap. map_small, …: of boxes up
            to 32 by 32 pixels, up to 96 by 96, and larger. ar_1, ar_10, ar_100: mean recall with at most so many
            detections of a class in a picture; ar_small, …: by size, with 100.
        precision, recall, f1: over all boxes, at overlap 0.5 and ``score_threshold``; macro_…: means over classes.
        errors: kind -> how often, and what it costs; see ``evaluation.detection.tide``.
        curves: of each class at overlap 0.5. test_digest, model_digest, caveats: as of a classifier.
    """

    images: int
    n: int
    group_count: int
    labels: tuple[str, ...]
    score_threshold: float
    map: Estimate
    map50: Estimate
    map75: Estimate
    map_small: Estimate
    map_medium: Estimate
    map_large: Estimate
    ar_1: Estimate
    ar_10: Estimate
    ar_100: Estimate
    ar_small: Estimate
    ar_medium: Estimate
    ar_large: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate
    macro_precision: Estimate
    macro_recall: Estimate
    macro_f1: Estimate
    per_class: Mapping[str, ClassDetection]
    errors: Mapping[str, ErrorKind]
    curves: tuple[ClassCurve, ...]
    bootstrap_samples: int
    seed: int
    test_digest: str
    model_digest: str | None = None
    caveats: tuple[str, ...] = ()

    kind: ClassVar[str] = "detection"

    def as_dict(self) -> dict[str, Any]:
        """The report as a JSON object; what is undefined is null, never NaN."""
        lists = {name: list(getattr(self, name)) for name in ("labels", "caveats")}
        return asdict(self) | {"format": FORMAT, "kind": self.kind} | lists

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """What ``as_dict`` gave. Raises: InvalidInput: it is no such report, or of another format."""
        with reading(plain, kind=cls.kind, told="report of a detector", formats=[FORMAT], estimates=OVERALL) as fields:
            fields["per_class"] = {
                label: ClassDetection(**{**each, **{name: Estimate(**each[name]) for name in BY_CLASS}})
                for label, each in fields["per_class"].items()
            }
            fields["errors"] = {kind: ErrorKind(**each) for kind, each in fields["errors"].items()}
            return checked(cls(**fields))

    def metrics(self) -> dict[str, float]:
        """Name -> value of every figure that is defined; by class as ``ap/fox``, errors as ``error_cost/missed``."""
        named: dict[str, Estimate] = {name: getattr(self, name) for name in OVERALL}
        for label, figures in self.per_class.items():
            named |= {f"{name}/{label}": getattr(figures, name) for name in BY_CLASS}
        values = {name: estimate.value for name, estimate in named.items() if estimate.value is not None}
        return values | {f"error_cost/{kind}": each.cost for kind, each in self.errors.items()}


def detection_lines(report: DetectionReport) -> list[str]:
    """The report for people: figures with their intervals, the classes, and the kinds of errors."""
    names = {"map": "mAP@.5:.95", "map50": "mAP@.5", "ar_100": "AR@100"}
    names |= {"precision": "precision", "recall": "recall", "f1": "F1"}
    lines = [
        f"{report.n} boxes in {report.images} pictures of {report.group_count} groups; "
        f"precision and recall at a score of {report.score_threshold:g} and more"
    ]
    lines += caveat_lines(report.caveats)
    lines += [f"  {told:18} {getattr(report, name)}" for name, told in names.items()]
    columns = {"ap": "AP@.5:.95", "ap50": "AP@.5", "precision": "precision", "recall": "recall"}
    lines += table_lines(report.per_class, columns, {"support": "boxes", "found": "found"})
    lines += [
        f"  {kind:16} {each.count:7} errors, mending them adds {each.cost:.3f} to mAP@.5"
        for kind, each in report.errors.items()
    ]
    shown = [getattr(each, name) for each in report.per_class.values() for name in columns]
    return lines + footnotes([*(getattr(report, name) for name in names), *shown])
