"""Small sources as tools write them: text files, sounds and pictures, each in a line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset.readers import Survey
from dataset.reading import survey

MEDIA = frozenset({".wav", ".ogg", ".jpg", ".png"})


class Layout:
    """A folder that a test fills."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, content: str | dict[str, Any] | list[Any] = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    def sound(self, name: str, seconds: float = 1.0, *, rate: int = 8000, seed: int = 0) -> Path:
        import soundfile

        path = self.write(name)
        noise = np.random.default_rng(seed).integers(-9000, 9000, round(rate * seconds)).astype(np.int16)
        soundfile.write(path, noise, rate)
        return path

    def picture(self, name: str, width: int = 40, height: int = 30, *, seed: int = 0) -> Path:
        from PIL import Image

        path = self.write(name)
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)).save(path)
        return path

    def read(self, name: str = "", **options: Any) -> Survey:
        return survey(self.root / name if name else self.root, MEDIA, **options)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "source").mkdir()
    return Layout(tmp_path / "source")


@pytest.fixture
def esc50(layout: Layout) -> Layout:
    """Real clips of three classes and three folds in ESC-50's layout."""
    folder = os.environ.get("ECOSIGHT_DATA")
    if not folder:
        pytest.skip("ECOSIGHT_DATA names no folder of real recordings")
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    (layout.root / "audio").mkdir()
    for target, category in enumerate(("dog_bark", "rain", "rooster")):
        for fold in "123":
            clips = sorted(Path(folder, "audio/esc10/dev", category).glob(f"{fold}-*.ogg"))[:2]
            for clip in clips:
                (layout.root / "audio" / clip.name).symlink_to(clip)
                _, source, take = clip.stem.split("-")
                rows.append(f"{clip.name},{fold},{target},{category},True,{source},{take}")
    layout.write("meta/esc50.csv", "\n".join(rows) + "\n")
    return layout
