"""Opens the tracker and the registry that a configuration names; where files go unless told, the store decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_integration.registry import ModelRegistry
from mlflow_integration.tracker import MLflowTracker

if TYPE_CHECKING:
    from ecosight.config import Config

__all__ = ["open_registry", "open_tracker"]


def open_tracker(config: Config) -> MLflowTracker:
    """A tracker of the configured experiment; connects when first used.

    Raises: ConfigError: the URI is a plain folder.
    """
    return MLflowTracker(config.tracking_uri, config.experiment_name, artifact_location=config.mlflow.artifact_location)


def open_registry(config: Config) -> ModelRegistry:
    """The registry of the configured model; connects when first used.

    Raises: ConfigError: the URI is a plain folder. InvalidInput: MLflow takes no such model name.
    """
    return ModelRegistry(config.tracking_uri, config.model_name, config.cache_folder)
