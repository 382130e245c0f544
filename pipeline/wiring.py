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

    from ab_testing.records import RolloutRecords
    from ab_testing.service import RolloutService
    from dataset.intake import Intake
    from dataset.versions import DatasetRepository
    from ecosight.ports import BlobStore, Modality, RefStore
    from ecosight.state.database import Database
    from ecosight.state.exposures import ExposureLog, Exposures
    from ecosight.state.incidents import Incidents
    from ecosight.state.jobs import JobQueue
    from ecosight.state.predictions import PredictionLog
    from ecosight.state.retrainings import RetrainingLog
    from ecosight.state.rollouts import RolloutStore
    from ecosight.state.routings import RoutingStore
    from ecosight.state.samples import SampleStore
    from ecosight.state.servers import Servers
    from ecosight.state.shared import Shared
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
        from ecosight.state.jobs import open_queue

        return open_queue(self.config, self.db, clock=self.clock)

    @cached_property
    def modality(self) -> Modality:
        from ecosight.plugins import open_modality

        return open_modality(self.config)

    @cached_property
    def intake(self) -> Intake:
        return self.intake_grouped_by(self.config.dataset.group_pattern)

    def intake_grouped_by(self, group_pattern: str | None) -> Intake:
        """An intake that names recordings by another pattern than the configured one."""
        from dataset.augmenting import note_reader
        from dataset.intake import Intake

        return Intake(
            self.modality,
            self.blobs,
            self.samples,
            group_pattern=group_pattern,
            clock=self.clock,
            note_in=note_reader(self.config),
        )

    @cached_property
    def datasets(self) -> DatasetRepository:
        from dataset.manager import open_repository

        return open_repository(self.config, self.blobs, self.refs)

    @cached_property
    def tracker(self) -> MLflowTracker:
        from mlflow_integration.opening import open_tracker

        return open_tracker(self.config)

    @cached_property
    def registry(self) -> ModelRegistry:
        from mlflow_integration.opening import open_registry

        return open_registry(self.config)

    @cached_property
    def shared(self) -> Shared | None:
        """What several machines share through Redis; None without ``redis.url``."""
        if self.config.redis.url is None:
            return None
        from ecosight.state.shared import open_shared

        return open_shared(self.config.redis.url, self.db, self.clock)

    @cached_property
    def routings(self) -> RoutingStore:
        from ecosight.state.routings import RoutingStore

        return self.shared.routings if self.shared is not None else RoutingStore(self.db)

    @cached_property
    def rollouts(self) -> RolloutStore:
        from ecosight.state.rollouts import RolloutStore

        return RolloutStore(self.db)

    @cached_property
    def incidents(self) -> Incidents:
        from ecosight.state.incidents import Incidents

        return Incidents(self.db)

    @cached_property
    def servers(self) -> Servers:
        from ecosight.state.servers import Servers

        return self.shared.servers if self.shared is not None else Servers(self.db)

    @cached_property
    def exposure_log(self) -> ExposureLog:
        from ecosight.state.exposures import ExposureLog

        return ExposureLog(self.db, self.config.spool_folder)

    @cached_property
    def exposures(self) -> Exposures:
        from ecosight.state.exposures import Exposures

        return Exposures(self.db)

    @cached_property
    def rollout_service(self) -> RolloutService:
        from ab_testing.service import RolloutService

        return RolloutService(
            rollouts=self.rollouts,
            routings=self.routings,
            incidents=self.incidents,
            registry=self.registry,
            clock=self.clock,
            config=self.config,
        )

    @cached_property
    def rollout_records(self) -> RolloutRecords:
        from ab_testing.records import RolloutRecords

        return RolloutRecords(
            service=self.rollout_service,
            rollouts=self.rollouts,
            incidents=self.incidents,
            servers=self.servers,
            clock=self.clock,
        )

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
            rollouts=self.rollouts,
        )

    def store_checks(self) -> dict[str, Callable[[], None]]:
        """What a server must reach to be ready, each as a call that raises Unavailable."""
        return {"database": self.db.check, "registry": self.registry.check}

    def close(self) -> None:
        """Flush and close what was made."""
        made = vars(self)
        for name in ("predictions", "exposure_log", "shared", "db"):
            if made.get(name) is not None:
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
