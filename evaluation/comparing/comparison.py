"""Owns the result of a comparison: models, pairs, classes, slices, ranking; and how it becomes JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from evaluation.comparing.mcnemar import McNemar
from evaluation.estimates import Estimate

__all__ = ["ALPHA", "HEADLINES", "LOSSES", "Comparison", "Contrast", "Disagreement", "ModelFigures", "Pair", "Slice"]

FORMAT = 1
ALPHA = 0.05
HEADLINES = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "macro_precision",
    "top_3_accuracy",
    "macro_auc",
    "map",
    "log_loss",
    "brier",
    "ece",
)
"""The figures that are compared. The calibration error by class is not: of few samples it looks larger than it is, and
by more for the better calibrated of two models, so an interval of the difference would often miss the truth."""
LOSSES = ("log_loss", "brier", "ece")
"""Of these, less is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One figure of two models.

    Attributes:
        first, second: None where undefined. difference: second minus first, with its 95% interval.
        p: two-sided, valid where samples come in groups; None where it cannot be given.
        corrected: the same, corrected for all tests of its family.
        n, groups: samples and groups that it rests on.
    """

    first: float | None
    second: float | None
    difference: Estimate
    p: float | None = None
    corrected: float | None = None
    n: int
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Accuracy where a fact has one value, such as ``station`` = ``north``; "" is unknown."""

    fact: str
    value: str
    accuracy: Contrast


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A sample that one of the two answered right and the other wrong. ``right``: 1 or 2."""

    sample_id: str
    source: str
    group: str
    truth: str
    right: int
    answers: tuple[str, str]
    confidences: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two models.

    Attributes:
        metrics: figure -> both models; the p-values of one figure over all pairs are one family.
        mcnemar: takes samples to be independent.
        group_p, group_corrected: the same question, answered by group: what the verdict rests on.
        unlike_groups: groups in which one is ahead.
        shared: accuracy over the samples whose class both models know; None where they know the same.
        classes: label -> recall. slices: accuracy by fact. Over all pairs, classes are one family, slices another.
        better: the better model, or None where that cannot be told.
        detectable: the smallest difference that so many groups would show 8 times in 10; None where unknown.
        more_groups: about how many more groups would show a difference as large as the one that was seen, 8 times in
            10; None where it was shown already, or none was seen.
        verdict: one sentence.
    """

    first: str
    second: str
    metrics: Mapping[str, Contrast]
    mcnemar: McNemar
    group_p: float | None
    group_corrected: float | None
    unlike_groups: int
    shared: Contrast | None
    classes: Mapping[str, Contrast]
    slices: tuple[Slice, ...]
    disagreements: tuple[Disagreement, ...]
    better: str | None = None
    detectable: float | None = None
    more_groups: int | None = None
    verdict: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFigures:
    """One model. ``rank``: 1 + how many are shown to be better. ``ties``: models it cannot be told apart from."""

    name: str
    digest: str
    unknown_labels: tuple[str, ...]
    figures: Mapping[str, Estimate]
    recalls: Mapping[str, Estimate]
    rank: int = 1
    ties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Several models on one test part; ``models`` are ranked, ``pairs`` are in the order that models were named in.

    ``caveats``: what is wrong on purpose with the test part, a sentence each.
    """

    n: int
    group_count: int
    labels: tuple[str, ...]
    test_digest: str
    models: tuple[ModelFigures, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()
    correction: str = "holm"
    bootstrap_samples: int = 1000
    seed: int = 7
    data: str = ""
    caveats: tuple[str, ...] = ()

    def pair(self, first: str, second: str) -> Pair:
        """The pair of two models, in the order that they were compared in. Raises: KeyError: no such pair."""
        for each in self.pairs:
            if {each.first, each.second} == {first, second}:
                return each
        raise KeyError((first, second))

    def as_dict(self) -> dict[str, Any]:
        """The comparison as a JSON object; what is undefined is null, never NaN."""
        return asdict(self) | {"format": FORMAT, "kind": "comparison", "alpha": ALPHA}
