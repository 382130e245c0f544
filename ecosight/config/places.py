"""Sections that say which project this is and where everything of it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from ecosight.config.section import Section

__all__ = ["ProjectSection", "StorageSection", "DatabaseSection", "RedisSection", "MlflowSection"]


class ProjectSection(Section):
    name: str = Field("ecosight", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """Names the registered model and the MLflow experiment unless those are named themselves."""
    root: Path = Path("ecosight_data")
    """Everything local lives below this folder."""
    modality: str = "sound"
    """Which plug-in of ``ecosight.modalities`` reads the samples."""
    seed: int = Field(7, ge=0)
    """The root of every random stream."""


class StorageSection(Section):
    backend: Literal["local", "s3"] = "local"
    """Where samples and model files lie: a folder, or an S3 bucket."""
    path: Path | None = None
    """Folder of the local store; default ``<root>/blobs``."""
    s3_bucket: str | None = None
    """Bucket, for the backend `s3`."""
    s3_prefix: str = "ecosight"
    """Prefix of every key in the bucket."""
    s3_endpoint_url: str | None = None
    """Address of an S3-compatible store; default: the provider's own."""
    s3_region: str | None = None
    """Region; default: that of the environment."""


class DatabaseSection(Section):
    url: str | None = None
    """SQLAlchemy URL; default ``sqlite:///<root>/ecosight.db``. A password goes into the environment."""


class RedisSection(Section):
    url: str | None = None
    """Redis, for many servers: looks and reports. It may be away. A password goes into the environment."""


class MlflowSection(Section):
    tracking_uri: str | None = None
    """Default ``sqlite:///<root>/mlflow.db``."""
    experiment_name: str | None = None
    """Default: the project's name."""
    model_name: str | None = None
    """Name in the registry; default: the project's name."""
    artifact_location: str | None = None
    """Default ``<root>/mlartifacts``; with a tracking server, the server's own."""
