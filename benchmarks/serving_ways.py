"""What the serving benchmark compares, each in a process of its own:

python benchmarks/serving_ways.py model FOLDER YAMNET CLIP...    trains, compiles and registers a model
python benchmarks/serving_ways.py plain FOLDER YAMNET PORT       the usual endpoint over the same head
python benchmarks/serving_ways.py engine FOLDER ENGINE CLIP...   the bare engine in process, no HTTP
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CHAMPION = "champion"


def main() -> None:
    way, folder = sys.argv[1], Path(sys.argv[2])
    clips = [Path(name) for name in sys.argv[4:]]
    if way == "model":
        make_model(folder, clips)
    else:
        print(json.dumps(engine_rates(folder, sys.argv[3], clips)))


def make_model(folder: Path, clips: list[Path]) -> None:
    """A head over YAMNet that was fitted for a moment, compiled, and registered as champion of the project there."""
    import keras
    import numpy as np

    from ecosight.config import load_config
    from mlflow_integration.registry import ModelRegistry
    from mlflow_integration.tracker import MLflowTracker
    from modalities.sound import SoundModality

    config = load_config(folder / "config.yaml")
    config.root.mkdir(parents=True, exist_ok=True)
    modality = SoundModality(config)
    labels = tuple(sorted({path.parent.name for path in clips}))
    data = [path.read_bytes() for path in clips]
    vectors = modality.embedder().embed(data)
    truth = np.array([labels.index(path.parent.name) for path in clips])
    head = modality.build_head(vectors.shape[1], len(labels), seed=7, options={})
    head.get_layer("normalization").adapt(vectors)
    head.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    head.fit(vectors, truth, epochs=10, verbose=0)
    head.save(folder / "head.keras")
    (folder / "labels.json").write_text(json.dumps(labels))
    artifact = folder / "artifact"
    modality.compile_servable(
        head=head, temperature=1.0, labels=labels, examples=data[::8], folder=artifact, facts={"made_for": "benchmark"}
    )
    tracker = MLflowTracker(config.tracking_uri, config.experiment_name, artifact_location=(folder / "mlruns").as_uri())
    registry = ModelRegistry(config.tracking_uri, config.model_name, config.cache_folder)
    with tracker.start_run("benchmark") as run:
        ref = registry.register(artifact, run_id=run.id)
    registry.set_alias(CHAMPION, ref)


def engine_rates(folder: Path, engine: str, clips: list[Path]) -> dict[str, Any]:
    """Clips a second from bytes to probabilities in process, by how the work is laid out; the best is the mark."""
    from ecosight.config import load_config
    from modalities.sound import SoundModality

    servable = SoundModality(load_config(folder / "config.yaml")).load_servable(folder / "artifact", engine=engine)
    servable.warm()
    data = [path.read_bytes() for path in clips]
    layouts: dict[str, Callable[[], None]] = {
        "decode 16, then infer 16": lambda: _in_turns(servable, data, 16),
        "decode 32, then infer 32": lambda: _in_turns(servable, data, 32),
        "decoding beside inference, up to 8": lambda: _side_by_side(servable, data, 8),
        "a thread a core, clip by clip": lambda: _clip_by_clip(servable, data),
    }
    rates = {}
    for name, run in layouts.items():
        run()
        rates[name] = 0.0
        for _ in range(3):
            began = time.perf_counter()
            run()
            rates[name] = max(rates[name], len(data) / (time.perf_counter() - began))
    return {"engine": servable.engine, "best": max(rates.values()), "layouts": rates}


def _in_turns(servable: Any, data: list[bytes], size: int) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(data), size):
            servable.predict(list(pool.map(servable.prepare, data[start : start + size])))


def _clip_by_clip(servable: Any, data: list[bytes]) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda each: servable.predict([servable.prepare(each)]), data))


def _side_by_side(servable: Any, data: list[bytes], size: int) -> None:
    ready: queue.Queue[Any] = queue.Queue(64)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        threading.Thread(target=lambda: [pool.submit(lambda e=e: ready.put(servable.prepare(e))) for e in data]).start()
        done = 0
        while done < len(data):
            batch = [ready.get()]
            while len(batch) < size and not ready.empty():
                batch.append(ready.get())
            servable.predict(batch)
            done += len(batch)


if __name__ == "__main__":
    main()
