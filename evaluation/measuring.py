"""Owns running a servable model over labelled samples: from their raw bytes, as a client would send them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ecosight.errors import EcosightError, InputError, IntegrityError, InvalidInput, NotEnoughData, NotFound
from evaluation.facts import facts_of
from evaluation.predictions import Predictions
from evaluation.report import ClassificationReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ecosight.ports import BlobStore, Progress, Servable
    from evaluation.taught import Taught

__all__ = ["TestEntry", "answer", "measure", "predict_entries"]

BATCH = 32


class TestEntry(Protocol):
    """One labelled sample of a test part; a dataset's entries are such."""

    @property
    def sample_id(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def group(self) -> str: ...


def measure(
    servable: Servable,
    entries: Sequence[TestEntry],
    blobs: BlobStore,
    progress: Progress,
    *,
    bootstrap_samples: int,
    seed: int,
    caveats: Sequence[str] = (),
    taught: Taught | None = None,
) -> ClassificationReport:
    """Measure a model on labelled samples.

    The report's classes are those of the model and of the samples, sorted; what the model does not know,
    it answers with probability 0.

    Args:
        caveats, taught: see ``answer``.
    Raises: NotEnoughData: no entries. InputError, NotFound, IntegrityError: a sample cannot be read; it is named.
    """
    answered = answer(servable, entries, blobs, progress, caveats=caveats, taught=taught)
    return answered.report(bootstrap_samples=bootstrap_samples, seed=seed)


def answer(
    servable: Servable,
    entries: Sequence[TestEntry],
    blobs: BlobStore,
    progress: Progress,
    *,
    model: str = "",
    more_facts: Mapping[str, Mapping[str, str]] | None = None,
    caveats: Sequence[str] = (),
    taught: Taught | None = None,
) -> Predictions:
    """Ask a model about labelled samples.

    Args:
        model: its name for people.
        more_facts: see ``facts_of``.
        caveats: what is wrong on purpose with the samples, a sentence each; the report repeats them.
        taught: how many of the samples the model learned from; the report tells it.
    Raises: NotEnoughData: no entries. InputError, NotFound, IntegrityError: a sample cannot be read; it is named.
        InvalidInput: the model is of another task (``info["task"]``, ``classification`` where it is not told).
    """
    task = servable.info.get("task", "classification")
    if task != "classification":
        raise InvalidInput(
            f"this model's task is {task}, and its answers are not one label a sample",
            hint="Hand its answers over: ModelEvaluator.evaluate_detections or ModelEvaluator.evaluate_labels.",
        )
    if not entries:
        raise NotEnoughData("the test part has no samples", hint="Ingest more recordings, of at least three groups.")
    return Predictions.of(
        sample_ids=[entry.sample_id for entry in entries],
        labels=[entry.label for entry in entries],
        groups=[entry.group for entry in entries],
        sources=[str(getattr(entry, "source", "")) for entry in entries],
        answers=predict_entries(servable, entries, blobs, progress),
        known_labels=servable.labels,
        model_digest=servable.digest,
        facts=facts_of(entries, more_facts),
        model=model,
        caveats=caveats,
        taught=taught,
    )


def predict_entries(
    servable: Servable, entries: Sequence[TestEntry], blobs: BlobStore, progress: Progress
) -> NDArray[np.float32]:
    """Probabilities of every entry, float32 (n, classes of the model), in the order of the entries.

    While one batch is predicted, the next is read and decoded.
    """
    batches = [entries[start : start + BATCH] for start in range(0, len(entries), BATCH)]
    answers: list[NDArray[np.float32]] = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="evaluate") as pool:

        def begin(batch: Sequence[TestEntry]) -> list[Any]:
            return [pool.submit(_prepare, servable, entry, blobs) for entry in batch]

        try:
            with progress.task("evaluate", len(entries), "samples") as task:
                running = begin(batches[0]) if batches else []
                for index, batch in enumerate(batches):
                    prepared = [future.result() for future in running]
                    running = begin(batches[index + 1]) if index + 1 < len(batches) else []
                    answers.append(_checked(servable.predict(prepared), len(batch), servable))
                    task.advance(len(batch))
                    progress.checkpoint()
        finally:
            for future in running:
                future.cancel()
    return np.concatenate(answers) if answers else np.zeros((0, len(servable.labels)), np.float32)


def _prepare(servable: Servable, entry: TestEntry, blobs: BlobStore) -> Any:
    try:
        return servable.prepare(blobs.get(entry.sample_id))
    except (InputError, NotFound, IntegrityError) as error:
        raise _named(error, entry) from error


def _named(error: EcosightError, entry: TestEntry) -> EcosightError:
    source = getattr(entry, "source", "")
    shown = f"{entry.sample_id[:12]} ({source})" if source else entry.sample_id
    return type(error)(
        f"the test sample {shown} cannot be read: {error.message}",
        hint=error.hint,
        **{**error.context, "sample_id": entry.sample_id, "source": source},
    )


def _checked(answers: NDArray[np.float32], rows: int, servable: Servable) -> NDArray[np.float32]:
    if answers.shape != (rows, len(servable.labels)):
        raise InvalidInput(
            f"the model answered with shape {answers.shape} for {rows} samples of {len(servable.labels)}"
        )
    return answers
