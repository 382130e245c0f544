"""The verb `errors`: refuses in one sentence what it cannot do, and what it shows comes from real samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from project_kit import TONES_HZ, clip

from dataset.entries import Entry
from ecosight.errors import NoModel
from ecosight.progress import NullProgress
from pipeline import assess
from pipeline.error_review import review_errors


@dataclass
class Guess:
    """Hears every high tone as a middle one, and is sure of it."""

    labels: tuple[str, ...] = tuple(sorted(TONES_HZ))
    digest: str = "d" * 64
    engine: str = "guess"
    info: Mapping[str, Any] = field(default_factory=lambda: {"facts": {"dataset": {"digest": "known"}}})

    def prepare(self, data: bytes) -> bytes:
        return data

    def predict(self, prepared: Any) -> NDArray[np.float32]:
        heard = [np.abs(np.fft.rfft(np.frombuffer(data[44:], np.int16))).argmax() / 0.6 for data in prepared]
        names = ["low" if hz < 500 else "middle" for hz in heard]
        return np.array([[0.9 if label == name else 0.05 for label in self.labels] for name in names], np.float32)

    def warm(self) -> None:
        return None


@dataclass
class Versions:
    """One version, known by its digest, whose training and validation parts hold one recording each."""

    entries: list[Entry]

    def get(self, digest: str) -> Versions:
        assert digest == "known"
        return self

    def part(self, name: str) -> list[Entry]:
        assert name in ("train", "val")
        return [entry for entry in self.entries if entry.group.startswith("high0" if name == "train" else "low0")]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from ecosight.blobs import LocalBlobs
    from ecosight.config import Config
    from modalities.sound import SoundModality

    config = Config()
    blobs = LocalBlobs(tmp_path / "blobs")
    entries = [
        Entry(
            sample_id=blobs.put(clip(label, number)),
            label=label,
            group=f"{label}{number}",
            part="test",
            source=f"{label}-{number}.wav",
            size_bytes=1,
            captured_at=datetime(2026, 5, 1, tzinfo=UTC),
        )
        for label in TONES_HZ
        for number in range(12)
    ]
    monkeypatch.setattr(assess, "find_model", lambda *_: (Guess(), "guess/1"))
    monkeypatch.setattr(assess, "find_data", lambda *_: assess.TestData(entries, blobs, "main@v1/test"))
    return SimpleNamespace(config=config, modality=SoundModality(config), datasets=Versions(entries))


def test_recordings_that_were_heard_wrong_are_on_the_page_and_on_the_list(bench: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = review_errors(bench, model="champion", data="", output=out, most=5, progress=NullProgress())
    assert {Path(file).name for file in told.files} == {"errors.html", "errors.json", "review.csv", "review.json"}
    page = (out / "errors.html").read_text("utf-8")
    assert page.count("data:audio/wav;base64,") >= 5
    assert [(each.truth, each.label, each.count) for each in told.analysis.confusions.frequent] == [
        ("high", "middle", 12)
    ]
    assert [part.name for part in told.analysis.slices.found] == ["class high"]
    assert len(told.analysis.review) == 5
    assert told.analysis.label_errors.trained_on == 1
    assert told.lines()[0] == "guess/1 on main@v1/test"


def test_a_folder_that_is_not_there_is_asked_of_no_registry() -> None:
    for name in ("runs/last", "./model", "../model"):
        with pytest.raises(NoModel, match="there is no model folder"):
            assess.find_model(SimpleNamespace(), name)  # type: ignore[arg-type]
