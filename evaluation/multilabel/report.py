"""Owns the report of a model with several labels a sample: its figures, and how they become JSON and plain metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from evaluation.curves import ClassCurve
from evaluation.estimates import Estimate
from evaluation.reading import checked, reading
from evaluation.report import BY_CLASS, CalibrationBin, ClassFigures
from evaluation.telling import caveat_lines, footnotes, table_lines

__all__ = ["OVERALL", "MultilabelReport", "multilabel_lines"]

FORMAT = 1
OVERALL = (
    "subset_accuracy",
    "hamming_loss",
    *(f"{mean}_{name}" for mean in ("micro", "macro", "weighted", "samples") for name in ("precision", "recall", "f1")),
    "map",
    "weighted_average_precision",
    "macro_auc",
    "weighted_auc",
    "brier",
    "classwise_ece",
)
"""The figures over all labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MultilabelReport:
    """How good a model is on one test part where a sample may have several labels, or none.

    Attributes:
        n, group_count: samples, and groups that they come from. thresholds: at which probability each label is said.
        subset_accuracy: share of samples with all labels right and none too many. hamming_loss: share of wrong labels
            of all (sample, label) pairs.
        micro_…: over all pairs. macro_…: mean over labels. weighted_…: that, weighted by how often a label is there.
            samples_…: mean over samples.
        map, macro_auc: mean over labels of average precision, and of the area under the ROC curve.
        brier: mean squared distance of a pair's probability to the truth, 0 to 1.
        classwise_ece: mean expected calibration error of the labels.
        class_calibration, curves, test_digest, model_digest, caveats: as of a classifier.
    """

    n: int
    group_count: int
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    subset_accuracy: Estimate
    hamming_loss: Estimate
    micro_precision: Estimate
    micro_recall: Estimate
    micro_f1: Estimate
    macro_precision: Estimate
    macro_recall: Estimate
    macro_f1: Estimate
    weighted_precision: Estimate
    weighted_recall: Estimate
    weighted_f1: Estimate
    samples_precision: Estimate
    samples_recall: Estimate
    samples_f1: Estimate
    map: Estimate
    weighted_average_precision: Estimate
    macro_auc: Estimate
    weighted_auc: Estimate
    brier: Estimate
    classwise_ece: Estimate
    per_class: Mapping[str, ClassFigures]
    class_calibration: Mapping[str, tuple[CalibrationBin, ...]]
    curves: tuple[ClassCurve, ...]
    bootstrap_samples: int
    seed: int
    test_digest: str
    model_digest: str | None = None
    caveats: tuple[str, ...] = ()

    kind: ClassVar[str] = "multilabel"

    def as_dict(self) -> dict[str, Any]:
        """The report as a JSON object; what is undefined is null, never NaN."""
        lists = {name: list(getattr(self, name)) for name in ("labels", "caveats")}
        return asdict(self) | {"format": FORMAT, "kind": self.kind} | lists

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """What ``as_dict`` gave. Raises: InvalidInput: it is no such report, or of another format."""
        with reading(
            plain, kind=cls.kind, told="report of several labels", formats=[FORMAT], estimates=OVERALL
        ) as fields:
            fields["thresholds"] = tuple(fields["thresholds"])
            fields["per_class"] = {
                label: ClassFigures(**{**each, **{name: Estimate(**each[name]) for name in BY_CLASS}})
                for label, each in fields["per_class"].items()
            }
            fields["class_calibration"] = {
                label: tuple(CalibrationBin(**each) for each in bins)
                for label, bins in fields["class_calibration"].items()
            }
            return checked(cls(**fields))

    def metrics(self) -> dict[str, float]:
        """Name -> value of every figure that is defined; by label as ``recall/fox``."""
        named: dict[str, Estimate] = {name: getattr(self, name) for name in OVERALL}
        for label, figures in self.per_class.items():
            named |= {f"{name}/{label}": getattr(figures, name) for name in BY_CLASS}
        return {name: estimate.value for name, estimate in named.items() if estimate.value is not None}


def multilabel_lines(report: MultilabelReport) -> list[str]:
    """The report for people: figures with their intervals, and a table of the labels."""
    names = {"map": "mAP", "micro_f1": "micro F1", "macro_f1": "macro F1", "samples_f1": "F1 of samples"}
    names |= {"subset_accuracy": "all labels right", "hamming_loss": "Hamming loss", "macro_auc": "macro AUC"}
    lines = [f"{report.n} samples in {report.group_count} groups; 95% intervals over resampled groups"]
    lines += caveat_lines(report.caveats)
    lines += [f"  {told:18} {getattr(report, name)}" for name, told in names.items()]
    columns = {"average_precision": "AP", "precision": "precision", "recall": "recall", "f1": "F1"}
    lines += table_lines(report.per_class, columns, {"support": "samples", "predicted": "said"})
    shown = [getattr(each, name) for each in report.per_class.values() for name in columns]
    return lines + footnotes([*(getattr(report, name) for name in names), *shown])
