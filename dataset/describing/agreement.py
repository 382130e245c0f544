"""Owns how far several people agree about the same samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ecosight.values import Annotation

__all__ = ["Agreement", "agreement_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement over the samples that two or more people labelled.

    Attributes:
        samples: how many those are. annotators: how many people labelled any of them.
        unanimous: share of samples about which all say the same.
        observed: mean share of agreeing pairs of people. kappa: Fleiss' kappa, 1 full agreement, 0 as by chance.
    All shares are None without such samples; kappa also where everybody gave one and the same label, since then
    chance would agree as well.
    """

    samples: int
    annotators: int
    unanimous: float | None
    observed: float | None
    kappa: float | None


def agreement_of(annotations: Iterable[Annotation]) -> Agreement:
    """Agreement among people; answers of models are passed over, and of one person's several only the last counts.

    Samples need not have the same number of people: each sample weighs the same, as in the generalisation.

    Source: Fleiss (1971), "Measuring nominal scale agreement among many raters"; Gwet (2014), "Handbook of Inter-Rater
        Reliability", chapter 2, for samples with different numbers of raters.
    """
    last: dict[str, dict[str, str]] = {}
    for each in sorted(annotations, key=lambda each: each.made_at):
        if each.model_version is None and each.annotator:
            last.setdefault(each.sample_id, {})[each.annotator] = each.label
    several = [votes for votes in last.values() if len(votes) > 1]
    people = {name for votes in several for name in votes}
    if not several:
        return Agreement(samples=0, annotators=0, unanimous=None, observed=None, kappa=None)
    tables = [Counter(votes.values()) for votes in several]
    observed = sum(_agreeing_pairs(table) for table in tables) / len(tables)
    shares: Counter[str] = Counter()
    for table in tables:
        for label, votes in table.items():
            shares[label] += votes / table.total() / len(tables)  # type: ignore[assignment]
    chance = sum(share * share for share in shares.values())
    return Agreement(
        samples=len(several),
        annotators=len(people),
        unanimous=sum(len(table) == 1 for table in tables) / len(tables),
        observed=observed,
        kappa=None if len(shares) == 1 else (observed - chance) / (1 - chance),
    )


def _agreeing_pairs(table: Counter[str]) -> float:
    people = table.total()
    return sum(votes * (votes - 1) for votes in table.values()) / (people * (people - 1))
