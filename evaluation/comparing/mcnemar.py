"""Owns McNemar's exact test of two models on the same samples, with its effect sizes.

It takes samples to be independent. Where several come from one recording, its p-value is too small; the test by group
(``flipping.py``) stays valid there, and it is the one that verdicts use.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecosight.errors import InvalidInput

__all__ = ["McNemar", "mcnemar"]


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """Two models that answered the same samples.

    Attributes:
        both, only_first, only_second, neither: samples that were answered right by …
        p: two-sided, exact; 1 where they were never right alone.
        odds_ratio: only_second / only_first, with its exact 95% interval; None where it is without bound or undefined.
        difference: of the shares that are right, second minus first.
        cohens_g: how far the share of the second, among the samples where one alone is right, is from one half; None
            where there are none. Some 0.05 is small, 0.15 medium, 0.25 large.
        independent_samples: false where groups hold several samples, so that ``p`` is too small.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    p: float
    odds_ratio: float | None
    odds_low: float | None
    odds_high: float | None
    difference: float
    cohens_g: float | None
    independent_samples: bool


def mcnemar(both: int, only_first: int, only_second: int, neither: int, *, independent_samples: bool = True) -> McNemar:
    """Test whether two models are right equally often, from the four counts.

    Raises: InvalidInput: no samples, or a negative count.
    Source: McNemar (1947); exact form and interval of the odds ratio from the binomial distribution of the discordant
        samples: Fay (2010), "Two-sided exact tests and matching confidence intervals for discrete data" (central
        interval of Clopper and Pearson); effect size g: Cohen (1988), chapter 5.
    """
    counts = (both, only_first, only_second, neither)
    if min(counts) < 0 or not sum(counts):
        raise InvalidInput(f"{counts} are no counts of samples")
    unlike = only_first + only_second
    p, low, high = 1.0, None, None
    if unlike:
        from scipy.stats import binomtest

        test = binomtest(only_second, unlike, 0.5)
        p, share = float(test.pvalue), test.proportion_ci(0.95, method="exact")
        low, high = _odds(float(share.low)), _odds(float(share.high))
    return McNemar(
        both=both,
        only_first=only_first,
        only_second=only_second,
        neither=neither,
        p=p,
        odds_ratio=only_second / only_first if only_first else None,
        odds_low=low,
        odds_high=high,
        difference=(only_second - only_first) / sum(counts),
        cohens_g=only_second / unlike - 0.5 if unlike else None,
        independent_samples=independent_samples,
    )


def _odds(share: float) -> float | None:
    return share / (1 - share) if share < 1 else None
