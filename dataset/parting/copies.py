"""Owns asking which of a version's new samples are near-duplicates, and writing down that nobody was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dataset.parting.guards import Violation
from dataset.storing.manifests import UNSEARCHED

__all__ = ["NearDuplicates", "Unsearched", "copies_among", "looker", "nobody_looks"]


@dataclass(frozen=True, slots=True)
class Unsearched:
    """The answer of somebody who did not look for near-duplicates, and why. The version tells it for good."""

    reason: str


NearDuplicates = Callable[[Sequence[str]], Iterable[tuple[str, str]] | Unsearched]
"""Sample ids that are new in a version -> pairs of near-duplicates, each with at least one of them."""


def nobody_looks(_: Sequence[str]) -> Unsearched:
    """For datasets that were given no search."""
    return Unsearched("this dataset was opened without a search for them")


def looker(near_duplicates: NearDuplicates, given: Mapping[str, str]) -> NearDuplicates:
    """The search, unless these overrides (rule -> reason) say that there shall be none."""
    if UNSEARCHED in given:
        return lambda _: Unsearched(given[UNSEARCHED])
    return near_duplicates


def copies_among(
    near_duplicates: NearDuplicates, new: Sequence[str]
) -> tuple[list[tuple[str, str]], tuple[Violation, ...]]:
    """The pairs of near-duplicates that these new samples are in; or that nobody looked, as a broken rule."""
    if not new:
        return [], ()
    found = near_duplicates(new)
    if isinstance(found, Unsearched):
        what = f"{min(new)} to {max(new)}"
        return [], (Violation(rule=UNSEARCHED, what=what, count=len(new), reason=found.reason),)
    return sorted({(min(pair), max(pair)) for pair in found if pair[0] != pair[1]}), ()
