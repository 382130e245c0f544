"""Owns what a model answered on a test part, sample by sample: the common ground of reports, comparisons and errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosight.errors import InvalidInput
from evaluation.classification import evaluate_classification, part_digest
from evaluation.report import ClassificationReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.taught import Taught

__all__ = ["Predictions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """One model's answers to the samples of a test part.

    Attributes:
        labels: all classes, of the model and of the test part, sorted. known_labels: those the model can answer.
        sample_ids, groups: of each sample, in order of the sample ids.
        sources: the name of each sample's file, for people; empty where none is known.
        truth: int64 (n,), positions in ``labels``.
        probabilities: float64 (n, classes), 0 for what the model does not know.
        facts: name of a fact -> its value for each sample, "" where unknown; what slices are made of.
        test_digest: the same for every model that was asked about the same samples.
        model_digest: the bytes that answered.
        model: their name for people.
        caveats: what is wrong on purpose with the test part, a sentence each.
        taught: how many of the samples the model learned from; None where nobody looked.
    """

    labels: tuple[str, ...]
    known_labels: tuple[str, ...]
    sample_ids: tuple[str, ...]
    groups: tuple[str, ...]
    sources: tuple[str, ...]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    test_digest: str
    model_digest: str
    model: str = ""
    caveats: tuple[str, ...] = ()
    taught: Taught | None = None

    @classmethod
    def of(
        cls,
        *,
        sample_ids: Sequence[str],
        labels: Sequence[str],
        groups: Sequence[str],
        sources: Sequence[str],
        answers: NDArray[Any],
        known_labels: Sequence[str],
        model_digest: str,
        facts: Mapping[str, Sequence[str]] | None = None,
        model: str = "",
        caveats: Sequence[str] = (),
        taught: Taught | None = None,
    ) -> Predictions:
        """Put a model's answers beside the truth.

        Args:
            labels: the true label of each sample.
            answers: probabilities (n, classes of the model), columns in the order of ``known_labels``.
        Raises: InvalidInput: lengths do not fit, a sample is there twice, or an answer is no number.
        """
        n = len(sample_ids)
        columns = {"labels": labels, "groups": groups, "sources": sources, **(facts or {})}
        wrong = next((name for name, values in columns.items() if len(values) != n), None)
        if wrong is not None or answers.shape != (n, len(known_labels)):
            raise InvalidInput(f"{wrong or 'the answers'} do not fit {n} samples of {len(known_labels)} known classes")
        if len(set(sample_ids)) != n:
            twice = next(each for each, many in Counter(sample_ids).items() if many > 1)
            raise InvalidInput(f"the sample {twice} is there twice", hint="Each counts once: hand over one answer.")
        bad = ~np.isfinite(answers).all(axis=1)
        if bad.any():
            row = int(bad.argmax())
            raise InvalidInput(
                f"{model or 'the model'} answered {sources[row] or sample_ids[row]} with what is no number",
                hint="Its answers cannot be measured; train it again, or see what this sample holds.",
            )
        order = sorted(range(n), key=sample_ids.__getitem__)  # the same figures in whatever order they came
        every = sorted({*known_labels, *labels})
        place = {label: index for index, label in enumerate(every)}
        table = np.zeros((n, len(every)))
        table[:, [place[label] for label in known_labels]] = answers[order]

        def sorted_(values: Sequence[str]) -> tuple[str, ...]:
            return tuple(values[index] for index in order)

        return cls(
            labels=tuple(every),
            known_labels=tuple(known_labels),
            sample_ids=sorted_(sample_ids),
            groups=sorted_(groups),
            sources=sorted_(sources),
            truth=np.array([place[labels[index]] for index in order], np.int64),
            probabilities=table,
            facts={name: sorted_(values) for name, values in (facts or {}).items()},
            test_digest=part_digest(sample_ids, labels, groups),
            model_digest=model_digest,
            model=model,
            caveats=tuple(caveats),
            taught=taught,
        )

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each sample, int64 (n,); of equals, the first."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each sample was answered right, bool (n,)."""
        return np.asarray(self.predicted == self.truth)

    def report(self, *, bootstrap_samples: int, seed: int) -> ClassificationReport:
        """Measure them. Raises: NotEnoughData: there are no samples."""
        return evaluate_classification(
            self.truth,
            self.probabilities,
            self.labels,
            self.groups,
            bootstrap_samples=bootstrap_samples,
            seed=seed,
            known_labels=self.known_labels,
            test_digest=self.test_digest,
            model_digest=self.model_digest,
            caveats=(*self.caveats, *(self.taught.caveats if self.taught else ())),
        )
