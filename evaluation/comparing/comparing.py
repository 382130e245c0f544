"""Owns the comparison of models that answered the same test part: a pure function of their answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from evaluation.classification import evaluate_classification
from evaluation.comparing.aligning import Aligned, align
from evaluation.comparing.comparison import HEADLINES, Comparison, Contrast, Disagreement, ModelFigures, Pair, Slice
from evaluation.comparing.contrasting import Contrasts
from evaluation.comparing.correcting import corrected
from evaluation.comparing.mcnemar import mcnemar
from evaluation.comparing.slicing import class_masks, shared_mask, slice_masks
from evaluation.comparing.verdicts import with_verdict
from evaluation.predictions import Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compare"]

_ALL = "all"


def compare(
    predictions: Sequence[Predictions],
    *,
    correction: str = "holm",
    bootstrap_samples: int = 1000,
    seed: int = 7,
    data: str = "",
) -> Comparison:
    """Compare models that were asked about the same samples.

    Args:
        predictions: of two models or more; differences are later minus earlier.
        correction: of p-values for many tests: holm, bonferroni, bh or none.
        bootstrap_samples: resamples of whole groups behind each interval, the same for all models.
        data: the test part's name for people.
    Raises: InvalidInput: fewer than two models, different test parts, an unknown correction. NotEnoughData: no samples.
    """
    corrected([], correction)  # an unknown one is refused before the work
    part = align(predictions)
    pairs = list(combinations(range(len(part.names)), 2))
    classes, (slices, cut) = class_masks(part), slice_masks(part)
    shared = {pair: shared_mask(part, *pair) for pair in pairs}
    subsets = {_ALL: np.ones(len(part.truth), np.bool_)}
    subsets |= {f"class\x1f{label}": mask for label, mask in classes.items()}
    subsets |= {f"slice\x1f{fact}\x1f{value}": mask for (fact, value), mask in slices.items()}
    subsets |= {f"shared\x1f{pair}": mask for pair, mask in shared.items() if mask is not None}
    contrasts = Contrasts(part, subsets, bootstrap_samples=bootstrap_samples, seed=seed)
    found = [_pair(part, contrasts, pair, list(classes), list(slices), shared[pair] is not None) for pair in pairs]
    found = _corrected(found, correction)
    told = [
        with_verdict(pair, contrasts.error(*numbers, _ALL), correction=correction, pairs=len(pairs))
        for pair, numbers in zip(found, pairs, strict=True)
    ]
    models = [_model(part, number, bootstrap_samples, seed) for number in range(len(part.names))]
    return Comparison(
        n=len(part.truth),
        group_count=len(contrasts.groups),
        labels=part.labels,
        test_digest=part.test_digest,
        models=tuple(_ranked(models, told)),
        pairs=tuple(told),
        notes=tuple(part.notes() + cut),
        correction=correction,
        bootstrap_samples=bootstrap_samples,
        seed=seed,
        data=data,
        caveats=part.caveats,
    )


def _pair(
    part: Aligned,
    contrasts: Contrasts,
    pair: tuple[int, int],
    classes: Sequence[str],
    slices: Sequence[tuple[str, str]],
    has_shared: bool,
) -> Pair:
    first, second = pair
    right, also = contrasts.correct(first), contrasts.correct(second)
    counts = [int(mask.sum()) for mask in (right & also, right & ~also, also & ~right, ~right & ~also)]
    metrics = contrasts.headlines(first, second)
    ahead = contrasts.ahead(first, second, np.ones(len(part.truth), np.bool_))
    return Pair(
        first=part.names[first],
        second=part.names[second],
        metrics=metrics,
        mcnemar=mcnemar(
            counts[0], counts[1], counts[2], counts[3], independent_samples=len(contrasts.groups) == len(part.truth)
        ),
        group_p=metrics["accuracy"].p,
        group_corrected=None,
        unlike_groups=int((ahead != 0).sum()),
        shared=contrasts.share(first, second, f"shared\x1f{pair}") if has_shared else None,
        classes={label: contrasts.share(first, second, f"class\x1f{label}") for label in classes},
        slices=tuple(
            Slice(fact=fact, value=value, accuracy=contrasts.share(first, second, f"slice\x1f{fact}\x1f{value}"))
            for fact, value in slices
        ),
        disagreements=_disagreements(part, contrasts, first, second, right != also),
    )


def _disagreements(
    part: Aligned, contrasts: Contrasts, first: int, second: int, mask: NDArray[np.bool_]
) -> tuple[Disagreement, ...]:
    """Surest first: where the wrong one was most confident, there is most to learn."""
    one, other = contrasts.answers(first), contrasts.answers(second)
    wrong = np.where(one.correct, other.confidence, one.confidence)
    rows = np.flatnonzero(mask)
    return tuple(
        Disagreement(
            sample_id=part.sample_ids[row],
            source=part.sources[row],
            group=part.groups[row],
            truth=part.labels[part.truth[row]],
            right=1 if one.correct[row] else 2,
            answers=(part.labels[one.predicted[row]], part.labels[other.predicted[row]]),
            confidences=(float(one.confidence[row]), float(other.confidence[row])),
        )
        for row in rows[np.argsort(-wrong[rows], kind="stable")]
    )


def _corrected(pairs: Sequence[Pair], correction: str) -> list[Pair]:
    """Every family of tests: each figure over all pairs, all classes of all pairs, all slices of all pairs."""

    def family(contrasts: Iterable[Contrast]) -> list[Contrast]:
        tests = list(contrasts)
        adjusted = corrected([each.p for each in tests], correction)
        return [replace(each, corrected=p) for each, p in zip(tests, adjusted, strict=True)]

    by_metric = {name: iter(family(pair.metrics[name] for pair in pairs)) for name in pairs[0].metrics}
    by_class = iter(family(each for pair in pairs for each in pair.classes.values()))
    by_slice = iter(family(each.accuracy for pair in pairs for each in pair.slices))
    shared = iter(family(pair.shared for pair in pairs if pair.shared))
    found = []
    for pair in pairs:
        metrics = {name: next(by_metric[name]) for name in pair.metrics}
        found.append(
            replace(
                pair,
                metrics=metrics,
                group_corrected=metrics["accuracy"].corrected,
                classes={label: next(by_class) for label in pair.classes},
                slices=tuple(replace(each, accuracy=next(by_slice)) for each in pair.slices),
                shared=next(shared) if pair.shared else None,
            )
        )
    return found


def _model(part: Aligned, number: int, bootstrap_samples: int, seed: int) -> ModelFigures:
    report = evaluate_classification(
        part.truth,
        part.tables[number],
        part.labels,
        part.groups,
        bootstrap_samples=bootstrap_samples,
        seed=seed,
        known_labels=sorted(part.known[number]),
        test_digest=part.test_digest,
    )
    return ModelFigures(
        name=part.names[number],
        digest=part.digests[number],
        unknown_labels=tuple(label for label in part.labels if label not in part.known[number]),
        figures={name: getattr(report, name) for name in HEADLINES},
        recalls={label: each.recall for label, each in report.per_class.items() if each.support},
    )


def _ranked(models: Sequence[ModelFigures], pairs: Sequence[Pair]) -> list[ModelFigures]:
    beaten = {model.name: 0 for model in models}
    ties: dict[str, list[str]] = {model.name: [] for model in models}
    for pair in pairs:
        if pair.better:
            beaten[pair.second if pair.better == pair.first else pair.first] += 1
        else:
            ties[pair.first].append(pair.second)
            ties[pair.second].append(pair.first)
    ranked = [replace(model, rank=1 + beaten[model.name], ties=tuple(ties[model.name])) for model in models]
    return sorted(ranked, key=lambda model: (model.rank, -(model.figures["accuracy"].value or 0.0)))
