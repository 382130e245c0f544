"""Which samples may be copies: those that share words at one and the same shift, found without comparing all pairs.

Postings are sorted by word. Each meets the few that follow it under the same word, so a word that thousands share (a
hum, or a jingle copied thousands of times) costs no more than a rare one: copies stand next to each other all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecosight.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Candidates", "Postings", "find_candidates"]

NEIGHBOURS = 24
"""How many postings after it one posting meets under its word."""
LEAST_VOTES = 3
_TOLERANCE = 2
"""By how many places two votes for one shift may differ."""
_SURPLUS_BITS = 25
_RAREST_BITS = 17
_EVENTS_AT_ONCE = 8_000_000
# A vote is one sortable number: one sample, the other, the shift, and below them what it weighs.
_OWNER_BITS, _SHIFT_BITS, _WEIGHT_BITS = 20, 19, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Postings:
    """Words of samples: words uint32 (n,), owners int32 (n,), ascending, and places int32 (n,).

    A sample has each of its words once. What one sample alone has need not be there: it makes no pair.

    Attributes:
        samples: how many there are, those without any word too.
    """

    samples: int
    words: NDArray[np.uint32]
    owners: NDArray[np.int32]
    places: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Pairs of samples, the most votes first: one < other; shifts: place in one less place in the other."""

    one: NDArray[np.int64]
    other: NDArray[np.int64]
    shifts: NDArray[np.int64]
    votes: NDArray[np.int64]


