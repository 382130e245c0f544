"""Configuration: config.yaml, then the environment over it; every fault told at once.

Values come from (strongest first) keyword arguments, ``ECOSIGHT__SECTION__KEY`` variables, the YAML file,
and the defaults below, with which everything works offline on one machine.
Secrets are read from the environment only and are no part of this tree.
"""

from __future__ import annotations

from ecosight.config.learning import EvaluationSection, RetrainingSection, TrainingSection, TuningSection
from ecosight.config.loading import load_config
from ecosight.config.operating import (
    ABTestingSection,
    MonitoringSection,
    RollbackSection,
    SecuritySection,
    ServingSection,
)
from ecosight.config.places import DatabaseSection, MlflowSection, ProjectSection, RedisSection, StorageSection
from ecosight.config.samples import AnnotationSection, DataCollectionSection, DatasetSection, ImageSection, SoundSection
from ecosight.config.tree import PREFIX, Config

__all__ = [
    "Config",
    "load_config",
    "PREFIX",
    "ABTestingSection",
    "AnnotationSection",
    "DataCollectionSection",
    "DatabaseSection",
    "DatasetSection",
    "EvaluationSection",
    "ImageSection",
    "MlflowSection",
    "MonitoringSection",
    "ProjectSection",
    "RedisSection",
    "RetrainingSection",
    "RollbackSection",
    "SecuritySection",
    "ServingSection",
    "SoundSection",
    "StorageSection",
    "TrainingSection",
    "TuningSection",
]
