"""The face of this room: MLflow for a training, in a few calls.

Example::

    tracker = MLflowTracker("http://localhost:5000", experiment_name="yolov8_training")
    with tracker.start_run(run_name="yolov8n_v1"):
        tracker.log_params({"epochs": 100})
        tracker.log_metrics({"train_loss": 0.4}, step=0)
        tracker.log_model(model_path="yolov8n.pt", artifact_path="model")
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecosight.artifact import DESCRIPTION_FILE, open_artifact
from ecosight.errors import Conflict, EcosightError, InvalidInput, NotFound, exit_code
from ecosight.values import DatasetRef, ModelRef
from mlflow_integration.artifacts import ArtifactLogger
from mlflow_integration.connection import Connection, connect
from mlflow_integration.dataset_inputs import Counts, log_dataset
from mlflow_integration.environment import describe_environment
from mlflow_integration.experiments import ExperimentManager
from mlflow_integration.logged_models import find_logged_model, log_servable, read_description
from mlflow_integration.metrics import MetricsLogger
from mlflow_integration.registry import ModelRegistry, alias_of_stage
from mlflow_integration.runs import TrackedRun, fail_run_of_job, open_run

__all__ = ["ArtifactLogger", "ExperimentManager", "MLflowTracker", "MetricsLogger", "ModelRegistry"]


class MLflowTracker:
    """Tracks one run at a time in one experiment. Not thread-safe: give each thread a tracker of its own.

    Args:
        tracking_uri: ``sqlite:///…``, ``http://…`` or another store of MLflow's; None: the configured one.
        experiment_name: made when it is first used.
        artifact_location: URI or folder for files, such as ``s3://bucket/mlflow``; None: beside an embedded
            database, else the server's own choice. Counts when the experiment is made.
    """

    def __init__(
        self,
        tracking_uri: str | Connection | None = None,
        experiment_name: str = "ecosight",
        *,
        artifact_location: str | None = None,
    ) -> None:
        self._connection = connect(tracking_uri)
        self.experiment_name = experiment_name
        self.experiments = ExperimentManager(self._connection, artifact_location=artifact_location)
        self._run: TrackedRun | None = None

    @property
    def tracking_uri(self) -> str:
        return self._connection.uri

    @property
    def run(self) -> TrackedRun:
        """The open run. Raises: Conflict: none is open."""
        if self._run is None:
            raise Conflict("no run is open", hint="Call it inside `with tracker.start_run():`.")
        return self._run

    def start_run(
        self, run_name: str | None = None, *, tags: Mapping[str, Any] | None = None, run_id: str | None = None
    ) -> TrackedRun:
        """Open a run; as a context manager it is closed at the end.

        Args:
            tags: with ``ecosight.job_id``, the run that this job began earlier is taken up again.
            run_id: a run to take up again.
        Raises: Conflict: this tracker has a run open. NotFound: no such run. Unavailable.
        """
        if self._run is not None:
            raise Conflict(f"the run {self._run.run_id} is still open", hint="End it first, or use another tracker.")
        experiment_id = self.experiments.ensure(self.experiment_name)
        run = open_run(self._connection, experiment_id, name=run_name, tags=tags or {}, run_id=run_id)
        run.on_end = self._close
        self._run = run
        return run

    def end_run(self, status: str = "FINISHED") -> None:
        """Close the open run: FINISHED, FAILED or KILLED."""
        self.run.end(status)

    def fail_run_of_job(self, job_id: str, error: Exception) -> None:
        """Close the run that a job left open when its last worker died."""
        fail_run_of_job(self._connection, self.experiments.ensure(self.experiment_name), job_id, error)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """See ``MetricsLogger.log_params``."""
        MetricsLogger(self.run).log_params(params)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """See ``MetricsLogger.log_metrics``."""
        MetricsLogger(self.run).log_metrics(metrics, step)

    def log_history(self, history: Mapping[str, Sequence[float | None]], *, first_step: int = 0) -> None:
        """See ``MetricsLogger.log_history``: whole learning curves in a few calls."""
        MetricsLogger(self.run).log_history(history, first_step=first_step)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        self.run.set_tags(tags)

    def log_artifacts(self, paths: Path | str | Iterable[Path | str], folder: str | None = None) -> None:
        """See ``ArtifactLogger.log_artifacts``."""
        ArtifactLogger(self.run).log_artifacts(paths, folder)

    def log_figures(self, paths: Iterable[Path | str], folder: str = "figures") -> None:
        """See ``ArtifactLogger.log_figures``."""
        ArtifactLogger(self.run).log_figures(paths, folder)

    def log_json(self, document: Mapping[str, Any] | list[Any], name: str) -> None:
        """See ``ArtifactLogger.log_json``."""
        ArtifactLogger(self.run).log_json(document, name)

    def log_dataset(
        self, ref: DatasetRef, class_counts: Mapping[str, int], part_counts: Counts, *, source: str = ""
    ) -> None:
        """Record which dataset version the run learned from, as MLflow inputs.

        Args:
            class_counts: samples of each label in the whole version.
            part_counts: for train, val and test: the number of samples, or the samples of each label.
            source: where the samples come from, for people.
        """
        log_dataset(self.run, ref, class_counts, part_counts, source=source)

    def log_environment(self, *, seed: int | None = None) -> None:
        """Record Python, packages, machine, git commit ("unknown" outside a work tree) and seed."""
        environment = describe_environment(seed=seed)
        files = ArtifactLogger(self.run)
        files.log_json(environment.as_dict(), "environment/environment.json")
        files.log_text(environment.requirements(), "environment/requirements.txt")
        self.run.set_tags(environment.tags())

    def log_model(self, model_path: Path | str, artifact_path: str = "model") -> str:
        """Keep a model with the run: a servable artifact as an MLflow model, any other file or folder as it is.

        Args:
            artifact_path: the name under which ``register_model("runs:/<run id>/<name>")`` finds it.
        Returns: that URI.
        Raises: InvalidInput: there is no such file. IntegrityError: the servable artifact is damaged.
        """
        path = Path(model_path)
        if (path / DESCRIPTION_FILE).is_file():
            description = open_artifact(path)
            log_servable(self._connection, path, description, run_id=self.run.run_id, name=artifact_path)
        elif path.is_dir():
            ArtifactLogger(self.run).log_artifacts(sorted(path.iterdir()), artifact_path)
        else:
            ArtifactLogger(self.run).log_artifacts(path, artifact_path)
        return f"runs:/{self.run.run_id}/{artifact_path}"

    def register_model(self, model_uri: str, model_name: str, stage: str | None = None) -> ModelRef:
        """Make a logged model a version of a registered one; the same model again gives the same version.

        Args:
            model_uri: ``runs:/<run id>/<artifact path>``, as ``log_model`` returns it.
            stage: ``staging`` points the alias ``challenger`` to it, ``production`` the alias ``champion``.
        Raises: InvalidInput: no such stage, or not such a URI. NotFound: no such run, or nothing is logged there.
        """
        alias = alias_of_stage(stage) if stage is not None else None
        parts = re.fullmatch(r"runs:/([^/]+)/(.+)", model_uri)
        if parts is None:
            raise InvalidInput(f"{model_uri!r} names no model of a run", hint="runs:/<run id>/<artifact path>")
        run_id, path = parts.groups()
        registry = ModelRegistry(self._connection, model_name)
        model = find_logged_model(self._connection, run_id=run_id, name=path)
        if model is not None and model.digest:
            ref = registry.register_logged(model, read_description(self._connection, model.location))
        elif model is not None:  # logged with MLflow's own calls
            about = "An MLflow model that EcoSight did not make."
            ref = registry.register_files(model.location, run_id=run_id, description=about, model_id=model.model_id)
        else:
            ref = self._register_files(registry, run_id, path)
        if alias is not None:
            registry.set_alias(alias, ref, why=f"registered for {stage}")
        return ref

    def _register_files(self, registry: ModelRegistry, run_id: str, path: str) -> ModelRef:
        with self._connection.talking() as client:
            run = client.get_run(run_id)
            files = client.list_artifacts(run_id, path)
        if not files:
            raise NotFound(f"the run {run_id} has nothing under {path!r}", hint="Log it first: tracker.log_model(…).")
        names = ", ".join(file.path.rsplit("/", 1)[-1] for file in files[:5])
        source = f"{run.info.artifact_uri}/{path}"
        return registry.register_files(source, run_id=run_id, description=f"Files as they were logged: {names}.")

    def _close(self) -> None:
        self._run = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Show what a store holds: the runs of an experiment and the versions of a model."""
    import argparse
    import sys

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tracking-uri", help="default: the configured store")
    parser.add_argument("--experiment", default="ecosight")
    parser.add_argument("--model", help="default: the experiment's name")
    options = parser.parse_args(arguments)
    try:
        connection = connect(options.tracking_uri)
        for run in ExperimentManager(connection).runs(options.experiment, limit=20):
            figures = " ".join(f"{name}={value:.4g}" for name, value in sorted(run.metrics.items())[:6])
            print(f"{run.started_at:%Y-%m-%d %H:%M} {run.status:9} {run.run_id} {run.name} {figures}")
        for version in ModelRegistry(connection, options.model or options.experiment).versions():
            print(f"{version.ref} {','.join(version.aliases) or '-'} {version.ref.digest[:12]} {version.stage}")
    except EcosightError as error:
        print(f"{error.message}. {error.hint}", file=sys.stderr)
        return exit_code(error)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
