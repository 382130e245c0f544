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
    from ecosight.state.rollouts import RolloutStore
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
    rollouts: RolloutStore


def open_parts(config: Config) -> tuple[RetrainingParts, JobQueue]:
    """The parts that a configuration names, and its queue of jobs.

    Raises: ConfigError, Unavailable: a store cannot be opened. NotFound: no such modality.
    """
    from dataset.manager import open_repository
    from ecosight.blobs import open_blobs
    from ecosight.clock import SystemClock
    from ecosight.plugins import open_modality
    from ecosight.state.database import open_database
    from ecosight.state.jobs import open_queue
    from ecosight.state.refs import DatabaseRefs
    from ecosight.state.retrainings import RetrainingLog
    from ecosight.state.rollouts import RolloutStore
    from ecosight.state.samples import SampleStore
    from mlflow_integration.opening import open_registry, open_tracker

    clock, database, blobs = SystemClock(), open_database(config.database_url), open_blobs(config)
    parts = RetrainingParts(
        config=config,
        clock=clock,
        blobs=blobs,
        samples=SampleStore(database),
        datasets=open_repository(config, blobs, DatabaseRefs(database)),
        retrainings=RetrainingLog(database),
        modality=open_modality(config),
        tracker=open_tracker(config),
        registry=open_registry(config),
        rollouts=RolloutStore(database),
    )
    return parts, open_queue(config, database, clock=clock)
