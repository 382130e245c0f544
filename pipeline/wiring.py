"""Puts the parts together: a workbench makes each one when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ecosight.clock import SystemClock
from ecosight.config import Config, load_config
from ecosight.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataset.intake import Intake
    from dataset.versions import DatasetRepository
    from ecosight.ports import BlobStore, Modality, RefStore
    from ecosight.state.database import Database
    from ecosight.state.jobs import JobQueue
    from ecosight.state.predictions import PredictionLog
    from ecosight.state.retrainings import RetrainingLog
    from ecosight.state.samples import SampleStore
    from mlflow_integration.registry import ModelRegistry
    from mlflow_integration.tracker import MLflowTracker
    from training.retraining import RetrainingParts

__all__ = ["Workbench", "open_workbench"]


class Workbench:
    """Every part of one project, made lazily: ``ecosight dataset log`` never touches MLflow.

    Owns what it made; ``close`` ends connections and flushes spools.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.clock = SystemClock()

    @cached_property
    def db(self) -> Database:
        from ecosight.state.database import open_database

        return open_database(self.config.database_url)

    @cached_property
    def blobs(self) -> BlobStore:
        from ecosight.blobs import open_blobs

        return open_blobs(self.config)

    @cached_property
    def refs(self) -> RefStore:
        from ecosight.state.refs import DatabaseRefs

        return DatabaseRefs(self.db)

    @cached_property
    def samples(self) -> SampleStore:
        from ecosight.state.samples import SampleStore

        return SampleStore(self.db)

    @cached_property
    def predictions(self) -> PredictionLog:
        from ecosight.state.predictions import PredictionLog

        return PredictionLog(self.db, self.config.spool_folder)

    @cached_property
    def retrainings(self) -> RetrainingLog:
        from ecosight.state.retrainings import RetrainingLog

        return RetrainingLog(self.db)

    @cached_property
    def jobs(self) -> JobQueue:
        from ecosight.state.jobs import JobQueue

        settings = self.config.retraining
        return JobQueue(
            self.db, clock=self.clock, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts
        )

    @cached_property
    def modality(self) -> Modality:
        from ecosight.plugins import load_plugin

        made: Modality = load_plugin("ecosight.modalities", self.config.project.modality)(self.config)
        return made

    @cached_property
    def intake(self) -> Intake:
        return self.intake_grouped_by(self.config.dataset.group_pattern)

    def intake_grouped_by(self, group_pattern: str | None) -> Intake:
        """An intake that names recordings by another pattern than the configured one."""
        from dataset.intake import Intake

        return Intake(self.modality, self.blobs, self.samples, group_pattern=group_pattern, clock=self.clock)

    @cached_property
    def datasets(self) -> DatasetRepository:
        from dataset.manager import open_repository

        return open_repository(self.config, self.blobs, self.refs)

    @cached_property
    def tracker(self) -> MLflowTracker:
        from mlflow_integration.tracker import MLflowTracker

        return MLflowTracker(
            self.config.tracking_uri,
            self.config.experiment_name,
            artifact_location=self.artifact_location,
        )

    @cached_property
    def registry(self) -> ModelRegistry:
        from mlflow_integration.registry import ModelRegistry

        return ModelRegistry(self.config.tracking_uri, self.config.model_name, self.config.cache_folder)

    @property
    def artifact_location(self) -> str | None:
        """Where MLflow keeps files: as configured; beside the embedded database; else the server's own choice."""
        if self.config.mlflow.artifact_location is not None or self.config.mlflow.tracking_uri is not None:
            return self.config.mlflow.artifact_location
        return (self.config.root / "mlartifacts").as_uri()

    @cached_property
    def retraining(self) -> RetrainingParts:
        from training.retraining import RetrainingParts

        return RetrainingParts(
            config=self.config,
            clock=self.clock,
            blobs=self.blobs,
            samples=self.samples,
            datasets=self.datasets,
            retrainings=self.retrainings,
            modality=self.modality,
            tracker=self.tracker,
            registry=self.registry,
        )

    def store_checks(self) -> dict[str, Callable[[], None]]:
        """What a server must reach to be ready, each as a call that raises Unavailable."""
        return {"database": self.db.check, "registry": self.registry.check}

    def close(self) -> None:
        """Flush and close what was made."""
        made = vars(self)
        for name in ("predictions", "db"):
            if name in made:
                made[name].close()

    def __enter__(self) -> Workbench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_workbench(config: Config | Path | str | None = None) -> Workbench:
    """A workbench over a configuration, or over the file that holds it.

    Raises: ConfigError: the configuration has faults, or its root cannot be made.
    """
    settings = config if isinstance(config, Config) else load_config(config)
    try:
        settings.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"project.root {settings.root} cannot be made: {error.strerror}",
            hint="Choose a folder that you may write to: ECOSIGHT__PROJECT__ROOT=/path.",
        ) from error
    return Workbench(settings)
