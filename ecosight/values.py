"""The values that rooms hand to each other: frozen, validated where they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = [
    "Annotation",
    "DatasetRef",
    "DemoSet",
    "MediaInfo",
    "ModelRef",
    "Outcome",
    "ParityReport",
    "Prediction",
    "Sample",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What a modality found out about some bytes by decoding them whole.

    Attributes:
        media_type: IANA type, such as ``audio/wav``.
        size_bytes: length of the bytes.
        details: facts of the modality (``duration_s``, ``sample_rate_hz``, ``channels``, …).
    """

    media_type: str
    size_bytes: int
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One recording or picture, known by its content.

    Attributes:
        id: SHA-256 of the bytes, lower-case hex.
        medium: the modality's name, such as ``sound``.
        captured_at: when the sensor took it, or when it came in; aware, UTC.
        source: where it came from (file name, sensor id, client); shown, never used as a path.
        group: the recording, burst or site that must stay together in one split part.
        size_bytes: length of the bytes.
        label: the accepted label, or None.
        details: facts of the modality (``duration_s``, …).
    """

    id: str
    medium: str
    captured_at: datetime
    source: str
    group: str
    size_bytes: int
    label: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One statement of one annotator about one sample."""

    sample_id: str
    label: str
    annotator: str
    made_at: datetime
    note: str = ""
    model_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRef:
    """One immutable dataset version.

    Attributes:
        name: of the dataset. version: its number; every branch counts on from where it began, so several versions may
            have one number. digest: what machines know it by.
        called: what people find it by when it was read, such as ``main@v3``, ``main@night:v3`` on the branch night, or
            ``main@`` and digits of the digest. Part of no comparison: the version stays the same by any name.
    """

    name: str
    version: int
    digest: str
    called: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.called or f"{self.name}@v{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """One registered model version and the digest of the servable bytes behind it."""

    name: str
    version: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One answer that was given to a client.

    ``key`` is the sticky unit (client key, sensor id or request id); ``variant`` the arm that answered.
    ``probabilities`` maps every label to a probability; they sum to 1.
    """

    id: str
    sample_id: str
    model_version: str
    model_digest: str
    variant: str
    key: str
    label: str
    probabilities: Mapping[str, float]
    latency_ms: float
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The truth about one prediction, told by a person now or days later."""

    prediction_id: str
    truth: str
    told_at: datetime
    annotator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityReport:
    """How far one way of computing a model lies from the reference way, on real samples.

    Attributes:
        reference: what was compared against, such as ``tensorflow`` or ``onnxruntime``.
        engine: what was checked.
        samples: how many real samples were compared.
        max_probability_error: largest absolute difference of any probability.
        changed_labels: samples whose most probable label differs.
        tolerance: the largest probability error that passes.
        passed: no label changed and the error is within the tolerance.
    """

    reference: str
    engine: str
    samples: int
    max_probability_error: float
    changed_labels: int
    tolerance: float
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSet:
    """Labelled files that a modality made for the demo, all of them on disk.

    Attributes:
        start: a folder with a folder for each class, to begin with.
        later: (file, label) of recordings that come in while the first model serves.
        clips: (file, label) of recordings that are only asked about.
        group_pattern: finds the recording's group in a file name.
    """

    start: Path
    later: tuple[tuple[Path, str], ...]
    clips: tuple[tuple[Path, str], ...]
    group_pattern: str
