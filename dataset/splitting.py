"""Owns which part a group belongs to: train, val or test; for good, and stratified as far as groups allow."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from dataset.entries import PARTS
from dataset.parting.covering import cover
from dataset.parting.ledger import Counts, Ledger, Standing
from ecosight.errors import InvalidInput

__all__ = ["PARTS", "Counts", "DatasetSplitter", "Ratios", "Standing", "checked_ratios", "parse_ratios"]

Ratios = Mapping[str, float] | Sequence[float] | str
"""Shares by the names of the parts, in their order, or as ``parse_ratios`` reads them."""


class DatasetSplitter:
    """Assigns whole groups to parts. Deterministic, and independent of the order of its input. Stateless.

    First every class gets a group in every part, as far as it has groups; then the largest groups first go
    where the class is furthest below its target (greedy iterative stratification over groups).

    Args:
        ratios: the target shares of train, val and test: each above 0, together 1; see ``Ratios``.
        seed: orders groups of equal size; another seed gives another, equally good split.
    Raises: InvalidInput: the ratios are not shares of these three parts.
    Source: Sechidis, Tsoumakas, Vlahavas (2011), "On the Stratification of Multi-Label Data".
    """

    def __init__(self, ratios: Ratios, seed: int) -> None:
        self.ratios = checked_ratios(ratios)
        self.seed = seed

    def assign(self, groups: Mapping[str, Mapping[str, int]], fixed: Mapping[str, str] | None = None) -> dict[str, str]:
        """The part of every group.

        Args:
            groups: group -> label -> how many samples, of the whole dataset.
            fixed: group -> part, from earlier versions; these never change. Groups that are not in
                ``groups`` any more are passed over.
        Returns: group -> part, for every group in ``groups``.
        Raises: InvalidInput: a fixed part is not one of the three.
        """
        kept = {group: part for group, part in (fixed or {}).items() if group in groups}
        if unknown := set(kept.values()) - set(PARTS):
            raise InvalidInput(f"there is no part {min(unknown)!r}", hint=f"Parts are {', '.join(PARTS)}.")
        standing: dict[str, Counter[str]] = defaultdict(Counter)
        standing_groups: Counter[str] = Counter()
        for group, part in kept.items():
            for label, count in groups[group].items():
                standing[label][part] += count
                standing_groups[label] += count > 0
        free = {
            group: tuple((label, count) for label, count in sorted(counts.items()) if count > 0)
            for group, counts in groups.items()
            if group not in kept
        }
        placed = self.place(free, standing, standing_groups)
        return {group: kept.get(group) or placed[group] for group in groups}

    def place(
        self, free: Mapping[str, Counts], standing: Standing, standing_groups: Mapping[str, int] | None = None
    ) -> dict[str, str]:
        """The part of every free group, where others have theirs; a million groups take some ten seconds.

        Args:
            free: group -> (label, samples) pairs, in order of the label.
            standing: label -> part -> samples of the groups that have their part.
            standing_groups: label -> how many groups those are, where it is known.
        """
        ledger = Ledger(self.ratios, free, standing, standing_groups)
        order = self._order(free)
        for group, part in self._cover(ledger, order).items():
            ledger.place(group, part)
        ledger.place_rest(group for group in order if group not in ledger.parts)
        return ledger.parts

    def _order(self, free: Mapping[str, Counts]) -> list[str]:
        """Largest first, equals by a hash: by content, never by arrival. The same groups split alike in any order."""
        import numpy as np

        names = list(free)
        if not names:
            return []
        begin = hashlib.sha256(f"{self.seed}\x1f".encode())
        ranks = bytearray()
        for name in names:
            rank = begin.copy()
            rank.update(name.encode())
            ranks += rank.digest()
        sizes = np.array([-sum(count for _, count in counts) for counts in free.values()], np.int64)
        return [names[row] for row in np.lexsort((np.frombuffer(bytes(ranks), "S32"), sizes))]

    def _cover(self, ledger: Ledger, order: list[str]) -> dict[str, str]:
        """Parts for the groups that bring a class into a part where it is missing.

        Classes with groups for all three parts come first; the rest take what is left to them.
        """
        covered: dict[str, str] = {}
        for least in (len(PARTS), 1):
            needs = ledger.needs(covered, least)
            if needs:
                left = [group for group in order if group not in covered]
                covered |= cover(needs, ledger.candidates(needs, left), ledger.distance)
        return covered


def checked_ratios(ratios: Ratios) -> dict[str, float]:
    """The shares of train, val and test, in this order. Raises: InvalidInput: they are none."""
    if isinstance(ratios, str):
        return parse_ratios(ratios)
    try:
        pairs = ratios.items() if isinstance(ratios, Mapping) else zip(PARTS, ratios, strict=True)
        shares = {part: float(share) for part, share in pairs}
    except (TypeError, ValueError):
        shares = {}
    # Asked so that NaN, which compares with nothing, is no share.
    if shares.keys() != set(PARTS) or not (min(shares.values()) > 0 and abs(sum(shares.values()) - 1) <= 1e-6):
        told = dict(ratios) if isinstance(ratios, Mapping) else ratios
        raise InvalidInput(
            f"the split ratios {told} need train, val and test, each above 0, together 1",
            hint="For example train 0.72, val 0.13, test 0.15.",
        )
    return {part: shares[part] for part in PARTS}


def parse_ratios(text: str) -> dict[str, float]:
    """Shares as people write them: ``0.7,0.2,0.1``, ``70/20/10``, ``70% 20% 10%`` or ``train=0.7,val=0.2,test=0.1``.

    Raises: InvalidInput: they are not three shares that make a whole.
    """
    words = [word for word in re.split(r"[,/;:\s]+", text.strip()) if word]
    pairs = [word.rpartition("=") for word in words]
    names = [name for name, _, _ in pairs if name] or list(PARTS)
    try:
        shares = [float(share.removesuffix("%")) for _, _, share in pairs]
        found = dict(zip(names, shares, strict=True))
    except ValueError as error:
        raise InvalidInput(f"{text!r} is not three shares", hint="Such as 0.7,0.2,0.1 or 70/20/10.") from error
    if abs(sum(shares) - 100) < 1e-6:
        found = {name: share / 100 for name, share in found.items()}
    return checked_ratios(found)
