"""The parts that a retraining works with, and how to open them for a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecosight.config import Config
from ecosight.ports import BlobStore, Clock, Modality

if TYPE_CHECKING:
    from dataset.versions import DatasetRepository
    from ecosight.state.jobs import JobQueue
    from ecosight.state.retrainings import RetrainingLog
    from ecosight.state.samples import SampleStore
    from mlflow_integration.registry import ModelRegistry
    from mlflow_integration.tracker import MLflowTracker

__all__ = ["RetrainingParts", "open_parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingParts:
    """What ``run_retraining`` needs. One retraining at a time: the tracker holds one open run."""

    config: Config
    clock: Clock
    blobs: BlobStore
    samples: SampleStore
    datasets: DatasetRepository
    retrainings: RetrainingLog
    modality: Modality
    tracker: MLflowTracker
    registry: ModelRegistry


def open_parts(config: Config) -> tuple[RetrainingParts, JobQueue]:
    """The parts that a configuration names, and its queue of jobs.

    Raises: ConfigError, Unavailable: a store cannot be opened. NotFound: no such modality.
    """
    from dataset.versions import DatasetRepository
    from ecosight.blobs import open_blobs
    from ecosight.clock import SystemClock
    from ecosight.plugins import load_plugin
    from ecosight.state.database import open_database
    from ecosight.state.jobs import JobQueue
    from ecosight.state.refs import DatabaseRefs
    from ecosight.state.retrainings import RetrainingLog
    from ecosight.state.samples import SampleStore
    from mlflow_integration.registry import ModelRegistry
    from mlflow_integration.tracker import MLflowTracker

    clock, database, blobs = SystemClock(), open_database(config.database_url), open_blobs(config)
    ratios: dict[str, float] = dict(config.dataset.splits.items())
    parts = RetrainingParts(
        config=config,
        clock=clock,
        blobs=blobs,
        samples=SampleStore(database),
        datasets=DatasetRepository(
            blobs,
            DatabaseRefs(database),
            name=config.dataset.name,
            ratios=ratios,
            seed=config.project.seed,
            clock=clock,
        ),
        retrainings=RetrainingLog(database),
        modality=load_plugin("ecosight.modalities", config.project.modality)(config),
        tracker=MLflowTracker(
            config.tracking_uri, config.experiment_name, artifact_location=config.mlflow.artifact_location
        ),
        registry=ModelRegistry(config.tracking_uri, config.model_name, config.cache_folder),
    )
    settings = config.retraining
    queue = JobQueue(database, clock=clock, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts)
    return parts, queue
