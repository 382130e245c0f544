"""Owns measuring a detector: boxes found against boxes that are there, with 95% intervals over resampled groups.

Groups are sites or bursts where they are told, else single pictures. ``evaluation.estimates`` says how an interval is
made of the resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ecosight.errors import InvalidInput, NotEnoughData
from evaluation.bootstrap import Groups, group_weights
from evaluation.classification import part_digest
from evaluation.counting import mean_of_defined
from evaluation.curves import ClassCurve, Counted, thin_curve
from evaluation.detection.boxes import FoundBoxes, Scene, TrueBoxes
from evaluation.detection.matching import AREAS, IOU, MOST_FOUND, Matches, match
from evaluation.detection.operating import Operating
from evaluation.detection.precision import average_precision, average_recall
from evaluation.detection.report import OVERALL, ClassDetection, DetectionReport
from evaluation.detection.resampling import BoxCounts, PrecisionResamples
from evaluation.detection.tide import error_kinds
from evaluation.estimates import Estimate, Kind, Support
from evaluation.resampling import Spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Figures = dict[str, NDArray[np.float64]]

__all__ = ["evaluate_detection"]

_MOST = (1, 10, MOST_FOUND)
_BY_CLASS = {"map": "class_ap", "map50": "class_ap50"}
"""Means over classes, of which each class's own figure is resampled as well."""


def evaluate_detection(
    truth: TrueBoxes,
    found: FoundBoxes,
    images: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    groups: Mapping[str, str] | None = None,
    score_threshold: float = 0.5,
    bootstrap_samples: int = 1000,
    seed: int = 7,
    test_digest: str | None = None,
    model_digest: str | None = None,
    caveats: Sequence[str] = (),
) -> DetectionReport:
    """Measure boxes that were found against boxes that are there.

    Args:
        images: every picture of the test part, those without any box too.
        labels: the classes; None takes those of the boxes.
        groups: picture -> site or burst, resampled as wholes; None lets each picture stand for itself.
        score_threshold: detections below it do not count for precision, recall and F1.
        bootstrap_samples: resamples behind each interval, at least 1.
        test_digest: names the test part; None derives it from pictures, labels and boxes.
        model_digest: names what was measured. caveats: what is wrong on purpose with the test part.
    Returns: the report; figures of classes and sizes without boxes are undefined.
    Raises: InvalidInput: a box is no box, or of a picture or class that is not listed; a picture has no group.
        NotEnoughData: there are no pictures.
    Units: boxes in pixels; all figures are shares of 1.
    Source: Lin et al. (2014), "Microsoft COCO"; the figures are those of ``pycocotools``.
    """
    if not len(images):
        raise NotEnoughData("there are no test pictures to measure on", hint="Ingest more pictures.")
    scene = Scene(truth, found, images, labels)
    held = Groups(_groups(scene.images, groups), seed=seed)
    measured = _Measured(scene, match(scene), held, score_threshold, bootstrap_samples, seed)
    return DetectionReport(
        images=len(scene.images),
        n=int(measured.boxes.sum()),
        group_count=len(held),
        labels=tuple(scene.labels),
        score_threshold=score_threshold,
        **measured.overall(),
        per_class={label: measured.of_class(column) for column, label in enumerate(scene.labels)},
        errors=error_kinds(scene),
        curves=tuple(measured.curve(column, label) for column, label in enumerate(scene.labels)),
        bootstrap_samples=bootstrap_samples,
        seed=seed,
        test_digest=test_digest or _digest(scene),
        model_digest=model_digest,
        caveats=tuple(caveats),
    )


