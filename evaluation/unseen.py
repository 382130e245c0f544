"""Owns what resampling cannot show: mistakes that a small test part happens not to hold, and classes that it lacks.

A resample holds nothing that the test part does not. So the ends of some intervals are moved out to what other figures
of the same test part admit:

- Brier score, log loss and calibration errors, where fewer than ``FEW_MISTAKEN`` groups hold a mistake: the interval of
  the accuracy tells how many there may be, and each costs as much as the mistakes that were seen, or as a tie. With
  12 recordings, all answered right, accuracy is [0.74, 1], and a Brier score of [0.001, 0.004] would contradict it.
- Macro F1 and macro precision, where a class was answered that no sample is of: it counts 0, as everywhere in the
  field, and how well it would be found is not known. The upper end is that of the mean over the classes that are there.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from evaluation.bootstrap import Groups
    from evaluation.counting import Answers
    from evaluation.estimates import Estimate
    from evaluation.resampling import Spread

__all__ = ["FEW_MISTAKEN", "admit_absent_classes", "admit_mistakes"]

FEW_MISTAKEN = 5
_TIE = {"brier": 0.5, "log_loss": math.log(2)}
"""What a mistake costs at least: two classes at one half each."""
_MEANS = {"macro_f1": "f1", "macro_precision": "precision"}


def admit_mistakes(overall: Mapping[str, Estimate], answers: Answers, groups: Groups) -> dict[str, Estimate]:
    """The figures of a classifier, losses and calibration errors with the mistakes that may only not have been met."""
    least = overall["accuracy"].low
    if least is None or groups.count(~answers.correct) >= FEW_MISTAKEN:
        return dict(overall)
    highs = _with_mistakes(overall, answers, least)
    return {name: _reaching(each, highs[name]) if name in highs else each for name, each in overall.items()}


def admit_absent_classes(
    overall: Mapping[str, Estimate], spread: Spread, there: NDArray[np.bool_]
) -> dict[str, Estimate]:
    """The figures over all classes, means as far up as those over the classes that are there.

    Input: there, bool (c,): whether any sample is of the class.
    """
    found = dict(overall)
    for name, figure in _MEANS.items():
        values = spread.by_class(figure)
        if there.any() and not np.isnan(values[~there]).all():
            found[name] = _around(found[name], float(np.nanmean(values[there])))
    return found


def _with_mistakes(overall: Mapping[str, Estimate], answers: Answers, least: float) -> dict[str, float]:
    """Upper ends if only the share ``least`` of all answers were right."""
    right = answers.correct
    more = float(right.mean()) - least
    losses = {"brier": answers.brier, "log_loss": answers.loss}
    highs = {}
    for name, loss in losses.items():
        of_right = float(loss[right].mean()) if right.any() else 0.0
        of_wrong = float(loss[~right].mean()) if not right.all() else _TIE[name]
        highs[name] = float(loss.mean()) + more * max(0.0, of_wrong - of_right)
    # A gap between confidence and accuracy over all answers is in every sum of the bins' gaps; a mistake is one of the
    # class that was answered and of the true one.
    highs["ece"] = float(answers.confidence.mean()) - least
    highs["classwise_ece"] = (overall["classwise_ece"].value or 0.0) + 2 * more / answers.classes
    return highs


def _reaching(estimate: Estimate, high: float) -> Estimate:
    return estimate if estimate.high is None else replace(estimate, high=max(estimate.high, high))


def _around(estimate: Estimate, centre: float) -> Estimate:
    """The upper end as far above ``centre`` as it was above the value, in log odds."""
    value, high = estimate.value, estimate.high
    if value is None or high is None or not 0 < value < centre or not high < 1:
        return estimate
    if centre >= 1:
        return replace(estimate, high=1.0)
    odds = math.log(centre / (1 - centre)) + math.log(high / (1 - high)) - math.log(value / (1 - value))
    return replace(estimate, high=max(high, 1 / (1 + math.exp(-odds))))
