"""The dataset version behind a run, as an MLflow input: one for each part, with its context and counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ecosight.values import DatasetRef
from mlflow_integration.runs import TrackedRun

__all__ = ["log_dataset"]

LONGEST_DIGEST = 36  # MLflow's limit; the whole digest stands in the source
CONTEXTS = {"train": "training", "val": "validation", "test": "test"}

Counts = Mapping[str, "int | Mapping[str, int]"]


def log_dataset(
    run: TrackedRun, ref: DatasetRef, class_counts: Mapping[str, int], part_counts: Counts, *, source: str
) -> None:
    """Log the version's parts as inputs of the run; logging them again changes nothing.

    MLflow knows a dataset by name and digest and takes it once a run, so each part has its own name:
    ``main/train``, ``main/val``, ``main/test``.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    def part_input(part: str, counts: int | Mapping[str, int]) -> Any:
        rows = counts if isinstance(counts, int) else sum(counts.values())
        profile: dict[str, Any] = {"num_rows": rows, "dataset_class_counts": dict(class_counts)}
        if not isinstance(counts, int):
            profile["class_counts"] = dict(counts)
        dataset = Dataset(
            name=f"{ref.name}/{part}",
            digest=ref.digest[:LONGEST_DIGEST],
            source_type="ecosight",
            source=json.dumps({"dataset": str(ref), "part": part, "digest": ref.digest, "source": source}),
            profile=json.dumps(profile),
        )
        tags = {
            "mlflow.data.context": CONTEXTS.get(part, part),
            "ecosight.dataset": str(ref),
            "ecosight.samples": str(rows),
        }
        return DatasetInput(dataset, [InputTag(key, value) for key, value in tags.items()])

    with run.connection.talking() as client:
        client.log_inputs(run.run_id, [part_input(part, counts) for part, counts in part_counts.items()])
    run.set_tags({"ecosight.dataset": str(ref), "ecosight.dataset_digest": ref.digest})
