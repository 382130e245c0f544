"""Owns what a kind of rule is: two functions, of which the second sees recorded evidence only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evaluation.gates.measured import Measured

__all__ = ["FIRST", "Finding", "Judged", "Kind", "Options", "Rule", "missing", "range_told"]

Rule = Mapping[str, Any]
"""A rule's kind and numbers, as JSON."""
Finding = dict[str, Any]
"""What a rule needs to know, as JSON; ``missing`` says why it is not known."""
Judged = tuple[bool | None, str]
"""Whether the rule is kept (None: cannot say), and a sentence with figures."""

FIRST: Finding = {"first": True}
"""The finding of a rule that compares, before the first champion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Of paired intervals: how many resamples, and their seed."""

    resamples: int
    seed: int


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of rule.

    Attributes:
        find: ``(rule, candidate, champion or None, options) -> finding``.
        judge: ``(rule, finding) -> (kept, sentence)``; pure, so a stored finding is judged to the same sentence.
    """

    find: Callable[[Rule, Measured, Measured | None, Options], Finding]
    judge: Callable[[Rule, Finding], Judged]


def missing(why: str) -> Finding:
    """The finding of a rule that cannot say."""
    return {"missing": why}


def range_told(low: float | None, high: float | None, told: Callable[[float], str]) -> str:
    """`` [low, high]``, or nothing where there is no interval."""
    return "" if low is None or high is None else f" [{told(low)}, {told(high)}]"
