"""Makes the two small real models that the serving tests serve; run as a script, since it needs TensorFlow.

Each is a nearest-mean classifier over the logmel embeddings of synthetic tones, compiled like any trained head.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ecosight.config import load_config
from modalities.sound import SoundModality

sys.path.insert(0, str(Path(__file__).parent))
from sounds import BANDS, tone_wav


def main(folder: Path) -> None:
    modality = SoundModality(load_config(project={"root": str(folder / "root")}))
    for name, labels in {"one": ("low", "mid", "high"), "two": ("low", "mid", "high", "top")}.items():
        clips = [
            (label, tone_wav(BANDS[label], seed=seed, rate=rate))
            for label in labels
            for seed in range(3)
            for rate in (16_000, 44_100, 192_000)
        ]
        head = nearest_mean(modality, labels, clips)
        report = modality.compile_servable(
            head=head,
            temperature=1.0,
            labels=labels,
            examples=[clip for _, clip in clips],
            folder=folder / name,
            facts={"made_for": "tests"},
        )
        assert report.passed, report
    print(json.dumps({"made": True}))


def nearest_mean(modality: SoundModality, labels: tuple[str, ...], clips: list[tuple[str, bytes]]) -> Any:
    embedder = modality.embedder()
    vectors = embedder.embed([clip for _, clip in clips])
    head = modality.build_head(embedder.dimension, len(labels), seed=7, options={"hidden_units": [], "dropout": []})
    head.get_layer("normalization").adapt(vectors)
    scaled = np.asarray(head.get_layer("normalization")(vectors))
    means = np.stack([scaled[[each == label for each, _ in clips]].mean(axis=0) for label in labels])
    head.get_layer("logits").set_weights([0.05 * means.T, -0.025 * (means**2).sum(axis=1)])
    return head


if __name__ == "__main__":
    main(Path(sys.argv[1]))
