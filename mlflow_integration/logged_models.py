"""A servable artifact as an MLflow model of a run: made once for each (run, digest), however often it is begun.

The model is 'models from code': a script, the artifact's files, a signature and pinned requirements; no pickle.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecosight.artifact import DESCRIPTION_FILE
from ecosight.errors import InvalidInput, NotFound
from mlflow_integration.connection import Connection

__all__ = ["DIGEST_TAG", "LoggedModel", "find_logged_model", "log_servable", "read_description", "servable_path"]

DIGEST_TAG = "ecosight.digest"
SCRIPT = Path(__file__).with_name("served_model.py")
FOLDER = "servable"
SCRATCH = "ecosight-model-"
LEFTOVER_S = 3600
EXAMPLE_VALUES = 4_000
"""Longest example that is stored (as JSON, so small): a quarter of a second of sound at 16 kHz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModel:
    """An MLflow model that lies complete in the store."""

    model_id: str
    location: str
    run_id: str
    digest: str


def servable_path() -> str:
    """Where the servable artifact lies within an MLflow model."""
    return f"artifacts/{FOLDER}"


def log_servable(
    connection: Connection, folder: Path, description: Mapping[str, Any], *, run_id: str, name: str
) -> LoggedModel:
    """Upload the artifact as a model of the run, unless it is there; a half-done upload is completed.

    Args:
        description: the artifact's, verified.
        name: shown for the model on the run's page; characters that MLflow refuses become ``-``.
    Raises: NotFound: no such run. Unavailable.
    """
    with connection.talking() as client:
        run = client.get_run(run_id)
        found = _of_run(client, run, digest=description["digest"])
        if found is None:
            found = client.create_logged_model(
                run.info.experiment_id,
                name=model_title(name),
                source_run_id=run_id,
                tags={DIGEST_TAG: description["digest"], "ecosight.embedder": embedder_name(description)},
                model_type=str(description.get("modality", "")) or None,
            )
        if found.status != "READY":
            _sweep()
            with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch, _without_advice():
                made = _write_model(folder, description, Path(scratch), run_id=run_id, model=found)
                client.log_model_artifacts(found.model_id, str(made))
            client.finalize_logged_model(found.model_id, "READY")
        _show_on_run(client, run, found.model_id)
    return _logged(found)


def find_logged_model(connection: Connection, *, run_id: str, name: str) -> LoggedModel | None:
    """The complete model of a run that was logged under a name, the newest if there are several."""
    with connection.talking() as client:
        found = _of_run(client, client.get_run(run_id), name=model_title(name), ready=True)
    return _logged(found) if found else None


def read_description(connection: Connection, location: str) -> dict[str, Any]:
    """The description of the servable artifact inside a logged model, without fetching the rest.

    Raises: NotFound: the model holds no servable artifact.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with connection.talking(), tempfile.TemporaryDirectory() as scratch:
        repository = get_artifact_repository(location, tracking_uri=connection.uri, registry_uri=connection.uri)
        try:
            path = repository.download_artifacts(f"{servable_path()}/{DESCRIPTION_FILE}", scratch)
            description: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise NotFound("the model holds no servable artifact", hint="EcoSight did not log it.") from error
    return description


def model_title(name: str) -> str:
    """A name that MLflow takes for a logged model."""
    return re.sub(r"[/:.%\"']", "-", name)


def embedder_name(description: Mapping[str, Any]) -> str:
    embedder = description.get("embedder") or {}
    return str(embedder.get("name", "none"))


def _of_run(client: Any, run: Any, *, digest: str | None = None, name: str | None = None, ready: bool = False) -> Any:
    models = client.search_logged_models(
        [run.info.experiment_id],
        f"source_run_id = '{run.info.run_id}'",
        order_by=[{"field_name": "creation_timestamp", "ascending": False}],
    )
    for model in models:
        wanted = (digest is None or model.tags.get(DIGEST_TAG) == digest) and (name is None or model.name == name)
        if wanted and (model.status == "READY" or not ready):
            return model
    return None


def _logged(model: Any) -> LoggedModel:
    return LoggedModel(
        model_id=model.model_id,
        location=model.artifact_location,
        run_id=model.source_run_id,
        digest=model.tags.get(DIGEST_TAG, ""),
    )


def _show_on_run(client: Any, run: Any, model_id: str) -> None:
    from mlflow.entities import LoggedModelOutput

    shown = run.outputs.model_outputs if run.outputs else []
    if model_id not in [output.model_id for output in shown]:
        client.log_outputs(run.info.run_id, [LoggedModelOutput(model_id, step=0)])


def _sweep() -> None:
    """Remove the scratch folders of processes that were killed long ago."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        with suppress(OSError):  # another's, or gone meanwhile
            if time.time() - folder.stat().st_mtime > LEFTOVER_S:
                shutil.rmtree(folder)