def find_candidates(postings: Postings, new: NDArray[np.bool_] | None = None) -> Candidates:
    """The pairs with enough votes for one shift: at least three, and enough information in them.

    Args:
        new: bool (samples,): only pairs with one of these are wanted, and only words of these need to be there. What
            is found is the same as without, less the other pairs.

    A vote for a word that few samples have says more. Each is weighed by its information, at most 17 bits, and the sum
    must pass 2 log2(samples) + 25 bits: with n samples there are n squared pairs, and chance has a try at each.

    Memory: about 32 bytes a posting, and some 400 MB for the votes however many there are.
    Raises: InvalidInput: more than 1,048,576 samples at once.
    Source: Sparck Jones (1972) for the weights, log2 of samples by samples that have the word.
    """
    import numpy as np

    # Samples without any word need no number; owners ascend.
    begins = np.diff(postings.owners, prepend=-1) != 0
    present, owners = postings.owners[begins].astype(np.int64), np.cumsum(begins, dtype=np.int32) - np.int32(1)
    del begins
    if len(present) > 1 << _OWNER_BITS:
        raise InvalidInput(
            f"more than {1 << _OWNER_BITS:,} samples cannot be searched at once", hint="Search them part by part."
        )
    # Word and number in one: sorted in place, three times as fast as argsort, and owners stay in order.
    keys = postings.words.astype(np.uint64) << np.uint64(32) | np.arange(len(postings.words), dtype=np.uint64)
    keys.sort()
    order = (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    del keys
    index = _Index(
        postings.words[order],
        owners[order],
        postings.places[order],
        postings.samples,
        None if new is None else new[present],
    )
    del order, owners
    least_bits = 2 * np.log2(max(1, postings.samples)) + _SURPLUS_BITS
    found = [np.empty((4, 0), np.int64)]
    found += [_voted(index.events(first, last), least_bits) for first, last in index.ranges()]
    one, other, shifts, votes = np.concatenate(found, axis=1)
    best = np.lexsort((other, one, -votes))
    return Candidates(one=present[one[best]], other=present[other[best]], shifts=shifts[best], votes=votes[best])


class _Index:
    """Postings in order of their word, then of their owner.

    Args:
        samples: how many there are, those without any posting too. new: by owner; None: all are.
    """

    def __init__(
        self,
        words: NDArray[np.uint32],
        owners: NDArray[np.int32],
        places: NDArray[np.int32],
        samples: int,
        new: NDArray[np.bool_] | None,
    ) -> None:
        import numpy as np

        self._words, self._owners, self._places = words, owners, places
        self._new = None if new is None else new[owners]
        self._count = int(owners.max(initial=-1)) + 1
        starts = np.flatnonzero(np.append(True, words[1:] != words[:-1])) if len(words) else np.empty(0, np.int64)
        counts = np.diff(np.append(starts, len(words)))
        bits = np.log2(max(samples, 1 << _RAREST_BITS) / np.maximum(1, counts))
        self._bits = np.repeat(np.clip(np.rint(bits), 0, _RAREST_BITS).astype(np.uint8), counts)

    def ranges(self) -> list[tuple[int, int]]:
        """Ranges of first owners, each with so few events that they fit into memory."""
        import numpy as np

        counts = np.zeros(self._count, np.int64)
        for _, at in self._meetings():
            counts += np.bincount(self._owners[at], minlength=self._count)
        part = np.cumsum(counts) // _EVENTS_AT_ONCE
        starts = np.flatnonzero(np.diff(part, prepend=-1)).tolist()
        return list(zip(starts, [*starts[1:], self._count], strict=True)) if starts else []

    def events(self, first: int, last: int) -> NDArray[np.uint64]:
        """The votes of pairs whose first owner is in the range, as numbers in order."""
        import numpy as np

        made = [np.empty(0, np.uint64)]
        for distance, at in self._meetings():
            owner = self._owners[at]
            mine = at[(owner >= first) & (owner < last)]
            behind = mine + np.uint32(distance)
            shift = self._places[mine].astype(np.int64) - self._places[behind] + (1 << _SHIFT_BITS - 1)
            number = self._owners[mine].astype(np.uint64) << np.uint64(_OWNER_BITS) | self._owners[behind].astype(
                np.uint64
            )
            number = number << np.uint64(_SHIFT_BITS) | shift.astype(np.uint64)
            number = number << np.uint64(_WEIGHT_BITS) | self._bits[mine]
            made.append(number[(shift >= 0) & (shift < 1 << _SHIFT_BITS)])
        events = np.concatenate(made)
        events.sort()
        return events

    def _meetings(self) -> Iterator[tuple[int, NDArray[np.uint32]]]:
        """For each distance the postings that have the same word as the one so far behind them, if one is new."""
        import numpy as np

        words = self._words
        at = np.flatnonzero(words[1:] == words[:-1]).astype(np.uint32)
        for distance in range(1, NEIGHBOURS + 1):
            if not len(at):
                return
            yield distance, at if self._new is None else at[self._new[at] | self._new[at + np.uint32(distance)]]
            at = at[at < len(words) - distance - 1]
            at = at[words[at] == words[at + np.uint32(distance + 1)]]


def _voted(events: NDArray[np.uint64], least_bits: float) -> NDArray[np.int64]:
    """For each pair with enough votes for one shift: one, other, shift and votes, int64 (4, n)."""
    import numpy as np

    ahead = LEAST_VOTES - 1
    if len(events) <= ahead:
        return np.empty((4, 0), np.int64)
    ways, pairs = events >> np.uint64(_WEIGHT_BITS), events >> np.uint64(_WEIGHT_BITS + _SHIFT_BITS)
    width = np.uint64(2 * _TOLERANCE)
    dense = np.flatnonzero((ways[ahead:] - ways[:-ahead] <= width) & (pairs[ahead:] == pairs[:-ahead]))
    highest = (pairs[dense] + np.uint64(1) << np.uint64(_SHIFT_BITS)) - np.uint64(1)
    ends = np.searchsorted(ways, np.minimum(ways[dense] + width, highest), side="right")
    weights = np.append(0, np.cumsum(events & np.uint64((1 << _WEIGHT_BITS) - 1), dtype=np.int64))
    enough = weights[ends] - weights[dense] >= least_bits
    dense, ends = dense[enough], ends[enough]
    votes = ends - dense
    best = np.lexsort((dense, -votes, pairs[dense]))
    best = best[np.diff(pairs[dense[best]], prepend=np.uint64(1 << 63)) != 0]
    dense, votes = dense[best], votes[best]
    shift = (ways[dense + votes // 2] & np.uint64((1 << _SHIFT_BITS) - 1)).astype(np.int64) - (1 << _SHIFT_BITS - 1)
    one = (pairs[dense] >> np.uint64(_OWNER_BITS)).astype(np.int64)
    other = (pairs[dense] & np.uint64((1 << _OWNER_BITS) - 1)).astype(np.int64)
    return np.stack([one, other, shift, votes.astype(np.int64)])
