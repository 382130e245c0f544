"""Whether augmentation helps where there are few clips: ESC-10, accuracy on recordings that training never saw.

    python benchmarks/augmentation.py --clips 2 5 10
    python benchmarks/augmentation.py --clips 5 --learner head
    python benchmarks/augmentation.py --folds 1 2 3 --learner head --embedder yamnet

The head is fitted as a training fits it. With folds, each is held out whole and all other clips are learned from, but
for the few that early stopping looks at. Else, for each seed, half of the recordings of each class are held out whole
(takes of one recording stay together); from the others, so many clips a class are learned from, of different recordings
as far as there are. Each way of augmenting sees the same clips and is measured on the same held-out ones, so its gain
is a difference between pairs. Rows of one clip weigh together as much as the clip alone, so that a gain is not just
weaker regularisation. Nothing is tuned.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from dataset.augmenting import DatasetAugmenter, Recipe, as_weighted_rows, mixup, one_hot, open_medium
from dataset.ingest import ingest
from ecosight.config import Config
from ecosight.progress import NullProgress
from ecosight.seeds import generator
from pipeline.wiring import Workbench
from training.features import FeatureStore

MASKS = ("spec_mask",)
WAYS = ("none", "variants", "masks", "mixup", "variants+mixup")
HEAD_WAYS = ("none", "variants", "masks", "mixup", "variants+mixup")
VALIDATED = 3
"""Clips a class that the head's early stopping looks at; they are of the held-in recordings and never augmented."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[2, 5, 10], help="Training clips of each class.")
    parser.add_argument("--folds", nargs="+", default=[], help="ESC-10's own folds to hold out, instead of --clips.")
    parser.add_argument("--ways", nargs="+", help="Only these; the first is what the others are compared with.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--variants", type=int, default=5)
    parser.add_argument("--alpha", type=float, default=0.2, help="Of mixup.")
    parser.add_argument("--embedder", default="logmel")
    parser.add_argument("--learner", choices=("logistic", "head"), default="logistic")
    arguments = parser.parse_args()
    data = Path(os.environ.get("ECOSIGHT_DATA", ""))
    if not data.name:
        parser.error("set ECOSIGHT_DATA to the folder with audio/ and yamnet/")
    with tempfile.TemporaryDirectory() as root:
        sound = {"embedder": arguments.embedder, "yamnet_model": str(data / "yamnet" / "saved_model")}
        config = Config(project={"root": root}, sound=sound, dataset={"group_pattern": r"^\d+-(\d+)-"})
        with Workbench(config) as bench:
            _ingest(bench, data / "audio" / "esc10" / "dev")
            if arguments.folds:
                held = [(fold, seed) for fold in arguments.folds for seed in range(arguments.seeds)]
                named = f"folds {', '.join(arguments.folds)} held out"
                _report(named, bench, [(_fold(bench, *each), each[1]) for each in held], arguments)
                return
            for clips in arguments.clips:
                splits = [(_split(bench, clips, seed), seed) for seed in range(arguments.seeds)]
                _report(f"{clips} clips a class", bench, splits, arguments)


def _report(named: str, bench: Workbench, splits: list[tuple[Any, int]], arguments: Any) -> None:
    ways = arguments.ways or (WAYS if arguments.learner == "logistic" else HEAD_WAYS)
    scores = np.array([_one_split(bench, version, seed, ways, arguments) for version, seed in splits])
    print(f"\n{arguments.embedder}, {arguments.learner}, {named}, {arguments.seeds} seeds", end=", ")
    print(f"{arguments.variants} variants, mixup {arguments.alpha:g}")
    for way, each in zip(ways, scores.T, strict=True):
        gain = each - scores[:, 0]
        error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else float("nan")
        listed = " ".join(f"{score:.3f}" for score in each)
        print(f"  {way:15} {each.mean():.3f}   gain {gain.mean():+.3f} ± {error:.3f} (standard error)   [{listed}]")


def _one_split(bench: Workbench, version: Any, seed: int, ways: tuple[str, ...], arguments: Any) -> list[float]:
    labels = {label: number for number, label in enumerate(version.labels)}
    test, val = ([entry for entry in version.entries if entry.part == part] for part in ("test", "val"))
    x_test, x_val = (_embedded(bench, bench.blobs, [entry.sample_id for entry in each]) for each in (test, val))
    y_test, y_val = (np.array([labels[entry.label] for entry in each]) for each in (test, val))
    scores = []
    for way in ways:
        x, y, weights = _training_rows(bench, version, way, labels, arguments)
        soft = one_hot(y, len(labels))
        if "mixup" in way and arguments.learner == "logistic":
            rng = generator(seed, "mixup", len(x))
            mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
            rounds = [mixup((x - mean) / spread, soft, rng, alpha=arguments.alpha) for _ in range(5)]
            x = np.concatenate([each for each, _ in rounds]) * spread + mean
            soft, weights = np.concatenate([each for _, each in rounds]), np.tile(weights / 5, 5)
        if arguments.learner == "logistic":
            predicted = _logistic(x, soft, weights, x_test)
        else:
            mixing = arguments.alpha if "mixup" in way else 0.0
            predicted = _head(bench, (x, y, weights), (x_val, y_val), x_test, seed, mixing)
        scores.append(float((predicted == y_test).mean()))
    return scores


