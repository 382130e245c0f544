"""Owns measuring speed: one fresh process a repeat, turn about where several models are compared."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecosight.config import Config
from ecosight.errors import NotEnoughData, Unavailable, from_dict
from evaluation.speed.child import MEASURED, WANTED
from evaluation.speed.report import BatchSpeed, Ranged, SpeedReport, Timing

if TYPE_CHECKING:
    from ecosight.ports import BlobStore, Progress
    from evaluation.measuring import TestEntry

__all__ = ["Effort", "measure_speed", "samples_for_speed"]

SAMPLES = 48
"""Different files that are asked about; more would not change the figures."""
_PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured.

    Attributes:
        repeats: fresh processes. Each has its own luck with memory and cores, so several tell more than a long one.
        warmup, requests: single requests of each process, untimed and timed; with p99 in mind, some hundreds in all.
        request_seconds: a process stops timing single requests after so long, but not before 20.
        batch_sizes, batch_seconds: sizes of a call, and how long each is called again and again.
    """

    repeats: int = 3
    warmup: int = 10
    requests: int = 200
    request_seconds: float = 3.5
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    batch_seconds: float = 0.25

    @classmethod
    def lasting(cls, seconds: float) -> Effort:
        """About so many seconds a process: seven tenths for single requests, the rest for batches."""
        sizes = cls().batch_sizes
        return cls(request_seconds=0.7 * seconds, batch_seconds=0.3 * seconds / len(sizes))


def samples_for_speed(entries: Sequence[TestEntry], blobs: BlobStore, most: int = SAMPLES) -> list[bytes]:
    """Raw files of a test part, spread evenly over it. Raises: NotEnoughData: it is empty."""
    if not entries:
        raise NotEnoughData("there are no samples to measure speed with", hint="Ingest some, or name another part.")
    count = min(most, len(entries))
    return [blobs.get(entries[k * len(entries) // count].sample_id) for k in range(count)]


def measure_speed(
    folders: Sequence[Path],
    samples: Sequence[bytes],
    config: Config,
    progress: Progress,
    *,
    threads: int | None = 1,
    effort: Effort | None = None,
) -> list[SpeedReport]:
    """Measure servable models with the engine that serves them (``serving.engine``).

    Processes of different models take turns, so that what else happens on the machine meets all of them.

    Args:
        folders: servable artifacts.
        samples: raw files, at least one.
        threads: of one call; 1 as a server has it, None for every core.
        effort: None takes ``evaluation.speed_seconds``.
    Returns: a report for each folder.
    Raises: NotEnoughData: no samples. Unavailable: a process ended without a result. Others: as ``load_servable``.
    """
    effort = effort or Effort.lasting(config.evaluation.speed_seconds)
    if not samples:
        raise NotEnoughData("there are no samples to measure speed with", hint="Give at least one raw file.")
    told: list[list[dict[str, Any]]] = [[] for _ in folders]
    with tempfile.TemporaryDirectory(prefix="ecosight_speed_") as made:
        paths = []
        for number, data in enumerate(samples):
            paths.append(str(Path(made) / f"{number}.sample"))
            Path(paths[-1]).write_bytes(data)
        wanted = asdict(effort) | {"samples": paths, "config": config.model_dump_json(), "threads": threads}
        with progress.task("speed", effort.repeats * len(folders), "processes") as task:
            for _ in range(effort.repeats):
                for folder, own in zip(folders, told, strict=True):
                    model = {"folder": str(folder.resolve()), "engine": config.serving.engine}
                    own.append(_in_fresh_process(Path(made), wanted | model))
                    task.advance(1)
                    progress.checkpoint()
    return [_report(own, threads, len(samples)) for own in told]


def _in_fresh_process(room: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    result = room / MEASURED
    result.unlink(missing_ok=True)
    (room / WANTED).write_text(json.dumps(wanted), "utf-8")
    command = [sys.executable, "-m", "evaluation.speed.child", str(room)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"the speed was not measured within {_PATIENCE_S:.0f} s", hint="Ask for less.") from error
    if done.returncode != 0 or not result.exists():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Unavailable(
            f"the process that measures speed ended with {done.returncode}: {last}",
            hint="Out of memory? Try a smaller largest batch.",
        )
    measured: dict[str, Any] = json.loads(result.read_text("utf-8"))
    if "failed" in measured:
        raise from_dict(measured["failed"])
    return measured


def _report(repeats: list[dict[str, Any]], threads: int | None, samples: int) -> SpeedReport:
    whole = [[a + b for a, b in zip(each["decode_ms"], each["predict_ms"], strict=True)] for each in repeats]
    sizes = list(repeats[0]["batches"])
    return SpeedReport(
        model_digest=repeats[0]["digest"],
        engine=" or ".join(sorted({each["engine"] for each in repeats})),
        threads=threads,
        repeats=len(repeats),
        requests=sum(map(len, whole)),
        samples=samples,
        request=Timing.of(whole),
        decode=Timing.of([each["decode_ms"] for each in repeats]),
        predict=Timing.of([each["predict_ms"] for each in repeats]),
        throughput=tuple(
            BatchSpeed(size=int(size), per_second=Ranged.middle([each["batches"][size] for each in repeats]))
            for size in sizes
        ),
        **{name: Ranged.middle([each[name] for each in repeats]) for name in _MIDDLES},
        machine=repeats[0]["machine"],
    )


_MIDDLES = ("load_s", "before_bytes", "loaded_bytes", "peak_bytes")
