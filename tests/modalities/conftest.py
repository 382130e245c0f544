"""Sounds to read, and modalities to read them with."""

from __future__ import annotations

from pathlib import Path

import pytest
from sound_kit import encode, tone

from ecosight.config import Config, SoundSection
from ecosight.seeds import generator
from modalities.sound import SoundModality
from modalities.sound.synthesis import LABELS, make_clip, make_station

FORMATS = (
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAV", "ULAW"),
    ("WAV", "IMA_ADPCM"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"),
    ("MP3", "MPEG_LAYER_III"),
)


@pytest.fixture
def limits() -> SoundSection:
    return SoundSection()


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    """The same 1.5 s in every format."""
    return {f"{kind} {subtype}": encode(tone(1.5, 22_050), 22_050, kind, subtype) for kind, subtype in FORMATS}


@pytest.fixture(scope="session")
def samples() -> list[bytes]:
    """Seven synthetic recordings of different lengths and classes."""
    station = make_station("s", generator(1, "station"))
    return [make_clip(LABELS[n % len(LABELS)], generator(1, n), station) for n in range(7)]


@pytest.fixture(scope="session")
def logmel(tmp_path_factory: pytest.TempPathFactory) -> SoundModality:
    root = tmp_path_factory.mktemp("logmel")
    return SoundModality(Config(project={"root": root}, sound={"embedder": "logmel"}))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def yamnet_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """YAMNet is compiled into it once."""
    return tmp_path_factory.mktemp("yamnet")


@pytest.fixture(scope="session")
def yamnet(yamnet_root: Path, audio_data: Path) -> SoundModality:
    return yamnet_in("float32", yamnet_root, audio_data)


@pytest.fixture(scope="session")
def quick_yamnet(yamnet_root: Path, audio_data: Path) -> SoundModality:
    return yamnet_in("auto", yamnet_root, audio_data)


def yamnet_in(precision: str, root: Path, audio_data: Path) -> SoundModality:
    model = str(audio_data / "yamnet" / "saved_model")
    sound = {"embedder": "yamnet", "yamnet_model": model, "embedding_precision": precision}
    return SoundModality(Config(project={"root": root}, sound=sound))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def real_clips(audio_data: Path) -> list[bytes]:
    """Two clips of each class of ESC-10, and four short digits."""
    folders = sorted((audio_data / "audio" / "esc10" / "dev").iterdir())
    paths = [path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.ogg"))[5:20:14]]
    digits = sorted((audio_data / "audio" / "fsdd" / "dev" / "7").glob("*.wav"))[::60][:4]
    return [path.read_bytes() for path in [*paths, *digits]]
