"""Owns what a model learned from, and how much of a test part that is: found by content and by group.

A model that is asked about samples which it was trained on looks better than it is. So does one that is asked about
other samples of their groups, or about those that chose its best epoch and calibrated it. Samples are known by the
digest of their bytes, so files in a folder are recognised, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ecosight.errors import EcosightError

__all__ = ["LearnedFrom", "OpenVersion", "Taught", "learned_from", "taught_among"]


class Sample(Protocol):
    """A sample as far as it is looked at here."""

    @property
    def sample_id(self) -> str: ...
    @property
    def group(self) -> str: ...


class Version(Protocol):
    """A dataset version as far as it is looked at here."""

    def part(self, name: str) -> Iterable[Sample]: ...


OpenVersion = Callable[[str], Version]
"""Gives the dataset version of a digest; raises NotFound where it is not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """How many samples of a test part a model learned from, itself or by others of their groups.

    Attributes:
        n: samples of the test part.
        version: the dataset version that the model learned from; empty where that is not known.
        train: samples that are, or whose groups are, in its training part. val: of the others, in its validation part.
    """

    n: int
    version: str = ""
    train: int = 0
    val: int = 0

    @property
    def seen(self) -> int:
        return self.train + self.val

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader of figures must know, in a sentence; none where no sample was learned from."""
        if not self.version:
            return ("what the model was trained on is not known here, so it may have learned from these samples",)
        if not self.seen:
            return ()
        parts = {
            f"in the training part of {self.version}": self.train,
            f"in the validation part of {self.version}, which chose its best epoch and calibrated it": self.val,
        }
        told = [f"{count} {place}" for place, count in parts.items() if count]
        first, _, rest = told[0].partition(" ")
        more = f", and {told[1]}" if len(told) > 1 else ""
        verb = "was" if first == "1" else "were"
        return (f"{first} of {self.n} samples, or others of their groups, {verb} {rest}{more}",)

    def as_dict(self) -> dict[str, Any]:
        """The counts as a JSON object; ``version`` is null where it is not known."""
        return {"n": self.n, "version": self.version or None, "train": self.train, "val": self.val}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Taught:
        """What ``as_dict`` gave. Raises: ValueError: a count is none, or there are more than samples."""
        made = cls(n=plain["n"], version=plain["version"] or "", train=plain["train"], val=plain["val"])
        counts = (made.n, made.train, made.val)
        if not all(type(count) is int and count >= 0 for count in counts) or made.seen > made.n:
            raise ValueError(f"{made.train} and {made.val} of {made.n} samples cannot have been learned from")
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedFrom:
    """What a model learned from: sample ids and groups in one set, since a sample alone is its own group.

    ``version`` is empty where that is not known.
    """

    version: str = ""
    train: frozenset[str] = frozenset()
    val: frozenset[str] = frozenset()

    def among(self, samples: Sequence[Sample]) -> Taught:
        """How much of it is among these samples."""
        keys = [{each.sample_id, each.group} for each in samples]
        train = sum(not self.train.isdisjoint(each) for each in keys)
        either = sum(not (self.train.isdisjoint(each) and self.val.isdisjoint(each)) for each in keys)
        return Taught(n=len(keys), version=self.version, train=train, val=either - train)


def learned_from(info: Mapping[str, Any], open_version: OpenVersion) -> LearnedFrom:
    """What a model learned from, as its artifact tells; empty where it names no version, or that is not here.

    Args:
        info: the servable's.
    """
    digest, called = _named(info)
    if not digest:
        return LearnedFrom()
    try:
        found = open_version(digest)
        parts = {name: _keys(found.part(name)) for name in ("train", "val")}
    except EcosightError:  # a version that is not here or is damaged; the model can be asked all the same
        return LearnedFrom()
    return LearnedFrom(version=str(getattr(found, "ref", "") or called), **parts)


def taught_among(
    info: Mapping[str, Any], samples: Sequence[Sample], open_version: OpenVersion, *, own: str = ""
) -> Taught:
    """How many of these samples a model learned from.

    Args:
        info: the servable's.
        own: digest of the version whose test part these are. A model of that version learned from none of them but what
            an override let be on two sides, and the version tells of that itself; so nothing is read.
    """
    digest, called = _named(info)
    if own and digest == own:
        return Taught(n=len(samples), version=called)
    return learned_from(info, open_version).among(samples)


def _named(info: Mapping[str, Any]) -> tuple[str, str]:
    """Digest and name of the dataset version that an artifact names; empty where it names none."""
    facts = info.get("facts")
    dataset = facts.get("dataset") if isinstance(facts, Mapping) else None
    if not isinstance(dataset, Mapping) or not isinstance(dataset.get("digest"), str):
        return "", ""  # made elsewhere, or it names a version only as people call theirs
    return dataset["digest"], f"{dataset.get('name')}@v{dataset.get('version')}"


def _keys(samples: Iterable[Sample]) -> frozenset[str]:
    return frozenset(key for each in samples for key in (each.sample_id, each.group))
