"""What is made of a sample, and from which seed: a pure function of the recipe and the sample's id."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import count

from ecosight.errors import InvalidInput

__all__ = ["ORIGINAL", "Recipe", "Variant"]

RECIPE_VERSION = 1
"""Part of every seed: raise it when the same recipe may draw something else."""
ORIGINAL = "original"
MOST_VARIANTS = 1000
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One variant of one sample.

    Attributes:
        sample_id: of the sample it is made from, its parent.
        number: 1 for the first of this sample.
        technique: name of the plug-in. name: the technique, and which of several of it: ``pitch_up``, ``combined_1``.
        seed: 128 bits; everything random in it comes from these.
    """

    sample_id: str
    number: int
    technique: str
    name: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Which techniques are used, how many variants each sample gets, and the root of all seeds.

    Seeds depend on the sample's id, the technique and how often it was used before: more variants or other
    techniques beside it leave a variant as it is.

    Args:
        techniques: taken in turn; ``a/b`` is one of the two, drawn for each sample.
        variants: of each sample, 0 to 1000.
        snr_db: least and greatest distance of a mixed-in background.
    Raises: InvalidInput: no technique, a name that is none, a number or a range out of bounds.
    """

    techniques: tuple[str, ...]
    variants: int = 5
    seed: int = 0
    snr_db: tuple[float, float] = (5.0, 20.0)

    def __post_init__(self) -> None:
        if not 0 <= self.variants <= MOST_VARIANTS:
            raise InvalidInput(
                f"{self.variants} variants of a sample are not possible", hint=f"0 to {MOST_VARIANTS}; 5 is usual."
            )
        if not self.techniques:
            raise InvalidInput("a recipe needs a technique", hint="Such as pitch_up,noise_light,combined.")
        for name in self.names:
            if not _NAME.fullmatch(name) or name == ORIGINAL:
                raise InvalidInput(f"{name!r} cannot name a technique", hint="Lower-case words joined by _.")

    @property
    def names(self) -> tuple[str, ...]:
        """Every technique that may be drawn, once, in order of the first use."""
        return tuple(dict.fromkeys(name for slot in self.techniques for name in slot.split("/")))

    def variant_count(self, once: Collection[str] = ()) -> int:
        """How many variants each sample gets: fewer than asked for where no technique of the recipe draws anything."""
        return min(self.variants, len(self.names)) if set(self.names) <= set(once) else self.variants

    def variants_of(self, sample_id: str, once: Collection[str] = ()) -> list[Variant]:
        """The variants of one sample, whatever other samples there are.

        Args:
            once: techniques that draw nothing. A second use of one would be a copy of the first, so the other choice
                of its slot is taken, or the next slot.
        """
        made = []
        used: Counter[str] = Counter()
        slots = self._slots(sample_id, once, used)
        for number in range(1, self.variant_count(once) + 1):
            technique = next(slots)
            used[technique] += 1
            made.append(
                Variant(
                    sample_id=sample_id,
                    number=number,
                    technique=technique,
                    name=_variant_name(technique, used[technique]),
                    seed=_number(self.seed, sample_id, technique, used[technique]),
                )
            )
        return made

    def _slots(self, sample_id: str, once: Collection[str], used: Counter[str]) -> Iterator[str]:
        """The techniques in turn, without those of ``once`` that are used up."""
        for index in count():
            turn, slot = divmod(index, len(self.techniques))
            choices = [each for each in self.techniques[slot].split("/") if each not in once or not used[each]]
            if choices:
                yield choices[_number(self.seed, sample_id, "choice", slot, turn) % len(choices)]


def _variant_name(technique: str, use: int) -> str:
    """``pitch_up``, then ``pitch_up_2``; combinations are numbered from the first, for no two are the same."""
    return technique if use == 1 and technique != "combined" else f"{technique}_{use}"


def _number(*parts: str | int) -> int:
    text = "\x1f".join(map(str, (RECIPE_VERSION, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
