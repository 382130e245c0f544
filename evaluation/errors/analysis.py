"""Owns the analysis of a model's mistakes as a whole: a pure function of its answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosight.errors import NotEnoughData
from evaluation.errors.confusions import Confusions, find_confusions
from evaluation.errors.label_errors import LabelErrors, find_label_errors
from evaluation.errors.mistakes import Mistake, confident_mistakes
from evaluation.errors.review import ReviewItem, review_list
from evaluation.errors.slices import SliceSearch, search_slices

if TYPE_CHECKING:
    from evaluation.predictions import Predictions

__all__ = ["ErrorAnalysis", "analyse_errors"]

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAnalysis:
    """What goes wrong, and what a person should look at.

    Attributes:
        n, group_count, errors: samples, groups and mistakes.
        slices: parts where it does worse than elsewhere. confusions: which classes are taken for which.
        mistakes: the most confident ones, most confident first.
        label_errors: samples that probably carry a wrong label.
        review: the samples to look at, most useful first.
        caveats: what is wrong on purpose with the samples, a sentence each.
    """

    model: str
    model_digest: str
    test_digest: str
    n: int
    group_count: int
    errors: int
    slices: SliceSearch
    confusions: Confusions
    mistakes: tuple[Mistake, ...]
    label_errors: LabelErrors
    review: tuple[ReviewItem, ...]
    caveats: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__slots__[:6]}
        return {
            "kind": "errors",
            "format": FORMAT,
            **plain,
            "slices": self.slices.as_dict(),
            "confusions": self.confusions.as_dict(),
            "mistakes": [each.as_dict() for each in self.mistakes],
            "label_errors": self.label_errors.as_dict(),
            "review": [each.as_dict() for each in self.review],
            "caveats": list(self.caveats),
        }


def analyse_errors(
    predictions: Predictions,
    *,
    seed: int,
    trained_on: Collection[str] = (),
    most: int = 50,
    alpha: float = 0.05,
    shuffles: int = 999,
    min_samples: int = 10,
    min_groups: int = 5,
) -> ErrorAnalysis:
    """Find what goes wrong.

    Args:
        seed: the same gives the same p-values.
        trained_on: sample ids or groups that the model learned from; their labels are not judged.
        most: length of the review list, and of the list of confident mistakes.
        alpha, shuffles, min_samples, min_groups: see ``search_slices``.
    Raises: NotEnoughData: there are no answers. InvalidInput: a setting makes no sense.
    """
    if not len(predictions):
        raise NotEnoughData("there are no answers to look for mistakes in", hint="Name a test part with samples.")
    slices = search_slices(
        predictions,
        rng=np.random.default_rng([seed, 0x5E]),
        alpha=alpha,
        shuffles=shuffles,
        min_samples=min_samples,
        min_groups=min_groups,
    )
    mistakes = confident_mistakes(predictions)
    confusions = find_confusions(predictions, mistakes, alpha=alpha)
    label_errors = find_label_errors(predictions, trained_on)
    review = review_list(mistakes, label_errors=label_errors, slices=slices, confusions=confusions, most=most)
    return ErrorAnalysis(
        model=predictions.model,
        model_digest=predictions.model_digest,
        test_digest=predictions.test_digest,
        n=len(predictions),
        group_count=len(set(predictions.groups)),
        errors=len(mistakes),
        slices=slices,
        confusions=confusions,
        mistakes=mistakes[:most],
        label_errors=label_errors,
        review=review,
        caveats=predictions.caveats,
    )
