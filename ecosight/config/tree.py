"""The whole tree of settings, and the places derived from them, so that each has one truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from ecosight.config.learning import EvaluationSection, RetrainingSection, TrainingSection, TuningSection
from ecosight.config.operating import (
    ABTestingSection,
    MonitoringSection,
    RollbackSection,
    SecuritySection,
    ServingSection,
)
from ecosight.config.places import DatabaseSection, MlflowSection, ProjectSection, RedisSection, StorageSection
from ecosight.config.samples import AnnotationSection, DataCollectionSection, DatasetSection, ImageSection, SoundSection

__all__ = ["PREFIX", "Config"]

PREFIX = "ECOSIGHT__"
"""Begins the name of every variable that is stronger than the file."""


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
