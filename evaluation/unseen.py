"""Owns what resampling cannot show: mistakes that a small test part happens not to hold, and classes that it lacks.

A resample holds nothing that the test part does not. So the ends of some intervals are moved out to what other figures
of the same test part admit:

- Brier score, log loss and calibration errors, where fewer than ``FEW_MISTAKEN`` groups hold a mistake: the interval of
  the accuracy tells how many there may be, and each costs as much as the mistakes that were seen, or as a tie. With
  12 recordings, all answered right, accuracy is [0.74, 1], and a Brier score of [0.001, 0.004] would contradict it.
- Macro F1 and macro precision, where ``MANY_ABSENT`` classes were answered that no sample is of: they count 0, as
  everywhere in the field, and how well they would be found is not known. The upper end is that of the mean over the
  classes that are there. For a single one the interval stays: it holds the truth in three of four such test parts,
  and they are few; to hold it in all would make 99% of what says 95%.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from evaluation.bootstrap import Groups
    from evaluation.counting import Answers
    from evaluation.estimates import Estimate, Support
    from evaluation.resampling import Spread

__all__ = ["FEW_MISTAKEN", "MANY_ABSENT", "admit_absent_classes", "admit_mistakes"]

FEW_MISTAKEN = 5
MANY_ABSENT = 2
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
    overall: Mapping[str, Estimate],
    spread: Spread,
    there: NDArray[np.bool_],
    supports: Mapping[str, Sequence[Support]],
    every: Support,
) -> dict[str, Estimate]:
    """The figures over all classes, means as far up as those over the classes that are there.

    Args:
        supports: of the classes, by figure. every: of all samples.
    Input: there, bool (c,): whether any sample is of the class.
    """
    found = dict(overall)
    for name, figure in _MEANS.items():
        if there.any() and (spread.is_defined(figure) & ~there).sum() >= MANY_ABSENT:
            of_those = spread.mean_of_some(figure, there, supports[figure], every)
            found[name] = _reaching(found[name], of_those.high or 0.0)
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
    highs["classwise_ece"] = min(1.0, (overall["classwise_ece"].value or 0.0) + 2 * more / answers.classes)
    return highs


def _reaching(estimate: Estimate, high: float) -> Estimate:
    return estimate if estimate.high is None else replace(estimate, high=max(estimate.high, high))
