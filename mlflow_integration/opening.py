"""Opens the tracker and the registry that a configuration names; where files go unless told, the store decides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ecosight.errors import NotFound
from mlflow_integration.registry import ModelRegistry
from mlflow_integration.tracker import MLflowTracker

if TYPE_CHECKING:
    from ecosight.config import Config

__all__ = ["fetch_model", "open_registry", "open_tracker"]


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


def fetch_model(config: Config, name: str) -> Path:
    """A local folder with a registered model, verified, by its version, an alias or a ``models:/`` URI.

    This is the plug-in ``registered`` of the family ``ecosight.models``.
    Raises: NotFound: there is no such model. InvalidInput, IntegrityError, Unavailable: as ``ModelRegistry``.
    """
    registry = open_registry(config)
    found = registry.named(name)
    if found is None:
        raise NotFound(
            f"there is no model folder {name!r}, and no registered model of that name",
            hint="Give a folder with servable.json, a version number, an alias, or models:/NAME/VERSION.",
        )
    return registry.fetch(found)
