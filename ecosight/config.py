"""Configuration: config.yaml, then the environment over it; every fault told at once.

Values come from (strongest first) keyword arguments, ``ECOSIGHT__SECTION__KEY`` variables, the YAML file,
and the defaults below, with which everything works offline on one machine.
Secrets are read from the environment only and are no part of this tree.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from ecosight.errors import ConfigError

__all__ = ["Config", "load_config"]

PREFIX = "ECOSIGHT__"
DEFAULT_FILE = Path("config.yaml")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ProjectSection(_Section):
    name: str = Field("ecosight", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """Names the registered model and the MLflow experiment unless those are named themselves."""
    root: Path = Path("ecosight_data")
    """Everything local lives below this folder."""
    modality: str = "sound"
    """Which plug-in of ``ecosight.modalities`` reads the samples."""
    seed: int = Field(7, ge=0)
    """The root of every random stream."""


class SoundSection(_Section):
    embedder: str = "logmel"
    """``logmel`` needs no weights; ``yamnet`` needs ``yamnet_model``. Never swapped silently."""
    yamnet_model: str = "https://tfhub.dev/google/yamnet/1"
    """A tensorflow_hub handle, or a folder with a SavedModel."""
    embedding_precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of YAMNet's layers in training; ``auto``: bfloat16 where OpenVINO and the processor have it."""
    max_bytes: int = Field(64 * 2**20, ge=1)
    """Largest sound file that is read."""
    max_seconds: float = Field(300.0, gt=0)
    """Longest recording that is read."""
    min_seconds: float = Field(0.05, gt=0)
    """Shortest recording that is worth classifying."""
    silence_dbfs: float = Field(-80.0, le=0)
    """A clip whose loudest sample stays below this is refused as silent."""


class ImageSection(_Section):
    max_bytes: int = Field(32 * 2**20, ge=1)
    """Largest picture that is read."""


class StorageSection(_Section):
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


class DatabaseSection(_Section):
    url: str | None = None
    """SQLAlchemy URL; default ``sqlite:///<root>/ecosight.db``. A password goes into the environment."""


class RedisSection(_Section):
    url: str | None = None
    """Redis, for several machines."""


class ServingSection(_Section):
    host: str = "127.0.0.1"
    """Address to bind. Anything but loopback requires API keys."""
    port: int = Field(8000, ge=0, le=65535)
    """Port to bind; 0 takes a free one."""
    engine: str = "default"
    """``default`` (ONNX Runtime), an engine by name, or ``fastest``: the quickest that passes parity here."""
    max_batch: int = Field(8, ge=1)
    """Most clips that one inference call takes together."""
    queue_limit: int = Field(256, ge=1)
    """Requests waiting or running before the server answers 429."""
    batch_files: int = Field(64, ge=1)
    """Most files of one /predict/batch."""
    poll_seconds: float = Field(1.0, gt=0)
    """How often the alias in the registry is looked at."""
    run_jobs: bool = True
    """Whether this server also starts a worker process for queued jobs."""


class SecuritySection(_Section):
    require_keys: bool | None = None
    """None: keys are required unless the server is bound to loopback."""
    cors_origins: list[str] = []
    """Origins whose pages may call the API from a browser."""


class RetrainingSection(_Section):
    min_new_samples: int = Field(100, ge=1)
    """Distinct recordings accepted since the last training that start the next one."""
    automatic: bool = True
    """Whether an upload that reaches the threshold starts a retraining by itself."""
    schedule: str | None = None
    """Cron expression (minute hour day month weekday, UTC), or None."""
    min_accuracy: float = Field(0.0, ge=0, le=1)
    """A model below this test accuracy never becomes champion."""
    lease_seconds: float = Field(30.0, gt=0)
    """A job whose worker was not heard of for so long is taken up by another."""
    max_attempts: int = Field(3, ge=1)
    """How often a job is tried before its errors count as failure; a worker that was killed costs no try."""


