"""What a random split would promise, and what a split by recording can keep: the same classifier measured on both.

The random split has as many samples of each class in each part as the honest one, so only one thing differs: whether
samples of one recording may lie on both sides.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from dataset.splitting import DatasetSplitter
from ecosight.errors import NotEnoughData
from ecosight.seeds import child_seed, generator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ecosight.ports import Progress

__all__ = ["SplitGap", "split_gap"]

_RESAMPLES = 4_000
_COVERAGE = 0.95
_MOST_SAMPLES = 10_000
"""Of a larger dataset so many take part, by whole groups drawn at random: more would cost hours and say the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitGap:
    """Accuracies of a logistic regression on the embeddings, over several splits of each way.

    Attributes:
        honest, random: test accuracy of each split, in the order of their seeds.
        own: on the version's own split; None where its test or training part cannot be used.
        low, high: 95% bootstrap interval of the mean difference over seeds. It tells how far the splits at hand
            vary, not how other recordings would do.
        samples: how many took part.
    """

    honest: tuple[float, ...]
    random: tuple[float, ...]
    own: float | None
    low: float
    high: float
    samples: int

    @property
    def gap(self) -> float:
        """By how much the random split flatters, on average."""
        return sum(self.random) / len(self.random) - sum(self.honest) / len(self.honest)

    def as_dict(self) -> dict[str, Any]:
        return {
            "honest_accuracy": round(sum(self.honest) / len(self.honest), 4),
            "random_accuracy": round(sum(self.random) / len(self.random), 4),
            "own_split_accuracy": None if self.own is None else round(self.own, 4),
            "gap": round(self.gap, 4),
            "gap_interval_95": [round(self.low, 4), round(self.high, 4)],
            "repeats": len(self.honest),
            "honest_accuracies": [round(each, 4) for each in self.honest],
            "random_accuracies": [round(each, 4) for each in self.random],
            "samples": self.samples,
        }


def split_gap(
    features: NDArray[np.float32],
    labels: Sequence[str],
    groups: Sequence[str],
    parts: Sequence[str],
    *,
    ratios: Mapping[str, float],
    seed: int,
    progress: Progress,
    repeats: int = 10,
) -> SplitGap:
    """Measure the same classifier on splits by group and on random splits of the same sizes.

    Args:
        features: float32 (n, dimension). labels, groups, parts: of each sample; groups should be joined where copies
            bridge them (``leaks.units``).
        ratios: shares of train, val and test, as the splitter takes them; val is left out.
        repeats: splits of each way, >= 2.
    Raises: NotEnoughData: fewer than two classes with two groups each: nothing can be held out. Cancelled.
    Source: Kaufman et al. (2012), "Leakage in data mining"; Efron (1979) for the interval (percentile bootstrap).
    """
    import numpy as np

    taken = _taken(groups, generator(seed, "gap", "groups"))
    features, labels = features[taken], [labels[number] for number in taken]
    groups, parts = [groups[number] for number in taken], [parts[number] for number in taken]
    names, classes = np.unique(np.asarray(labels), return_inverse=True)
    counts: dict[str, Counter[str]] = {}
    for group, label in zip(groups, labels, strict=True):
        counts.setdefault(group, Counter())[label] += 1
    spread = Counter(label for each in counts.values() for label in each)
    if sum(count > 1 for count in spread.values()) < 2:
        raise NotEnoughData(
            f"of {len(names)} classes fewer than two have two groups, so no group can be held out and tested",
            hint="Take in recordings of more than one event, day or site of each class.",
        )

    def both_ways(number: int) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        assigned = DatasetSplitter(ratios, child_seed(seed, "gap", number)).assign(counts)
        safe = np.array([assigned[group] for group in groups])
        return safe, _shuffled(safe, classes, generator(seed, "gap", number, "random"))

    accuracies = _measured(features, classes, map(both_ways, range(repeats)), repeats, progress)
    low, high = _interval(accuracies[:, 1] - accuracies[:, 0], generator(seed, "gap", "bootstrap"))
    return SplitGap(
        honest=tuple(accuracies[:, 0].tolist()),
        random=tuple(accuracies[:, 1].tolist()),
        own=_accuracy(features, classes, np.asarray(parts)),
        low=low,
        high=high,
        samples=len(labels),
    )


def _measured(
    features: NDArray[np.float32],
    classes: NDArray[np.intp],
    splits: Iterable[tuple[NDArray[np.str_], NDArray[np.str_]]],
    repeats: int,
    progress: Progress,
) -> NDArray[np.float64]:
    """Test accuracies on pairs of splits, float64 (repeats, 2). Raises: NotEnoughData: one cannot be learned on."""
    import numpy as np

    found: list[float] = []
    with progress.task("comparing splits", 2 * repeats, "split") as task:
        for parts in chain.from_iterable(splits):
            progress.checkpoint()
            accuracy = _accuracy(features, classes, parts)
            if accuracy is None:
                raise NotEnoughData(
                    "a split by group leaves the training part with one class, or the test part empty",
                    hint="Take in more groups of each class.",
                )
            found.append(accuracy)
            task.advance()
    return np.array(found).reshape(repeats, 2)


def _interval(differences: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean."""
    import numpy as np

    drawn = rng.integers(0, len(differences), (_RESAMPLES, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), [(1 - _COVERAGE) / 2, (1 + _COVERAGE) / 2])
    return float(low), float(high)


def _taken(groups: Sequence[str], rng: np.random.Generator) -> list[int]:
    """The samples that take part: all, or those of as many whole groups as there is room for."""
    if len(groups) <= _MOST_SAMPLES:
        return list(range(len(groups)))
    sizes = Counter(groups)
    names = sorted(sizes)
    chosen: set[str] = set()
    room = _MOST_SAMPLES
    for number in rng.permutation(len(names)).tolist():
        if sizes[names[number]] <= room:
            chosen.add(names[number])
            room -= sizes[names[number]]
    return [number for number, group in enumerate(groups) if group in chosen]


def _shuffled(parts: NDArray[np.str_], classes: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.str_]:
    """The parts dealt out anew within each class, whatever the groups."""
    import numpy as np

    dealt = parts.copy()
    for each in range(int(classes.max()) + 1):
        mine = np.flatnonzero(classes == each)
        dealt[mine] = rng.permutation(parts[mine])
    return dealt


def _accuracy(features: NDArray[np.float32], classes: NDArray[np.intp], parts: NDArray[np.str_]) -> float | None:
    """Accuracy on test after training on train; None where there is nothing to train or test on."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    train, test = parts == "train", parts == "test"
    if not test.any() or len(np.unique(classes[train])) < 2:
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, tol=1e-3, max_iter=200))
    # One thread: these products are so small that BLAS's threads mostly wait for each other, seconds a fit.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # both ways stop at the same effort
        model.fit(features[train], classes[train])
    return float(np.mean(model.predict(features[test]) == classes[test]))
