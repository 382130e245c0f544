"""From a dataset version to a servable model: features, fit, calibration, compilation, parity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.errors import NotEnoughData, Refused
from ecosight.ports import Progress
from ecosight.seeds import child_seed
from training.augmentation import VariantRows, variant_rows
from training.calibration import Calibration, calibrate
from training.checkpoints import CheckpointManager
from training.features import FeatureStore
from training.fitting import fit_head
from training.parts import RetrainingParts
from training.plan import Plan, WorkFolder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dataset.versions import DatasetVersion, Entry

__all__ = ["Candidate", "check_enough", "make_candidate"]

FILE = "candidate.json"
EXAMPLES = 32
"""Real samples on which the compiled model is compared with the TensorFlow path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trained model that passed its parity check.

    Attributes:
        folder: the sealed servable artifact.
        history: learning curves, one value an epoch.
        best_epoch: counted from 1.
        features: how many features were ``cached`` and how many were ``computed``, those of variants with them.
        variants: varied copies of training samples that it learned from.
        parity: the parity report.
    """

    folder: Path
    history: Mapping[str, list[float]]
    epochs_trained: int
    best_epoch: int
    calibration: Calibration
    features: Mapping[str, int]
    parity: Mapping[str, Any]
    variants: int = 0


def check_enough(version: DatasetVersion) -> list[str]:
    """Whether a dataset version can be trained, validated and tested on.

    Returns: warnings, one sentence for each class that is not validated or not tested.
    Raises: NotEnoughData: fewer than two classes, an empty part, or a class without a training sample.
    """
    counts = {part: Counter(entry.label for entry in version.part(part)) for part in ("train", "val", "test")}
    if len(version.labels) < 2:
        raise NotEnoughData(
            f"{version.ref} has {'only the class ' + version.labels[0] if version.labels else 'no classes'}, "
            "two are needed",
            hint="Add labelled recordings of another class.",
            class_counts=dict(version.class_counts),
        )
    lacking = [f"no {part} sample at all" for part in counts if not counts[part]]
    lacking += [f"no train sample of {label}" for label in version.labels if not counts["train"][label]]
    if lacking:
        raise NotEnoughData(
            f"{version.ref} has {', '.join(lacking)}",
            hint="Add recordings (of other groups) of the classes with the fewest; groups are never split.",
            class_counts=dict(version.class_counts),
            part_counts=dict(version.part_counts),
        )
    named = {"val": "validation", "test": "test"}
    return [
        f"{label} has no {word} sample"
        for part, word in named.items()
        for label in version.labels
        if not counts[part][label]
    ]


def make_candidate(
    parts: RetrainingParts, plan: Plan, version: DatasetVersion, work: WorkFolder, progress: Progress
) -> Candidate:
    """Train on a dataset version and compile the result; goes on where an earlier attempt stopped.

    Raises: Refused: the compiled model does not give the answers of the trained one. As ``fit_head``,
        ``FeatureStore.lookup`` and ``Modality.compile_servable``.
    """
    known = work.read(FILE)
    if known is not None:
        calibration = Calibration(**known["calibration"])
        return Candidate(**{**known, "folder": work.path / "servable", "calibration": calibration})
    candidate = _make(parts, plan, version, work, progress)
    work.write(FILE, {**asdict(candidate), "folder": "servable"})
    return candidate


def _make(
    parts: RetrainingParts, plan: Plan, version: DatasetVersion, work: WorkFolder, progress: Progress
) -> Candidate:
    from training.devices import load_tensorflow, make_repeatable
    from training.loop import logits_of

    load_tensorflow()
    train, val = version.part("train"), version.part("val")
    store = FeatureStore(parts.config.cache_folder / "features", parts.modality.embedder(), parts.blobs)
    found = store.lookup([entry.sample_id for entry in (*train, *val)], progress)
    x_train, x_val = found.vectors[: len(train)], found.vectors[len(train) :]
    labels, y_val = [entry.label for entry in train], _indices([entry.label for entry in val], version.labels)
    variants, shares = variant_rows(parts, version, plan.augmentation, progress), None
    if variants is not None:
        x_train, labels, shares = _joined(x_train, train, variants)
    make_repeatable(child_seed(plan.seed, "training"))
    head = _build(parts, plan, x_train.shape[1], len(version.labels), mixed=plan.settings.mixed_precision)
    fit = fit_head(
        head,
        x_train,
        _indices(labels, version.labels),
        x_val,
        y_val,
        settings=plan.settings,
        seed=child_seed(plan.seed, "fit"),
        checkpoints=CheckpointManager(work.path / "checkpoints"),
        progress=progress,
        shares=shares,
    )
    if plan.settings.mixed_precision:
        head = _in_float32(head, _build(parts, plan, x_train.shape[1], len(version.labels), mixed=False))
    calibration = calibrate(logits_of(head, x_val), y_val)
    parity = _compile(parts, plan, version, head, calibration, work, progress)
    return Candidate(
        folder=work.path / "servable",
        history=fit.history,
        epochs_trained=fit.epochs_trained,
        best_epoch=fit.best_epoch,
        calibration=calibration,
        features={
            "cached": found.cached + (variants.cached if variants else 0),
            "computed": found.computed + (variants.computed if variants else 0),
        },
        parity=parity,
        variants=len(variants.labels) if variants else 0,
    )


def _compile(
    parts: RetrainingParts,
    plan: Plan,
    version: DatasetVersion,
    head: Any,
    calibration: Calibration,
    work: WorkFolder,
    progress: Progress,
) -> dict[str, Any]:
    examples = _examples([*version.part("test"), *version.part("val")], EXAMPLES)
    folder = work.empty("servable.partial")
    with progress.task("compiling", 1, "model") as task:
        report = parts.modality.compile_servable(
            head=head,
            temperature=calibration.temperature,
            labels=version.labels,
            examples=[parts.blobs.get(entry.sample_id) for entry in examples],
            folder=folder,
            facts={
                "dataset": {"name": version.ref.name, "version": version.ref.version, "digest": version.ref.digest},
                "class_counts": dict(version.class_counts),
                "part_counts": dict(version.part_counts),
                "seed": plan.seed,
                "settings": plan.settings.as_dict(),
                "augmentation": dict(plan.augmentation),
                "calibration": calibration.as_dict(),
            },
        )
        task.advance()
    if not report.passed:
        raise Refused(
            f"the compiled model differs from the trained one by {report.max_probability_error:.2g} in a probability "
            f"and in {report.changed_labels} of {report.samples} labels",
            hint="It is not registered; see the parity report.",
            parity=asdict(report),
        )
    work.empty("servable").rmdir()
    folder.rename(work.path / "servable")
    return asdict(report)


def _build(parts: RetrainingParts, plan: Plan, dimension: int, classes: int, *, mixed: bool) -> Any:
    """The untrained head, its variables on the device that trains it."""
    import keras
    import tensorflow as tf

    from training.devices import training_device

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    try:
        with tf.device(training_device(plan.settings.num_gpus)):
            return parts.modality.build_head(dimension, classes, seed=child_seed(plan.seed, "head"), options=plan.head)
    finally:
        keras.config.set_dtype_policy(before)


def _in_float32(trained: Any, plain: Any) -> Any:
    """The same weights in a head that computes in float32: that one is calibrated, compiled and measured."""
    for target, source in zip(plain.variables, trained.variables, strict=True):
        target.assign(source)
    plain.get_layer("normalization").finalize_state()
    return plain


def _joined(
    x: NDArray[np.float32], train: Sequence[Entry], variants: VariantRows
) -> tuple[NDArray[np.float32], list[str], NDArray[np.float64]]:
    """The samples and behind them their variants: features, labels, and shares. A sample and its variants weigh
    together as much as a sample that has none."""
    import numpy as np

    of_sample = [variants.of_sample.get(entry.sample_id, 0) for entry in train]
    rows = np.array(of_sample + [count for count in variants.of_sample.values() for _ in range(count)])
    labels = [*(entry.label for entry in train), *variants.labels]
    return np.concatenate([x, variants.x]), labels, 1 / (1 + rows)


def _indices(given: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    import numpy as np

    index = {label: number for number, label in enumerate(labels)}
    return np.array([index[label] for label in given], np.int64)


def _examples(entries: Sequence[Entry], limit: int) -> list[Entry]:
    """At most ``limit`` entries, the classes taking turns."""
    by_label: dict[str, list[Entry]] = {}
    for entry in entries:
        by_label.setdefault(entry.label, []).append(entry)
    turns = zip_longest(*(by_label[label] for label in sorted(by_label)))
    return [entry for turn in turns for entry in turn if entry is not None][:limit]
