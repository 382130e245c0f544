"""Compiles a real sound model, untrained, into argv[1]; a script of its own, since it needs TensorFlow."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import soundfile

from ecosight.config import load_config
from modalities.sound import SoundModality


def wav(hertz: float) -> bytes:
    seconds = np.arange(16_000) / 16_000
    file = io.BytesIO()
    soundfile.write(file, 0.3 * np.sin(2 * np.pi * hertz * seconds), 16_000, format="WAV")
    return file.getvalue()


def main(folder: Path) -> None:
    modality = SoundModality(load_config(project={"root": str(folder / "root")}))
    embedder = modality.embedder()
    clips = [wav(hertz) for hertz in (220, 440, 1760)]
    head = modality.build_head(embedder.dimension, 2, seed=7, options={"hidden_units": [8], "dropout": [0.1]})
    head.get_layer("normalization").adapt(embedder.embed(clips))
    report = modality.compile_servable(
        head=head,
        temperature=1.5,
        labels=("low", "high"),
        examples=clips,
        folder=folder / "model",
        facts={"dataset": "main@v1"},
    )
    assert report.passed, report


if __name__ == "__main__":
    main(Path(sys.argv[1]))
