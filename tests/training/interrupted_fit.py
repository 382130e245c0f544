"""A script for test_fitting: fits one head in processes that are killed again and again, and prints what happened.

TensorFlow is imported once; every attempt is a fork of that process, so that many kills cost little.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import keras
import numpy as np

from ecosight.progress import NullProgress
from ecosight.seeds import generator
from modalities.sound.head import build_head
from training.checkpoints import CheckpointManager
from training.devices import make_repeatable
from training.fitting import FitSettings, fit_head

IMPORTED = keras
"""With TensorFlow behind it: what every attempt would import happens once, before the forks."""
SETTINGS = FitSettings(epochs=24, batch_size=16, scheduler_patience=2, patience=9, learning_rate=0.003)


class Reporting(NullProgress):
    """Writes one byte after each epoch, so that the parent knows how far the child is."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def checkpoint(self) -> None:
        os.write(self._pipe, b".")


def fit(folder: Path, pipe: int) -> None:
    rng = generator(3, "data")
    centres = rng.normal(size=(3, 12))
    y = rng.integers(0, 3, 120)
    x = (centres[y] + rng.normal(0, 1.5, (120, 12))).astype(np.float32)
    make_repeatable(11)
    model = build_head(12, 3, seed=11, options={"hidden_units": [32, 16], "dropout": [0.5, 0.3]})
    parts = (x[:90], y[:90], x[90:], y[90:])
    result = fit_head(
        model,
        *parts,
        settings=SETTINGS,
        seed=11,
        checkpoints=CheckpointManager(folder / "checkpoints"),
        progress=Reporting(pipe),
    )
    arrays = {str(i): each.numpy() for i, each in enumerate(model.variables)}
    np.savez(folder / "weights.npz", **arrays)
    summary = {"history": result.history, "best_epoch": result.best_epoch, "resumed_from": result.resumed_from}
    (folder / "summary.json").write_text(json.dumps(summary))


def attempt(folder: Path, kill_after: tuple[int, float] | None) -> bool:
    """Fork and fit; kill the child so many seconds after so many epochs. True if it ended by itself."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 1
        try:
            fit(folder, writing)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    if kill_after is not None:
        epochs, seconds = kill_after
        for _ in range(epochs):
            if not os.read(reading, 1):
                break
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(reading)
    assert os.WIFSIGNALED(status) or status == 0, status
    return status == 0


if __name__ == "__main__":
    root, kills = Path(sys.argv[1]), int(sys.argv[2])
    dice = random.Random(int(sys.argv[3]))
    whole, torn = root / "whole", root / "torn"
    whole.mkdir()
    torn.mkdir()
    assert attempt(whole, None)
    killed = 0
    for _ in range(kills):
        if attempt(torn, (dice.randint(1, 5), dice.uniform(0, 0.05))):
            break
        killed += 1
    attempt(torn, None)
    print(json.dumps({"killed": killed}))
