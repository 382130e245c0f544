"""Owns the report of a speed measurement: its figures with their spread over repeats, as JSON, metrics and lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from ecosight.errors import InvalidInput
from evaluation.reading import checked

__all__ = ["PERCENTILES", "BatchSpeed", "Ranged", "SpeedReport", "Timing", "speed_lines"]

FORMAT = 1
PERCENTILES = (50, 95, 99)
_MB = 1e6
_SHOWN = ("numpy", "onnxruntime", "openvino", "tensorflow", "torch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranged:
    """A figure, with the least and the greatest of the repeats' own."""

    value: float
    low: float
    high: float

    @classmethod
    def middle(cls, values: Sequence[float]) -> Ranged:
        """The median of what the repeats gave."""
        from statistics import median

        return cls(value=float(median(values)), low=float(min(values)), high=float(max(values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long one thing takes, in milliseconds: percentiles over all requests, and of each repeat by itself.

    A percentile is a time that occurred: the least one that at least so many of a hundred did not exceed.
    """

    p50: Ranged
    p95: Ranged
    p99: Ranged
    mean: Ranged

    @classmethod
    def of(cls, repeats: Sequence[Sequence[float]]) -> Timing:
        """From the times of every repeat, in milliseconds."""
        import numpy as np

        every = np.concatenate([np.asarray(each) for each in repeats])

        def ranged(tell: Any) -> Ranged:
            own = [float(tell(np.asarray(each))) for each in repeats]
            return Ranged(value=float(tell(every)), low=min(own), high=max(own))

        named = {
            f"p{q}": ranged(lambda times, q=q: np.percentile(times, q, method="inverted_cdf")) for q in PERCENTILES
        }
        return cls(**named, mean=ranged(np.mean))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSpeed:
    """Samples a second when ``size`` decoded samples go into one call."""

    size: int
    per_second: Ranged


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedReport:
    """How fast a servable model answers on one machine.

    Attributes:
        engine, threads: what computed, with how many threads a call; a server makes one-threaded calls side by side.
        repeats, requests, samples: fresh processes, timed single requests in all, and different files among them.
        request: from raw bytes to the answer, one at a time. decode, predict: its two halves.
        throughput: by the size of a batch, of ``predict`` alone.
        load_s: seconds from nothing to the first right answer, the engine's libraries included.
        before_bytes, loaded_bytes, peak_bytes: resident memory before loading, after it, and at most.
        machine: see ``describe_machine``.
    """

    model_digest: str
    engine: str
    threads: int | None
    repeats: int
    requests: int
    samples: int
    request: Timing
    decode: Timing
    predict: Timing
    throughput: tuple[BatchSpeed, ...]
    load_s: Ranged
    before_bytes: Ranged
    loaded_bytes: Ranged
    peak_bytes: Ranged
    machine: Mapping[str, Any]

    @property
    def fps(self) -> Ranged:
        """Samples a second from raw bytes, one after the other."""
        mean = self.request.mean
        return Ranged(value=1e3 / mean.value, low=1e3 / mean.high, high=1e3 / mean.low)

    def as_dict(self) -> dict[str, Any]:
        """The report as a JSON object."""
        plain = asdict(self) | {"format": FORMAT, "fps": asdict(self.fps)}
        plain["throughput"] = [asdict(each) for each in self.throughput]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """What ``as_dict`` gave. Raises: InvalidInput: it is no report, or of another format."""
        try:
            fields = {name: value for name, value in plain.items() if name not in ("format", "fps")}
            if plain["format"] != FORMAT:
                raise InvalidInput(f"the speed report has format {plain['format']}, this EcoSight reads {FORMAT}")
            for name in ("request", "decode", "predict"):
                fields[name] = Timing(**{key: Ranged(**value) for key, value in fields[name].items()})
            for name in ("load_s", "before_bytes", "loaded_bytes", "peak_bytes"):
                fields[name] = Ranged(**fields[name])
            fields["throughput"] = tuple(
                BatchSpeed(size=each["size"], per_second=Ranged(**each["per_second"])) for each in fields["throughput"]
            )
            return checked(cls(**fields))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InvalidInput(f"this is no speed report: {error!r}") from error

    def metrics(self) -> dict[str, float]:
        """Name -> value: ``speed/latency_p99_ms``, ``speed/throughput_8``, ``speed/fps``, …"""
        named = {
            f"speed/{told}_p{q}_ms": getattr(getattr(self, name), f"p{q}").value
            for told, name in (("latency", "request"), ("decode", "decode"), ("predict", "predict"))
            for q in PERCENTILES
        }
        named |= {f"speed/throughput_{each.size}": each.per_second.value for each in self.throughput}
        memory = {"before": self.before_bytes, "loaded": self.loaded_bytes, "peak": self.peak_bytes}
        named |= {f"speed/memory_{name}_mb": ranged.value / _MB for name, ranged in memory.items()}
        return named | {"speed/fps": self.fps.value, "speed/load_s": self.load_s.value}


def speed_lines(report: SpeedReport) -> list[str]:
    """The report for people; in brackets the least and the greatest of the repeats."""
    threads = "all cores" if report.threads is None else f"{report.threads} thread{'s' * (report.threads != 1)} a call"
    lines = [
        f"{report.requests} single requests over {report.samples} files in {report.repeats} fresh processes, "
        f"{report.engine}, {threads}; in brackets the least and greatest of the processes",
        f"  {'ms':18} {'p50':22}{'p95':22}{'p99':22}",
    ]
    for told, timing in (("bytes to answer", report.request), ("decode", report.decode), ("predict", report.predict)):
        lines.append(f"  {told:18} " + "".join(f"{_told(getattr(timing, f'p{q}')):22}" for q in PERCENTILES))
    lines.append(f"  {'samples/s':18} {_told(report.fps)} from bytes, one at a time")
    lines += [f"  {f'batch of {each.size}':18} {_told(each.per_second)}" for each in report.throughput]
    lines.append(f"  {'load, s':18} {_told(report.load_s)}")
    for told, memory in (("before", report.before_bytes), ("loaded", report.loaded_bytes), ("peak", report.peak_bytes)):
        in_mb = Ranged(value=memory.value / _MB, low=memory.low / _MB, high=memory.high / _MB)
        lines.append(f"  {f'memory {told}, MB':18} {_told(in_mb)}")
    return [*lines, f"  on {machine_line(report.machine)}"]


def machine_line(machine: Mapping[str, Any]) -> str:
    """The machine in one line."""
    libraries = machine["libraries"]
    parts = [
        f"{machine['processor']}, {machine['cores_usable']} of {machine['cores']} cores",
        f"limited to {machine['cpu_limit']} cores" if machine["cpu_limit"] else "",
        f"{machine['memory_bytes'] / 2**30:.1f} GiB",
        machine["system"],
        f"governor {machine['governor'] or 'unknown'}",
        f"load {machine['load_1min']}" if machine["load_1min"] is not None else "",
        f"Python {machine['python']}",
        *(f"{name} {libraries[name]}" for name in _SHOWN if name in libraries),
    ]
    return ", ".join(part for part in parts if part)


def _told(figure: Ranged) -> str:
    return f"{_short(figure.value)} [{_short(figure.low)}, {_short(figure.high)}]"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
