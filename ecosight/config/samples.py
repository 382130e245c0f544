"""Sections about samples: what may be read, which are kept and labelled, how they become a dataset."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from ecosight.config.section import Section

__all__ = ["SoundSection", "ImageSection", "DataCollectionSection", "AnnotationSection", "DatasetSection"]


class SoundSection(Section):
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


class ImageSection(Section):
    max_bytes: int = Field(32 * 2**20, ge=1)
    """Largest picture that is read."""


class DataCollectionSection(Section):
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


class AnnotationSection(Section):
    auto_label: bool = True
    """Whether a model labels first."""
    auto_label_threshold: float = Field(0.8, ge=0, le=1)
    """Least confidence of an automatic label."""
    require_review: bool = True
    """Whether a person looks at uncertain labels."""
    consensus_threshold: float = Field(0.8, ge=0, le=1)
    """Agreement that several annotators must reach."""


class DatasetSection(Section):
    name: str = Field("main", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """Name of the dataset whose versions are trained on."""
    splits: dict[Literal["train", "val", "test"], float] = Field({"train": 0.72, "val": 0.13, "test": 0.15})
    """Shares of the parts; whole groups are placed, so they hold approximately."""
    group_pattern: str | None = None
    """Regular expression searched in the file name; its first group (or all of it) names the recording."""
    near_duplicates: bool = True
    """Whether commits look for near-duplicates, so that copies stay on one side; if not, each version tells so."""
    versions_path: Path | None = None
    """Folder that versions are checked out to."""
    augmentation: bool = True
    """Whether the training part is augmented."""
    augmentation_variants: int = Field(2, ge=0, le=100)
    """Varied copies of each training sample that a training learns from."""
    augmentation_techniques: list[str] | None = None
    """Techniques taken in turn, ``a/b`` draws one of two; default: those of the kind of sample."""
    mixup: float = Field(0.0, ge=0, le=10)
    """Alpha of mixup: rows of a batch are mixed, and so are their labels; 0 is none, 0.1 to 0.4 is usual."""
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