class _Measured:
    """Every figure of the whole test part and of each resample of its groups."""

    def __init__(
        self, scene: Scene, matches: Matches, groups: Groups, threshold: float, resamples: int, seed: int
    ) -> None:
        self._matches, self._groups, self._classes = matches, groups, len(scene.labels)
        counts = BoxCounts(matches, groups, self._classes)
        operating = Operating(matches, counts, threshold)
        precision = PrecisionResamples(matches, counts, groups, self._classes)

        def resampled(weights: NDArray[np.float64]) -> Figures:
            recalls = {most: counts.recall(weights, most) for most in _MOST}
            return _named(precision.resampled(weights), recalls) | operating.figures(weights)

        exact = {most: average_recall(matches, self._classes, most).mean(axis=1)[None] for most in _MOST}
        whole = _named(average_precision(matches, self._classes)[None], exact)
        whole |= operating.figures(np.ones((1, groups.pools)))
        weights = group_weights(groups.pools, resamples, seed=seed)
        self._spread = Spread(whole, (resampled(chunk) for chunk in weights))
        self.boxes, self._said = counts.boxes[0].sum(axis=0), operating.said.sum(axis=0)
        self._there = [self._supports(row) for row in matches.counts]

    def overall(self) -> dict[str, Estimate]:
        every, sizes = self._groups.support(), list(AREAS)

        def estimated(name: str) -> Estimate:
            if name in ("precision", "recall", "f1"):
                return self._spread.of(name, every, kind=_kind(name))
            size = name.rpartition("_")[2]
            there = self._there[sizes.index(size) if size in sizes else 0]
            return self._spread.mean_over(name, _BY_CLASS.get(name, ""), there, every, _kind(name))

        return {name: estimated(name) for name in OVERALL}

    def of_class(self, column: int) -> ClassDetection:
        there = self._there[0][column]
        names = {"ap": "class_ap", "ap50": "class_ap50"}
        names |= {name: f"class_{name}" for name in ("precision", "recall", "f1")}
        return ClassDetection(
            **{name: self._spread.of(key, there, column, _kind(name)) for name, key in names.items()},
            support=int(self.boxes[column]),
            found=int(self._said[column]),
            group_count=there.groups,
        )

    def curve(self, column: int, label: str) -> ClassCurve:
        rows = self._matches.label == column
        right, wrong, score = (
            self._matches.right[0, 0, rows],
            self._matches.wrong[0, 0, rows],
            self._matches.score[rows],
        )
        last = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1] if len(score) else np.zeros(0, np.int64)
        hits, alarms = (each.cumsum()[last].astype(np.float64) for each in (right, wrong))
        return thin_curve(label, Counted(score[last], hits, alarms, int(self.boxes[column]), 0))

    def _supports(self, counts: NDArray[np.bool_]) -> list[Support]:
        """What is known of each class: the groups of its boxes. Input: counts, bool (g,), which boxes to look at."""
        image, label = self._matches.true_image, self._matches.true_label
        return [self._groups.support(image[counts & (label == column)]) for column in range(self._classes)]


def _kind(name: str) -> Kind:
    return "interpolated" if name.startswith(("map", "ap")) else "share"


def _named(precision: NDArray[np.float64], recall: Mapping[int, NDArray[np.float64]]) -> Figures:
    """Input: precision, (r, areas, thresholds, classes). recall, most found -> (r, areas, classes)."""
    by_class = precision.mean(axis=2)
    at75 = int(np.argmin(np.abs(IOU - 0.75)))
    found = {
        "map": mean_of_defined(by_class[:, 0]),
        "map50": mean_of_defined(precision[:, 0, 0]),
        "map75": mean_of_defined(precision[:, 0, at75]),
        "class_ap": by_class[:, 0],
        "class_ap50": precision[:, 0, 0],
    }
    found |= {f"ar_{most}": mean_of_defined(each[:, 0]) for most, each in recall.items()}
    for row, size in enumerate(AREAS):
        if row:
            found[f"map_{size}"] = mean_of_defined(by_class[:, row])
            found[f"ar_{size}"] = mean_of_defined(recall[MOST_FOUND][:, row])
    return found


def _groups(images: Sequence[str], groups: Mapping[str, str] | None) -> list[str]:
    if groups is None:
        return list(images)
    missing = next((image for image in images if image not in groups), None)
    if missing is not None:
        raise InvalidInput(f"the picture {missing!r} has no group", hint="Name the site or burst of every picture.")
    return [groups[image] for image in images]


def _digest(scene: Scene) -> str:
    boxes = [
        (scene.images[image], scene.labels[label], ",".join(f"{side:g}" for side in box))
        for image, label, box in zip(scene.true_image, scene.true_label, scene.true_box, strict=True)
    ]
    return part_digest(*zip(*[(image, "", "") for image in scene.images] + boxes, strict=True))
