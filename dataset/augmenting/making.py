"""Making variants: a sample's bytes in, the bytes of its variants out. The same on any worker, in any order."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dataset.augmenting.medium import Medium
from dataset.augmenting.recipe import ORIGINAL, Recipe, Variant
from ecosight.errors import EcosightError, InvalidInput, NotFound
from ecosight.plugins import load_plugin, plugin_names

__all__ = ["BACKGROUND", "Made", "VariantMaker"]

BACKGROUND = "background"
"""The one technique that needs recordings of its own, so it is no plug-in but made by the medium."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One variant and its file.

    Attributes:
        parameters: what the technique drew, where it tells.
        marks: what is known about places in it, such as boxes, where they are now; JSON.
    """

    variant: Variant
    data: bytes
    parameters: Mapping[str, Any]
    marks: Any = None


class VariantMaker:
    """Makes the variants that a recipe names. Thread-safe; may be sent to another process.

    Args:
        backgrounds: bytes of recordings for the technique ``background``.
        techniques: ready ones by name, for a program that has its own; all others are plug-ins.
    Raises: NotFound: there is no such technique. InvalidInput: backgrounds are missing, or not used.
    """

    def __init__(
        self,
        medium: Medium,
        recipe: Recipe,
        *,
        backgrounds: Sequence[bytes] = (),
        techniques: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.medium, self.recipe = medium, recipe
        self._given = dict(techniques or {})
        if bool(backgrounds) != (BACKGROUND in recipe.names) and BACKGROUND not in self._given:
            wrong = "are not used by the recipe" if backgrounds else "are needed by the recipe, and none were given"
            raise InvalidInput(
                f"background recordings {wrong}", hint="Name a folder of backgrounds and the technique background."
            )
        if backgrounds:
            self._given.setdefault(BACKGROUND, medium.background(backgrounds, recipe.snr_db))
        self._check_names()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "techniques"}

    @cached_property
    def techniques(self) -> dict[str, Any]:
        """Every technique of the recipe by its name."""
        own = self._given
        return {name: own[name] if name in own else load_plugin(self.medium.family, name) for name in self.recipe.names}

    @cached_property
    def _once(self) -> frozenset[str]:
        """The techniques that draw nothing: what they make of a sample is always the same."""
        return frozenset(name for name, each in self.techniques.items() if not getattr(each, "draws", True))

    @cached_property
    def count(self) -> int:
        """How many variants each sample gets."""
        return self.recipe.variant_count(self._once)

    def variants_of(self, sample_id: str) -> list[Variant]:
        """The variants of one sample; see ``Recipe.variants_of``."""
        return self.recipe.variants_of(sample_id, self._once)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that decides what a variant is, but for the sample: half of a cache key."""
        told = [self.medium.identity, self.recipe.seed, self.recipe.techniques]
        told += [[name, _identity(technique)] for name, technique in self.techniques.items()]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def make(self, data: bytes, variants: Sequence[Variant], marks: Any = None) -> Generator[Made]:
        """The files of some variants of one sample, in their order; the sample is read once.

        Raises: InputError: the sample cannot be read. InvalidInput: a technique failed on it; names it.
        """
        subject = self.medium.read(data, marks)
        for variant in variants:
            yield self._made(subject, variant)

    def _made(self, subject: Any, variant: Variant) -> Made:
        import numpy as np

        told: Mapping[str, Any] = {}
        if variant.technique != ORIGINAL:
            # The bit generator is named: which one NumPy takes by itself may change.
            rng = np.random.Generator(np.random.PCG64(variant.seed))
            try:
                subject, told = self.medium.apply(self.techniques[variant.technique], subject, rng)
            except EcosightError:
                raise
            except Exception as error:  # a technique is a plug-in, and may fail in any way
                raise InvalidInput(
                    f"the technique {variant.technique} failed on sample {variant.sample_id[:12]}: "
                    f"{type(error).__name__}: {error}",
                    hint="Leave it out of the recipe, or mend it.",
                    sample_id=variant.sample_id,
                ) from error
        note = f"parent={variant.sample_id} variant={variant.name}"
        data = self.medium.write(subject, note)
        return Made(variant=variant, data=data, parameters=told, marks=self.medium.marks(subject))

    def _check_names(self) -> None:
        known = {*plugin_names(self.medium.family), *self._given}
        if unknown := [name for name in self.recipe.names if name not in known]:
            raise NotFound(
                f"there is no technique {', '.join(map(repr, unknown))} for {self.medium.name}",
                hint=f"Known: {', '.join(sorted(known | {BACKGROUND}))}.",
            )


def _identity(technique: Any) -> str:
    """What tells two techniques apart. One that is changed to give something else raises its ``version``."""
    named = hasattr(technique, "__qualname__")
    kind = technique if named else type(technique)
    # Where Python keeps an object says nothing about what it does.
    own = "" if named else re.sub(r" at 0x[0-9a-f]+", "", repr(technique))
    return f"{kind.__module__}:{kind.__qualname__} {getattr(technique, 'version', 1)} {own}"
