"""Owns how surprising the worst part of a search is: the facts are shuffled among groups, and searched again each time.

A part's statistic is its mistakes beyond the overall share, over their standard error. Samples of one group are not
independent, so the error counts them as a sample survey counts clusters. Whatever the statistic, shuffling whole
groups gives the spread of the largest one when facts have nothing to do with mistakes; so the p-value of a part is the
share of shuffles whose worst part is as bad, and it holds for all parts together. Where mistakes clump by a fact inside
the groups, such as by the class within a night, those clumps are shuffled as wholes too.

Sources: Westfall and Young (1993), Resampling-Based Multiple Testing, single-step max T; Phipson and Smyth (2010) for
(b + 1) / (m + 1); Kish (1965) for the design effect 1 + (size - 1) rho, and Fleiss (1981) for rho by analysis of
variance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.errors.candidates import Candidate

__all__ = ["Studentised", "clumps_of", "likeness_within", "worst_of_shuffles"]

_TOGETHER = 8
"""Shuffles whose sums are made in one go: more are no quicker, and take memory."""


class Studentised:
    """Computes the statistic of every part at once, as it is or after shuffles.

    Args:
        groups: int64 (n,). wrong: float64 (n,), 1 for a mistake and 0 otherwise.
    """

    def __init__(self, parts: Sequence[Candidate], groups: NDArray[np.int64], wrong: NDArray[np.float64]) -> None:
        from scipy.sparse import csr_matrix

        self.groups, self.wrong, n = groups, wrong, wrong.size
        self.rate, self.rho = float(wrong.mean()), likeness_within(groups, wrong)
        rows = np.concatenate([part.rows for part in parts])
        slices = np.repeat(np.arange(len(parts)), [part.rows.size for part in parts])
        # A cell is what a part and a group have in common: the clusters of that part.
        cells, of_row = np.unique(slices * (groups.max() + 1) + groups[rows], return_inverse=True)
        self._cells: Any = csr_matrix((np.ones(rows.size), (of_row, rows)), shape=(cells.size, n))
        owner = cells // (groups.max() + 1)
        self._parts: Any = csr_matrix(
            (np.ones(cells.size), (owner, np.arange(cells.size))), shape=(len(parts), cells.size)
        )

    def observed(self) -> NDArray[np.float64]:
        """Float64 (parts,), as the facts are."""
        return self.of(np.ones((self.wrong.size, 1)), self.wrong[:, None])[:, 0]

    def of(self, counts: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Float64 (parts, shuffles).

        Input: float64 (n, shuffles) each: how many samples got the facts of sample i, and how many of those are wrong.
        """
        size, bad = self._cells @ counts, self._cells @ errors
        n, errors_of = self._parts @ size, self._parts @ bad
        share = errors_of / np.maximum(n, 1)
        clusters = self._parts @ (size * (1 + (size - 1) * self.rho))
        # Where mistakes of this very part come in clumps more than groups do on the whole, its own clumps count.
        apart = self._parts @ ((bad - (self._parts.T @ share) * size) ** 2)
        spread = share * (1 - share)
        own = np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 1e-9)
        variance = self.rate * (1 - self.rate) * np.maximum(clusters, own) * (1 - n / self.wrong.size)
        beyond = errors_of - self.rate * n
        return np.asarray(np.divide(beyond, np.sqrt(variance), out=np.zeros_like(beyond), where=variance > 1e-9))


def clumps_of(
    facts: Mapping[str, Sequence[str]], groups: NDArray[np.int64], wrong: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Which samples a shuffle keeps together within their group: int64 (n,), a clump's number.

    They are those that share the value of one fact: that by which mistakes are most alike. Where they are so by none
    more than in whole groups, each sample is a clump.
    """
    most, clumps = likeness_within(groups, wrong), np.arange(groups.size)
    for values in facts.values():
        codes = np.unique(np.array(values, dtype=object), return_inverse=True)[1]
        cells = np.unique(groups * (codes.max() + 1) + codes, return_inverse=True)[1]
        # A fact that is the same in all of a group makes no clumps inside it.
        if cells.max() > groups.max() and (alike := likeness_within(cells, wrong)) > most:
            most, clumps = alike, cells
    return clumps.astype(np.int64)


def worst_of_shuffles(
    studentised: Studentised, clumps: NDArray[np.int64], *, shuffles: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The largest statistic of each shuffle, float64 (shuffles,).

    The groups keep their samples and mistakes and get each other's facts; within them a clump gets those of a clump,
    whichever. Where groups or clumps differ in size, facts are repeated or left out; where facts differ within a
    clump, they come in random order.
    """
    groups, wrong, n = studentised.groups, studentised.wrong, studentised.wrong.size
    order = np.lexsort((clumps, groups))
    # From here on samples are in this order, and clumps are numbered in it.
    clump = np.cumsum(np.diff(clumps[order], prepend=clumps[order[0]]) != 0)
    first, sizes = np.unique(clump, return_index=True, return_counts=True)[1:]
    group_of, many_clumps = groups[order][first], np.bincount(groups[order][first])
    first_clump = np.cumsum(many_clumps) - many_clumps
    group, place = groups[order], np.arange(n) - first[clump]
    rank = clump - first_clump[group]
    worst = np.empty(shuffles)
    for begin in range(0, shuffles, _TOGETHER):
        many = min(_TOGETHER, shuffles - begin)
        counts, errors = np.empty((n, many)), np.empty((n, many))
        for column in range(many):
            giver = rng.permutation(many_clumps.size)[group]
            mixed = _mixed_within(group_of, rng)
            given = mixed[first_clump[giver] + rank % many_clumps[giver]]
            inside = order if sizes.size == n else order[_mixed_within(clump, rng)]
            source = inside[first[given] + place % sizes[given]]
            counts[:, column] = np.bincount(source, minlength=n)
            errors[:, column] = np.bincount(source, weights=wrong[order], minlength=n)
        worst[begin : begin + many] = studentised.of(counts, errors).max(axis=0)
    return worst


def _mixed_within(runs: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions in random order inside each run. Input: runs, int (n,), rising: the run of each position.

    One sort of sums takes a tenth of the time of one by two keys.
    """
    return np.argsort(runs + rng.random(runs.size))


def likeness_within(groups: NDArray[np.int64], wrong: NDArray[np.float64]) -> float:
    """By how much mistakes of one group are alike, 0 to 1: the intraclass correlation, by analysis of variance."""
    sizes = np.bincount(groups).astype(float)
    n, k = wrong.size, sizes.size
    if n <= k or k < 2:
        return 0.0
    means = np.bincount(groups, weights=wrong) / sizes
    between = float((sizes * (means - wrong.mean()) ** 2).sum()) / (k - 1)
    within = float(((wrong - means[groups]) ** 2).sum()) / (n - k)
    typical = (n - float((sizes**2).sum()) / n) / (k - 1)
    whole = between + (typical - 1) * within
    return float(np.clip((between - within) / whole, 0, 1)) if whole > 0 else 0.0
