"""Owns the search for parts of a test part where a model does worse than elsewhere, corrected for having searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosight.errors import InvalidInput
from evaluation.errors.candidates import Candidate, Condition, candidates
from evaluation.errors.pruning import telling_more
from evaluation.errors.shuffling import Studentised, clumps_of, worst_of_shuffles

if TYPE_CHECKING:
    from evaluation.predictions import Predictions

__all__ = ["CLASS", "Slice", "SliceSearch", "search_slices"]

CLASS = "class"
"""The true class, as a fact among the others."""
_PRIOR = 10.0
"""Independent samples at the overall share that a part's own share is mixed with."""
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of the test part.

    Attributes:
        conditions: facts with their values, all of which hold. also: other names of the same samples.
        n, group_count, errors: samples, groups and mistakes. error_rate: the share of mistakes.
        shrunk_rate: drawn towards the overall share, more so for few samples: what to expect of new ones. Source:
            the posterior mean under a beta prior worth ten samples; samples of one group count as fewer.
        excess: mistakes beyond those that the overall share would give.
        p_value: how often a search through shuffled facts finds a part at least as bad.
        wrong: sample ids of the mistakes, most confident first.
    """

    conditions: tuple[Condition, ...]
    also: tuple[tuple[Condition, ...], ...] = ()
    n: int
    group_count: int
    errors: int
    error_rate: float
    shrunk_rate: float
    excess: float
    p_value: float
    wrong: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For people: ``station 7, hour 03``."""
        return _name(self.conditions)

    @property
    def other_names(self) -> tuple[str, ...]:
        """Names that mean the same samples."""
        return tuple(_name(each) for each in self.also)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "conditions": dict(self.conditions),
            "also": list(self.other_names),
            "n": self.n,
            "group_count": self.group_count,
            "errors": self.errors,
            "error_rate": self.error_rate,
            "shrunk_rate": self.shrunk_rate,
            "excess": self.excess,
            "p_value": self.p_value,
            "wrong": list(self.wrong[:_SHOWN]),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceSearch:
    """What a search found.

    Attributes:
        found: parts that are worse than chance allows, worst first. nearest: the worst one where none is.
        searched: parts that were looked at. facts: the facts that they are made of.
        why_not: why nothing could be searched, or empty.
    """

    found: tuple[Slice, ...] = ()
    nearest: Slice | None = None
    searched: int = 0
    facts: tuple[str, ...] = ()
    error_rate: float = 0.0
    alpha: float
    shuffles: int
    why_not: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "found": [each.as_dict() for each in self.found],
            "nearest": self.nearest.as_dict() if self.nearest else None,
            "searched": self.searched,
            "facts": list(self.facts),
            "error_rate": self.error_rate,
            "alpha": self.alpha,
            "shuffles": self.shuffles,
            "why_not": self.why_not,
        }


def search_slices(
    predictions: Predictions,
    *,
    rng: np.random.Generator,
    alpha: float = 0.05,
    shuffles: int = 999,
    min_samples: int = 10,
    min_groups: int = 5,
) -> SliceSearch:
    """Look through all facts, the true class, and pairs of them for parts with too many mistakes.

    Args:
        alpha: how often a test part without any bad part may be said to have one.
        shuffles: more give finer p-values, the smallest being 1 / (shuffles + 1).
        min_samples, min_groups: smaller parts are not looked at.
    Returns: parts that tell nothing beyond a worse one are left out.
    Raises: InvalidInput: alpha or shuffles make no sense.
    """
    if not 0 < alpha < 1 or shuffles < 1 / alpha - 1:
        raise InvalidInput(
            f"{shuffles} shuffles cannot show a chance of {alpha}", hint=f"Take at least {round(1 / max(alpha, 1e-6))}."
        )
    wrong = (~predictions.correct).astype(np.float64)
    facts = {**predictions.facts, CLASS: [predictions.labels[k] for k in predictions.truth]}
    _, groups = np.unique(np.array(predictions.groups, dtype=object), return_inverse=True)
    groups = groups.astype(np.int64)
    parts = candidates(facts, groups, min_samples=min_samples, min_groups=min_groups) if len(predictions) else []
    if not parts or not 0 < wrong.sum() < wrong.size:
        return SliceSearch(alpha=alpha, shuffles=shuffles, why_not=_why_not(predictions, min_samples, min_groups))
    studentised = Studentised(parts, groups, wrong)
    values = studentised.observed()
    worst = np.sort(worst_of_shuffles(studentised, clumps_of(facts, groups, wrong), shuffles=shuffles, rng=rng))
    # As bad as: equal statistics must count, in spite of rounding.
    as_bad = shuffles - np.searchsorted(worst, values - 1e-9, side="left")
    chances = (as_bad + 1) / (shuffles + 1)
    order = sorted(range(len(parts)), key=lambda k: (-values[k], len(parts[k].conditions), parts[k].conditions))
    kept = telling_more([parts[k] for k in order if chances[k] <= alpha], studentised)
    by_conditions = {part.conditions: float(chances[k]) for k, part in enumerate(parts)}

    def told(part: Candidate) -> Slice:
        return _told(predictions, part, studentised, by_conditions[part.conditions])

    return SliceSearch(
        found=tuple(told(part) for part in kept),
        nearest=None if kept or values[order[0]] <= 0 else told(parts[order[0]]),
        searched=len(parts),
        facts=tuple(name for name in facts if any(name in dict(part.conditions) for part in parts)),
        error_rate=studentised.rate,
        alpha=alpha,
        shuffles=shuffles,
    )


def _told(predictions: Predictions, part: Candidate, studentised: Studentised, p_value: float) -> Slice:
    wrong = studentised.wrong[part.rows]
    n, errors, rate = part.rows.size, int(wrong.sum()), studentised.rate
    sizes = np.unique(studentised.groups[part.rows], return_counts=True)[1]
    counted = n * n / float((sizes * (1 + (sizes - 1) * studentised.rho)).sum())
    confidence = predictions.probabilities[part.rows].max(axis=1)
    mistakes = sorted(np.flatnonzero(wrong), key=lambda k: -confidence[k])
    return Slice(
        conditions=part.conditions,
        also=part.also,
        n=n,
        group_count=part.group_count,
        errors=errors,
        error_rate=errors / n,
        shrunk_rate=(counted * errors / n + _PRIOR * rate) / (counted + _PRIOR),
        excess=errors - rate * n,
        p_value=p_value,
        wrong=tuple(predictions.sample_ids[part.rows[k]] for k in mistakes),
    )


def _why_not(predictions: Predictions, min_samples: int, min_groups: int) -> str:
    right = int(predictions.correct.sum())
    if right == len(predictions):
        return "there are no mistakes"
    if right == 0:
        return "every answer is a mistake, so no part is worse than another"
    return f"no part has {min_samples} samples of {min_groups} groups"


def _name(conditions: Sequence[Condition]) -> str:
    return ", ".join(f"{fact} {value}" for fact, value in conditions)