def _training_rows(bench: Workbench, version: Any, way: str, labels: dict[str, int], arguments: Any) -> Any:
    """Embeddings, labels, and weights that sum to 1 over the rows of one clip."""
    medium = open_medium(bench.config)
    techniques = MASKS if way == "masks" else medium.defaults[: arguments.variants]
    variants = 0 if way in ("none", "mixup") else arguments.variants
    augmenter = DatasetAugmenter(version, bench.blobs, medium, Recipe(techniques=techniques, variants=variants))
    rows = augmenter.rows()
    x = _embedded(bench, augmenter.blobs(), [row.key for row in rows])
    return x, np.array([labels[row.label] for row in rows]), np.full(len(rows), 1 / (1 + variants))


def _embedded(bench: Workbench, blobs: Any, keys: list[str]) -> Any:
    store = FeatureStore(bench.config.cache_folder / "features", bench.modality.embedder(), blobs)
    return store.features(keys, NullProgress()).astype(np.float64)


def _logistic(x: Any, soft: Any, weights: Any, x_test: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    hard_x, hard, shares = as_weighted_rows(np.column_stack([x, weights]), soft)
    x, weights = hard_x[:, :-1], hard_x[:, -1] * shares
    mean = np.average(x, axis=0, weights=weights)
    spread = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weights)) + 1e-6
    model = LogisticRegression(C=1.0, max_iter=3000).fit((x - mean) / spread, hard, sample_weight=weights)
    return model.predict((x_test - mean) / spread)


def _head(bench: Workbench, train: Any, val: Any, x_test: Any, seed: int, mixing: float) -> Any:
    """The project's own head, fitted as a training fits it."""
    from training.checkpoints import CheckpointManager
    from training.devices import load_tensorflow, make_repeatable
    from training.fitting import fit_head
    from training.loop import logits_of
    from training.settings import FitSettings, head_options

    load_tensorflow()
    make_repeatable(seed)
    x, y, weights = train
    options = head_options(bench.config, 0)
    model = bench.modality.build_head(x.shape[1], int(y.max()) + 1, seed=seed, options=options)
    x_val, y_val = val
    with tempfile.TemporaryDirectory() as folder:
        fit_head(
            model,
            x.astype(np.float32),
            y,
            x_val.astype(np.float32),
            y_val,
            settings=dataclasses.replace(FitSettings.from_config(bench.config), mixup=mixing),
            seed=seed,
            checkpoints=CheckpointManager(Path(folder)),
            progress=NullProgress(),
            shares=weights,
        )
    return logits_of(model, x_test.astype(np.float32)).argmax(axis=1)


def _split(bench: Workbench, clips: int, seed: int) -> Any:
    """The version with other parts: held-out recordings are test, the few clips are train, some others val."""
    version = bench.datasets.get()
    rng = generator(seed, "split")
    parts: dict[str, str] = {}
    for label in version.labels:
        of_group: dict[str, list[str]] = {}
        for entry in version.entries:
            if entry.label == label:
                of_group.setdefault(entry.group, []).append(entry.sample_id)
        groups = list(rng.permutation(sorted(of_group)))
        tested = groups[: len(groups) // 2]
        parts |= {sample: "test" for group in tested for sample in of_group[group]}
        rest = [of_group[group] for group in groups[len(groups) // 2 :]]
        _take_few(rest, clips, parts)
    kept = [dataclasses.replace(e, part=parts[e.sample_id]) for e in version.entries if e.sample_id in parts]
    return dataclasses.replace(version, entries=tuple(kept))


def _fold(bench: Workbench, fold: str, seed: int) -> Any:
    """The version with one of ESC-10's folds as test, and of each class in the others some whole recordings as val."""
    version = bench.datasets.get()
    rng = generator(seed, "fold", fold)
    parts = {entry.sample_id: "test" for entry in version.entries if entry.source.startswith(f"{fold}-")}
    for label in version.labels:
        of_group: dict[str, list[str]] = {}
        for entry in version.entries:
            if entry.label == label and entry.sample_id not in parts:
                of_group.setdefault(entry.group, []).append(entry.sample_id)
        _take_few([of_group[group] for group in rng.permutation(sorted(of_group))], len(version.entries), parts)
    kept = [dataclasses.replace(entry, part=parts[entry.sample_id]) for entry in version.entries]
    return dataclasses.replace(version, entries=tuple(kept))


def _take_few(groups: list[list[str]], clips: int, parts: dict[str, str]) -> None:
    """Whole groups for val first, then clips for train: one of each group, then a second of each, and so on."""
    val = 0
    while val < VALIDATED and len(groups) > 1:
        for sample in groups.pop():
            parts[sample] = "val"
            val += 1
    turns = [group[turn] for turn in range(max(map(len, groups))) for group in groups if turn < len(group)]
    parts |= dict.fromkeys(turns[:clips], "train")


def _ingest(bench: Workbench, source: Path) -> None:
    ingest(
        source,
        intake=bench.intake,
        repository=bench.datasets,
        message="ESC-10",
        progress=NullProgress(),
        extensions=bench.modality.extensions,
    )


if __name__ == "__main__":
    main()
