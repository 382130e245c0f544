"""Embedding a folder of clips: the usual way, cold, and again from the cache; one run, ratios.

    python benchmarks/embedding.py --data RECORDINGS --yamnet SAVED_MODEL

The usual way is librosa.load and one YAMNet call a clip in TensorFlow. Each way runs in a process of its own, after a
warm-up clip, so that nobody pays for another's start. The ways take turns, and the best round of each counts: whatever
else runs on the machine can only make one slower. ``float32`` is the cold way without bfloat16.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = ("usual", "float32", "cold", "cached")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.environ.get("ECOSIGHT_DATA", "")
    parser.add_argument("--data", type=Path, default=Path(root, "audio/esc10/dev"))
    parser.add_argument("--yamnet", default=str(Path(root, "yamnet/saved_model")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    files = sorted(path for path in arguments.data.rglob("*") if path.suffix in (".ogg", ".wav", ".mp3", ".flac"))
    if arguments.way:
        print(json.dumps(_run(arguments.way, files, arguments.yamnet, arguments.cache)))
        return
    seconds = dict.fromkeys(WAYS, float("inf"))
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as cache:
            for way in WAYS:
                seconds[way] = min(seconds[way], _in_a_process(way, arguments, cache))
    print(f"{len(files)} clips")
    for way in WAYS:
        rate, ratio = len(files) / seconds[way], seconds["usual"] / seconds[way]
        print(f"{way:8} {seconds[way]:8.3f} s  {rate:9.1f} clips/s  {ratio:7.1f}x the usual way")


def _in_a_process(way: str, arguments: argparse.Namespace, cache: str) -> float:
    command = [sys.executable, __file__, "--way", way, "--cache", cache]
    command += ["--data", str(arguments.data), "--yamnet", arguments.yamnet]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def _run(way: str, files: list[Path], yamnet: str, cache: Path) -> float:
    if way == "usual":
        return _usual(files, yamnet)
    return _ours(files, yamnet, cache, cached=way == "cached", precision="float32" if way == "float32" else "auto")


def _usual(files: list[Path], yamnet: str) -> float:
    import librosa
    import tensorflow as tf

    model = tf.saved_model.load(yamnet)

    def embed(path: Path) -> object:
        waveform, _ = librosa.load(path, sr=16000, mono=True)
        return model(waveform)[1].numpy().mean(axis=0)

    embed(files[0])
    began = time.perf_counter()
    for path in files:
        embed(path)
    return time.perf_counter() - began


def _ours(files: list[Path], yamnet: str, cache: Path, *, cached: bool, precision: str) -> float:
    from ecosight.blobs import LocalBlobs
    from ecosight.config import load_config
    from ecosight.progress import NullProgress
    from modalities.sound import SoundModality
    from training.features import FeatureStore

    sound = {"embedder": "yamnet", "yamnet_model": yamnet, "embedding_precision": precision}
    config = load_config(project={"root": str(cache)}, sound=sound)
    embedder = SoundModality(config).embedder()
    blobs = LocalBlobs(cache / "blobs")
    ids = [blobs.put(path.read_bytes()) for path in files]
    if not cached:
        embedder.embed([files[0].read_bytes()])
    store = FeatureStore(cache / "features", embedder, blobs)
    began = time.perf_counter()
    store.features(ids, NullProgress())
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
