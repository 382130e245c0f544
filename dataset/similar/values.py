"""What a search for duplicates is given and what it gives: samples, pairs, clusters, the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

__all__ = ["Cluster", "DuplicateReport", "Kind", "SampleRow", "SimilarPair", "Unreadable"]

Kind = Literal["bytes", "contents", "near"]
"""``bytes``: the same file; ``contents``: the same when decoded; ``near``: one was made from the other."""

_ORDER: Mapping[str, int] = {"bytes": 0, "contents": 1, "near": 2}


class SampleRow(Protocol):
    """What is asked of a sample; ``dataset.versions.Entry`` has it."""

    @property
    def sample_id(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def part(self) -> str: ...
    @property
    def source(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarPair:
    """Two samples, by their numbers in what was searched; similarity is 1 unless the kind is near."""

    one: int
    other: int
    kind: Kind
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A sample that could not be read, and why; it was compared by its bytes only."""

    sample_id: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Samples that are copies of each other, directly or through others.

    Attributes:
        members: in order of source and sample id.
        links: the pairs that hold it together, each as numbers of ``members``; of a large cluster not all are measured.
        kind: the loosest of its links. similarity: the lowest of its links.
    """

    members: tuple[SampleRow, ...]
    links: tuple[SimilarPair, ...]

    @property
    def kind(self) -> Kind:
        return max((link.kind for link in self.links), key=lambda kind: _ORDER[kind])

    @property
    def similarity(self) -> float:
        return min(link.similarity for link in self.links)

    @property
    def groups(self) -> tuple[str, ...]:
        """More than one: the cluster bridges groups that were taken for independent."""
        return tuple(sorted({member.group for member in self.members}))

    @property
    def labels(self) -> tuple[str, ...]:
        """More than one: the same sound was told apart."""
        return tuple(sorted({member.label for member in self.members}))

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(sorted({member.part for member in self.members} - {""}))

    def as_dict(self) -> dict[str, Any]:
        names = ("sample_id", "source", "label", "group", "part")
        return {
            "kind": self.kind,
            "similarity": round(self.similarity, 4),
            "members": [{name: getattr(member, name) for name in names} for member in self.members],
            "links": [
                {
                    "one": self.members[link.one].sample_id,
                    "other": self.members[link.other].sample_id,
                    "kind": link.kind,
                    "similarity": round(link.similarity, 4),
                }
                for link in self.links
            ],
            "groups": list(self.groups),
            "labels": list(self.labels),
            "parts": list(self.parts),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateReport:
    """What a search found.

    Attributes:
        samples: how many were searched.
        clusters: largest first, then by the first member's source.
        fingerprinter: its name; empty if only bytes were compared. digest: with which parameters.
        threshold: the similarity from which two samples are near.
        computed, cached: fingerprints made now, and kept from before.
    """

    samples: int
    clusters: tuple[Cluster, ...]
    unreadable: tuple[Unreadable, ...] = ()
    fingerprinter: str = ""
    digest: str = ""
    threshold: float = 1.0
    computed: int = 0
    cached: int = 0

    @property
    def redundant(self) -> int:
        """Samples that say nothing new: all of each cluster but one."""
        return sum(len(cluster.members) - 1 for cluster in self.clusters)

    @property
    def bridging(self) -> tuple[Cluster, ...]:
        """Clusters over more than one group."""
        return tuple(cluster for cluster in self.clusters if len(cluster.groups) > 1)

    def as_dict(self) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "redundant": self.redundant,
            "kinds": dict(Counter(cluster.kind for cluster in self.clusters)),
            "clusters": [cluster.as_dict() | {"bridges": len(cluster.groups) > 1} for cluster in self.clusters],
            "unreadable": [
                {"sample_id": each.sample_id, "source": each.source, "reason": each.reason} for each in self.unreadable
            ],
            "fingerprinter": {"name": self.fingerprinter, "digest": self.digest, "threshold": self.threshold},
            "computed": self.computed,
            "cached": self.cached,
        }


def clusters_of(rows: Sequence[SampleRow], pairs: Sequence[SimilarPair], roots: Sequence[int]) -> tuple[Cluster, ...]:
    """The clusters that pairs make; ``roots`` names the cluster of each row."""
    members: dict[int, list[int]] = {}
    links: dict[int, list[SimilarPair]] = {}
    for pair in pairs:
        links.setdefault(roots[pair.one], []).append(pair)
    for number, root in enumerate(roots):
        if root in links:
            members.setdefault(root, []).append(number)
    made = [_cluster(rows, members[root], links[root]) for root in links]
    return tuple(sorted(made, key=lambda each: (-len(each.members), each.members[0].source, each.members[0].sample_id)))


def _cluster(rows: Sequence[SampleRow], numbers: list[int], links: list[SimilarPair]) -> Cluster:
    numbers = sorted(numbers, key=lambda number: (rows[number].source, rows[number].sample_id, number))
    place = {number: index for index, number in enumerate(numbers)}
    named = [
        SimilarPair(
            one=min(place[link.one], place[link.other]),
            other=max(place[link.one], place[link.other]),
            kind=link.kind,
            similarity=link.similarity,
        )
        for link in links
    ]
    named.sort(key=lambda link: (link.one, link.other))
    return Cluster(members=tuple(rows[number] for number in numbers), links=tuple(named))
