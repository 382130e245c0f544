"""Owns several models' answers to one test part, as one set of classes, and refusing what cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecosight.errors import InvalidInput, NotEnoughData
from evaluation.predictions import Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Aligned", "align"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """The same samples, answered by each model.

    Attributes:
        names: of the models, no two alike. digests: the bytes that answered.
        labels: all classes, of every model and of the test part, sorted. known: those that each model can answer.
        truth: int64 (n,), positions in ``labels``. tables: one for each model, float64 (n, classes).
        facts: name of a fact -> its value for each sample, "" where unknown.
        caveats: what is wrong on purpose with the samples, a sentence each; then what each model learned from them.
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    labels: tuple[str, ...]
    known: tuple[frozenset[str], ...]
    truth: NDArray[np.int64]
    tables: tuple[NDArray[np.float64], ...]
    sample_ids: tuple[str, ...]
    groups: tuple[str, ...]
    sources: tuple[str, ...]
    facts: Mapping[str, tuple[str, ...]]
    test_digest: str
    caveats: tuple[str, ...]

    def notes(self) -> list[str]:
        """What a reader must know of the models before looking at figures, in sentences."""
        notes = []
        for number, name in enumerate(self.names):
            twins = [other for at, other in enumerate(self.names) if at > number and self._same_bytes(at, number)]
            notes += [f"{name} and {other} are the same bytes" for other in twins]
            missing = [label for label in self.labels if label not in self.known[number]]
            if missing:
                lost = int(np.isin(self.truth, [self.labels.index(label) for label in missing]).sum())
                notes.append(f"{name} does not know {', '.join(missing)}: {lost} of {len(self.truth)} samples")
        return notes

    def same(self, one: int, other: int) -> bool:
        """Whether two are the same bytes, and answered alike: a machine may compute the same model otherwise."""
        return self._same_bytes(one, other) and bool(np.array_equal(self.tables[one], self.tables[other]))

    def _same_bytes(self, one: int, other: int) -> bool:
        return bool(self.digests[one]) and self.digests[one] == self.digests[other]


def align(predictions: Sequence[Predictions]) -> Aligned:
    """Bring models to one set of classes; what a model does not know, it answers with probability 0.

    Raises: InvalidInput: fewer than two models, or not asked about the same samples. NotEnoughData: no samples.
    """
    if len(predictions) < 2:
        raise InvalidInput(
            f"a comparison needs at least two models, not {len(predictions)}", hint="Name two, such as: champion 4."
        )
    first, names = predictions[0], _names(predictions)
    for other, name in zip(predictions, names, strict=True):
        if (other.test_digest, other.sample_ids) != (first.test_digest, first.sample_ids):
            raise InvalidInput(
                f"{names[0]} ({len(first)} samples) and {name} ({len(other)} samples) were not asked about the same "
                "test part",
                hint="Ask both models again, about the same version and part.",
                first=first.test_digest,
                other=other.test_digest,
            )
    if not len(first):
        raise NotEnoughData("there are no test samples to compare on", hint="Ingest more recordings.")
    labels = sorted({label for each in predictions for label in each.labels})
    place = {label: number for number, label in enumerate(labels)}
    learned = [
        f"{name}: {caveat}"
        for each, name in zip(predictions, names, strict=True)
        for caveat in (each.taught.caveats if each.taught else ())
    ]
    return Aligned(
        names=names,
        digests=tuple(each.model_digest for each in predictions),
        labels=tuple(labels),
        known=tuple(frozenset(each.known_labels) for each in predictions),
        truth=np.array([place[label] for label in first.labels], np.int64)[first.truth],
        tables=tuple(_widened(each, place) for each in predictions),
        sample_ids=first.sample_ids,
        groups=first.groups,
        sources=first.sources,
        facts={name: values for each in predictions for name, values in each.facts.items()},
        test_digest=first.test_digest,
        caveats=tuple(dict.fromkeys([caveat for each in predictions for caveat in each.caveats] + learned)),
    )


def _widened(predictions: Predictions, place: Mapping[str, int]) -> NDArray[np.float64]:
    table = np.zeros((len(predictions), len(place)))
    table[:, [place[label] for label in predictions.labels]] = predictions.probabilities
    return table


def _names(predictions: Sequence[Predictions]) -> tuple[str, ...]:
    """Names for people; where two would be alike, the later is numbered."""
    found: list[str] = []
    for number, each in enumerate(predictions):
        name = each.model or each.model_digest[:8] or f"model {number + 1}"
        again = 2
        while name in found:
            name, again = f"{name.removesuffix(f' ({again - 1})')} ({again})", again + 1
        found.append(name)
    return tuple(found)
