"""Owns which parts of a test part are looked at: every value of a fact, and every pair of values of two facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Candidate", "Condition", "candidates"]

Condition = tuple[str, str]
"""A fact and its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A part that may be bad.

    Attributes:
        conditions: one or two facts with their values; all hold.
        rows: int64 (k,), the samples, rising. group_count: how many groups they are of.
        also: other conditions that exactly the same samples fulfil.
    """

    conditions: tuple[Condition, ...]
    rows: NDArray[np.int64]
    group_count: int
    also: tuple[tuple[Condition, ...], ...] = ()


def candidates(
    facts: Mapping[str, Sequence[str]], groups: NDArray[np.int64], *, min_samples: int, min_groups: int
) -> list[Candidate]:
    """Parts with enough samples and groups, single facts first; each set of samples once, under its simplest name.

    Args:
        facts: name -> value for each sample; samples whose value is "" are in no part of that fact.
        groups: int64 (n,), the group of each sample.
    """
    found: dict[bytes, Candidate] = {}
    for conditions, rows in _parts(facts, min_samples):
        count = np.unique(groups[rows]).size
        if rows.size == groups.size or count < min_groups:
            continue
        key = rows.tobytes()
        first = found.get(key)
        if first is None:
            found[key] = Candidate(conditions=conditions, rows=rows, group_count=count)
        elif not any(set(known) <= set(conditions) for known in (first.conditions, *first.also)):
            found[key] = Candidate(
                conditions=first.conditions, rows=rows, group_count=count, also=(*first.also, conditions)
            )
    return list(found.values())


def _parts(
    facts: Mapping[str, Sequence[str]], min_samples: int
) -> Iterator[tuple[tuple[Condition, ...], NDArray[np.int64]]]:
    coded = {name: _code(values, min_samples) for name, values in facts.items()}
    for name, (values, codes) in coded.items():
        for code, rows in _rows_by_code(codes, min_samples):
            yield ((name, values[code]),), rows
    for one, other in combinations(coded, 2):
        (values, codes), (more_values, more_codes) = coded[one], coded[other]
        both = np.where((codes >= 0) & (more_codes >= 0), codes * len(more_values) + more_codes, -1)
        for code, rows in _rows_by_code(both, min_samples):
            first, second = divmod(code, len(more_values))
            yield ((one, values[first]), (other, more_values[second])), rows


def _code(values: Sequence[str], min_samples: int) -> tuple[list[str], NDArray[np.int64]]:
    """The values that are frequent enough, and of each sample the position of its own; -1 for all others."""
    names, places, counts = np.unique(np.array(values, dtype=object), return_inverse=True, return_counts=True)
    wanted = [k for k in range(names.size) if names[k] and counts[k] >= min_samples]
    positions = np.full(names.size, -1, np.int64)
    positions[wanted] = np.arange(len(wanted))
    return [str(names[k]) for k in wanted], positions[places]


def _rows_by_code(codes: NDArray[np.int64], min_samples: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    order = np.argsort(codes, kind="stable")
    names, starts, counts = np.unique(codes[order], return_index=True, return_counts=True)
    for name, start, count in zip(names.tolist(), starts.tolist(), counts.tolist(), strict=True):
        if name >= 0 and count >= min_samples:
            yield name, order[start : start + count]
