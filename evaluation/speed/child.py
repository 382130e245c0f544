"""The fresh process of a speed measurement: loads one model as a server would, and times it.

    python -m evaluation.speed.child FOLDER

reads what is wanted from ``FOLDER/wanted.json`` and leaves ``FOLDER/measured.json``. Imports little before it looks at
its memory, so that what the model takes is the model's.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecosight.ports import Servable

__all__ = ["WANTED", "MEASURED", "main"]

WANTED, MEASURED = "wanted.json", "measured.json"
LEAST_REQUESTS = 20
"""So many are timed however slow the model is."""


def main(folder: Path) -> None:
    """Measure what is wanted, and write it down; an error of ours is written down too."""
    from ecosight.errors import EcosightError

    wanted = json.loads((folder / WANTED).read_text("utf-8"))
    try:
        measured = _measure(wanted, [Path(each).read_bytes() for each in wanted["samples"]])
    except EcosightError as error:
        measured = {"failed": error.as_dict()}
    (folder / MEASURED).write_text(json.dumps(measured), "utf-8")


def _measure(wanted: dict[str, Any], samples: list[bytes]) -> dict[str, Any]:
    from ecosight.config import Config
    from ecosight.plugins import open_modality
    from evaluation.speed.machine import describe_machine, peak_bytes, resident_bytes

    config = Config.model_validate_json(wanted["config"])
    before, began = resident_bytes(), time.perf_counter()
    modality = open_modality(config)
    servable = modality.load_servable(Path(wanted["folder"]), engine=wanted["engine"], threads=wanted["threads"])
    servable.warm()
    load_s, loaded = time.perf_counter() - began, resident_bytes()
    decode_ms, predict_ms = _single(servable, samples, wanted)
    batches = _batches(servable, samples, wanted)
    return {
        "digest": servable.digest,
        "engine": servable.engine,
        "load_s": load_s,
        "before_bytes": before,
        "loaded_bytes": loaded,
        "peak_bytes": peak_bytes(),
        "decode_ms": decode_ms,
        "predict_ms": predict_ms,
        "batches": batches,
        "machine": describe_machine(),
    }


def _single(servable: Servable, samples: Sequence[bytes], wanted: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Milliseconds of decoding and of predicting, one request after the other."""
    clock = time.perf_counter
    for number in range(wanted["warmup"]):
        servable.predict([servable.prepare(samples[number % len(samples)])])
    decode_ms: list[float] = []
    predict_ms: list[float] = []
    began = clock()
    for number in range(wanted["requests"]):
        if number >= LEAST_REQUESTS and clock() - began > wanted["request_seconds"]:
            break
        start = clock()
        prepared = servable.prepare(samples[number % len(samples)])
        decoded = clock()
        servable.predict([prepared])
        done = clock()
        decode_ms.append(1e3 * (decoded - start))
        predict_ms.append(1e3 * (done - decoded))
    return decode_ms, predict_ms


def _batches(servable: Servable, samples: Sequence[bytes], wanted: dict[str, Any]) -> dict[str, float]:
    """Samples a second by batch size: all samples over all time, after one call that does not count."""
    clock = time.perf_counter
    prepared = [servable.prepare(each) for each in samples]
    found = {}
    for size in wanted["batch_sizes"]:
        times: list[float] = []
        next_one, began = 0, clock()
        while len(times) < 4 or clock() - began < wanted["batch_seconds"]:
            # Every file in turn, so that small batches see long and short ones as large batches do.
            batch = [prepared[(next_one + k) % len(prepared)] for k in range(size)]
            next_one += size
            start = clock()
            servable.predict(batch)
            times.append(clock() - start)
        found[str(size)] = size * len(times[1:]) / sum(times[1:])
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