def _write_model(folder: Path, description: Mapping[str, Any], scratch: Path, *, run_id: str, model: Any) -> Path:
    """The model's folder as ``mlflow.pyfunc.load_model`` wants it."""
    from mlflow.models import Model
    from mlflow.pyfunc import save_model

    named = scratch / FOLDER  # MLflow keeps the last part of the path
    shutil.copytree(folder, named, ignore=shutil.ignore_patterns("__pycache__"))
    nowhere = scratch / "no_project"  # else MLflow packs the uv.lock of whatever folder we happen to run in
    nowhere.mkdir()
    parameters = dict(description["input"].get("parameters", {}))
    example = _example(folder, description)
    entry = Model(
        artifact_path=model.artifact_location, run_id=run_id, model_uuid=model.model_id, model_id=model.model_id
    )
    target = scratch / "model"
    save_model(
        path=str(target),
        python_model=str(SCRIPT),
        artifacts={FOLDER: str(named)},
        signature=_signature(description, parameters),
        input_example=(example, parameters) if parameters and example is not None else example,
        pip_requirements=[*description.get("requirements", []), "pandas"],
        metadata=_metadata(description),
        mlflow_model=entry,
        uv_project_path=str(nowhere),
    )
    flavor = entry.flavors["python_function"]  # MLflow notes where the files lay on this machine: nobody's business
    flavor["model_code_path"] = SCRIPT.name
    flavor["artifacts"][FOLDER]["uri"] = servable_path()
    entry.save(str(target / "MLmodel"))
    return target


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep back MLflow's warnings about its own type hints, which nobody here can follow."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"mlflow\.")
        yield


def _signature(description: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

    kinds = {bool: DataType.boolean, int: DataType.long, float: DataType.double, str: DataType.string}
    if strange := [name for name, default in parameters.items() if type(default) not in kinds]:
        raise InvalidInput(f"a model's parameter {strange[0]!r} has no default of a plain type")
    given = description["input"]
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(given["dtype"]), tuple(given["shape"]))]),
        outputs=Schema([ColSpec(DataType.float, label) for label in description["labels"]]),
        params=ParamSchema([ParamSpec(name, kinds[type(value)], value) for name, value in parameters.items()])
        if parameters
        else None,
    )


def _example(folder: Path, description: Mapping[str, Any]) -> Any:
    """The first of the artifact's own examples, cut short; None where it brings none."""
    import numpy as np

    file = folder / str(description.get("examples", ""))
    if not file.is_file():
        return None
    with np.load(file, allow_pickle=False) as arrays:
        rows = arrays[next(name for name in ("waveforms", "inputs") if name in arrays)]
        length = int(arrays["lengths"][0]) if "lengths" in arrays else rows.shape[1]
    return np.ascontiguousarray(rows[:1, : min(length, EXAMPLE_VALUES)], dtype=description["input"]["dtype"])


def _metadata(description: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("modality", "labels", "digest", "embedder", "temperature", "sample_rate_hz", "parity", "facts")
    return {f"ecosight_{key}": description[key] for key in kept if key in description}