class DataCollectionSection(_Section):
    strategy: str = "uncertainty"
    """Which production samples are kept: uncertainty, random, boundary or all."""
    confidence_threshold: float = Field(0.7, ge=0, le=1)
    """Samples below this confidence are kept."""
    storage_path: Path | None = None
    """Folder of collected samples."""
    redis_url: str | None = None
    """Queue shared between machines."""
    s3_bucket: str | None = None
    """Bucket of collected samples."""


class AnnotationSection(_Section):
    auto_label: bool = True
    """Whether a model labels first."""
    auto_label_threshold: float = Field(0.8, ge=0, le=1)
    """Least confidence of an automatic label."""
    require_review: bool = True
    """Whether a person looks at uncertain labels."""
    consensus_threshold: float = Field(0.8, ge=0, le=1)
    """Agreement that several annotators must reach."""


class DatasetSection(_Section):
    name: str = Field("main", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """Name of the dataset whose versions are trained on."""
    splits: dict[Literal["train", "val", "test"], float] = {"train": 0.72, "val": 0.13, "test": 0.15}
    """Shares of the parts; whole groups are placed, so they hold approximately."""
    group_pattern: str | None = None
    """Regular expression searched in the file name; its first group (or all of it) names the recording."""
    versions_path: Path | None = None
    """Folder that versions are checked out to."""
    augmentation: bool = True
    """Whether the training part is augmented."""
    balance_classes: bool = True
    """Whether rare classes weigh more in training."""

    @field_validator("splits")
    @classmethod
    def _whole(cls, value: dict[str, float]) -> dict[str, float]:
        if set(value) != {"train", "val", "test"} or min(value.values()) <= 0 or abs(sum(value.values()) - 1) > 1e-6:
            raise ValueError("needs train, val and test, each above 0, together 1")
        return value

    @field_validator("group_pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return value


class TrainingSection(_Section):
    epochs: int = Field(100, ge=1)
    """Most epochs of one training."""
    batch_size: int = Field(64, ge=1)
    """Samples of one step."""
    learning_rate: float = Field(0.001, gt=0)
    """Learning rate at the start."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """Optimizer."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay (adamw)."""
    scheduler: Literal["plateau", "cosine", "none"] = "cosine"
    """How the learning rate falls."""
    scheduler_patience: int = Field(7, ge=1)
    """Epochs without improvement before the plateau schedule lowers the rate."""
    early_stopping: bool = True
    """Whether training stops when validation no longer improves."""
    patience: int = Field(30, ge=1)
    """Epochs without improvement before training stops."""
    hidden_units: list[int] | None = None
    """Widths of the head's hidden layers; default: 512, 256, 128, 64 from 1,000 training samples on, below that 512."""
    dropout: list[float] | None = None
    """Dropout after each hidden layer; default: 0.5, 0.4, 0.3, 0.2, or 0.5. Given together with the widths."""
    num_gpus: int = Field(0, ge=0)
    """GPUs to train on; 0 takes the CPU."""
    mixed_precision: bool = False
    """Whether to compute in 16 bits where that is safe."""
    gradient_accumulation: int = Field(1, ge=1)
    """Batches whose gradients are added before one step of the optimizer."""

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        if len(self.hidden_units or []) != len(self.dropout or []):
            raise ValueError("hidden_units and dropout need one value each for every hidden layer")
        return self


class TuningSection(_Section):
    n_trials: int = Field(100, ge=1)
    """Trials of one study."""
    timeout: float | None = Field(3600, gt=0)
    """Seconds after which no new trial begins."""
    pruning: bool = True
    """Whether hopeless trials are stopped early."""
    parallel_trials: int = Field(1, ge=1)
    """Trials at the same time."""


class EvaluationSection(_Section):
    metrics: list[str] = ["accuracy", "macro_f1", "precision", "recall", "f1", "ece"]
    """Metrics that are shown first."""
    benchmark_fps: bool = False
    """Whether speed is measured too."""
    generate_plots: bool = True
    """Whether figures are drawn."""
    bootstrap_samples: int = Field(1000, ge=100)
    """Resamples behind each 95% interval."""
    accuracy_margin: float = Field(0.01, ge=0, le=1)
    """A candidate may be this much less accurate than the champion on the same test part."""
    class_margin: float = Field(0.10, ge=0, le=1)
    """No class's recall may fall by more than this."""


class ABTestingSection(_Section):
    traffic_split: float = Field(0.1, ge=0, le=1)
    """Share of traffic that a candidate gets."""
    duration_hours: float = Field(24, gt=0)
    """Planned length of a test."""
    success_metric: str = "accuracy"
    """The metric that decides."""
    min_samples: int = Field(1000, ge=1)
    """Samples before a decision."""


class RollbackSection(_Section):
    auto_rollback: bool = True
    """Whether a degraded model is taken back by itself."""
    performance_threshold: float = Field(0.95, ge=0, le=1)
    """Least performance, as a share of the baseline."""
    error_rate_threshold: float = Field(0.05, ge=0, le=1)
    """Most errors, as a share of requests."""
    health_check_interval: float = Field(60, gt=0)
    """Seconds between health checks."""


class MlflowSection(_Section):
    tracking_uri: str | None = None
    """Default ``sqlite:///<root>/mlflow.db``."""
    experiment_name: str | None = None
    """Default: the project's name."""
    model_name: str | None = None
    """Name in the registry; default: the project's name."""
    artifact_location: str | None = None
    """Default ``<root>/mlartifacts``; with a tracking server, the server's own."""


class MonitoringSection(_Section):
    dashboard_port: int = Field(8050, ge=0, le=65535)
    """Port of the dashboard."""
    refresh_interval: float = Field(5, gt=0)
    """Seconds between refreshes."""
    alerts: bool = True
    """Whether alerts are sent."""
    email_notifications: bool = False
    """Whether alerts go out by mail."""


class Config(BaseSettings):
    """The whole configuration, frozen. Make it with ``load_config``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, yaml_file_encoding="utf-8"
    )

    project: ProjectSection = ProjectSection()
    sound: SoundSection = SoundSection()
    image: ImageSection = ImageSection()
    storage: StorageSection = StorageSection()
    database: DatabaseSection = DatabaseSection()
    redis: RedisSection = RedisSection()
    serving: ServingSection = ServingSection()
    security: SecuritySection = SecuritySection()
    retraining: RetrainingSection = RetrainingSection()
    data_collection: DataCollectionSection = DataCollectionSection()
    annotation: AnnotationSection = AnnotationSection()
    dataset: DatasetSection = DatasetSection()
    training: TrainingSection = TrainingSection()
    tuning: TuningSection = TuningSection()
    evaluation: EvaluationSection = EvaluationSection()
    ab_testing: ABTestingSection = ABTestingSection()
    rollback: RollbackSection = RollbackSection()
    mlflow: MlflowSection = MlflowSection()
    monitoring: MonitoringSection = MonitoringSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)

    @model_validator(mode="before")
    @classmethod
    def _empty_section_is_default(cls, values: dict[str, Any]) -> dict[str, Any]:
        """A section whose keys are all commented out reads as None; that asks for its defaults."""
        return {name: value for name, value in values.items() if value is not None or name not in cls.model_fields}

    # -- places derived from the settings, so that each has one truth ------------------------------

    @property
    def root(self) -> Path:
        return self.project.root.expanduser().resolve()

    @property
    def blob_folder(self) -> Path:
        return (self.storage.path or self.root / "blobs").expanduser().resolve()

    @property
    def cache_folder(self) -> Path:
        """Holds only what can be made again."""
        return self.root / "cache"

    @property
    def work_folder(self) -> Path:
        """Checkpoints of running jobs."""
        return self.root / "work"

    @property
    def spool_folder(self) -> Path:
        """Records that were acknowledged and wait for the database."""
        return self.root / "spool"

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite:///{self.root / 'ecosight.db'}"

    @property
    def tracking_uri(self) -> str:
        return self.mlflow.tracking_uri or f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def experiment_name(self) -> str:
        return self.mlflow.experiment_name or self.project.name

    @property
    def model_name(self) -> str:
        return self.mlflow.model_name or self.project.name


def load_config(path: Path | str | None = None, **overrides: Any) -> Config:
    """Read and check the configuration.

    Args:
        path: a YAML file; None takes ``config.yaml`` in the current folder if there is one.
        overrides: sections as dicts, stronger than file and environment.
    Raises: ConfigError: names every fault, and for an unknown key the nearest known one.
    """
    file = Path(path) if path is not None else DEFAULT_FILE
    if path is not None and not file.is_file():
        raise ConfigError(f"there is no configuration file {file}", hint="`ecosight init` writes one with comments.")
    faults = _yaml_faults(file) if file.is_file() else []
    faults += _unknown_variables()

    class _Loaded(Config):
        model_config = SettingsConfigDict(yaml_file=file)

    _Loaded.__name__ = _Loaded.__qualname__ = "Config"
    try:
        config = _Loaded(**overrides)
    except ValidationError as error:
        faults += [_describe(each) for each in error.errors()]
        raise _config_error(faults) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:  # not a mapping, or not YAML at all
        if not faults:
            faults = [f"{file}: {error}"]
        raise _config_error(faults) from error
    if faults:
        raise _config_error(faults)
    return config


def _config_error(faults: list[str]) -> ConfigError:
    many = f"{len(faults)} faults in the configuration" if len(faults) > 1 else "a fault in the configuration"
    return ConfigError(
        f"{many}: " + "; ".join(faults),
        hint="docs/configuration.md lists every key; `ecosight init` writes a file with comments.",
        faults=faults,
    )


def _yaml_faults(file: Path) -> list[str]:
    """What pydantic cannot say: broken YAML, a file that is no mapping, a secret in the file."""
    try:
        tree = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return [f"{file} is not YAML: {' '.join(str(error).split())}"]
    if tree is None:
        return []
    if not isinstance(tree, dict):
        return [f"{file} must hold sections with keys, not a {type(tree).__name__}"]
    return [
        f"{section}.{key} holds a password; set {PREFIX}{str(section).upper()}__{str(key).upper()} instead"
        for section, keys in tree.items()
        if isinstance(keys, dict)
        for key, value in keys.items()
        if isinstance(value, str) and "://" in value and _has_password(value)
    ]


def _has_password(url: str) -> bool:
    try:
        return bool(urlsplit(url).password)
    except ValueError:
        return False


def _unknown_variables() -> list[str]:
    """Variables with our prefix whose section does not exist; pydantic passes over them in silence."""
    sections = list(Config.model_fields)
    faults = []
    for variable in sorted(os.environ):
        if variable.upper().startswith(PREFIX):
            section = variable[len(PREFIX) :].split("__")[0].lower()
            if section not in sections:
                faults.append(f"{variable} names no section{_nearest(section, sections)}")
    return faults


def _describe(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg'].removeprefix('Value error, ')} (got {error['input']!r})"
    *parents, key = error["loc"]
    known = _known_keys(parents)
    return f"unknown key {where}{_nearest(str(key), known, '.'.join(map(str, parents)))}"


def _known_keys(parents: list[Any]) -> list[str]:
    model: type[BaseModel] = Config
    for parent in parents:
        annotation = model.model_fields[str(parent)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def _nearest(word: str, known: list[str], parent: str = "") -> str:
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    if near:
        return f", did you mean {parent + '.' if parent else ''}{near[0]}?"
    return f" (known: {', '.join(known)})"
