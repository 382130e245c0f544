"""What a server counts: requests, times, batches, predictions, swaps; for people as JSON, for a scraper as text."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS_TYPE
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from serving.batching import BatchFigures
from serving.loaded_model import LoadedModel

__all__ = ["Metrics", "preferred_type"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 5.0, 15.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)
_RECENT = 1024


class Metrics:
    """Counters of one server, in a registry of its own. Thread-safe."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "ecosight_http_requests", "Answers by route and status", ["route", "status"], registry=registry
        )
        self._latency = Histogram(
            "ecosight_http_request_seconds", "Time to the whole answer", ["route"], buckets=_SECONDS, registry=registry
        )
        self._batch_size = Histogram(
            "ecosight_inference_batch_files", "Files of one inference call", buckets=_SIZES, registry=registry
        )
        self._batch_seconds = Histogram(
            "ecosight_inference_seconds", "Time of one inference call", buckets=_SECONDS, registry=registry
        )
        self._batch_failed = Counter(
            "ecosight_inference_failed_files", "Files that the model could not answer", registry=registry
        )
        self._predictions = Counter(
            "ecosight_predictions", "Predictions by label and model version", ["label", "version"], registry=registry
        )
        self._rejected = Counter(
            "ecosight_rejected_requests", "Requests refused for overload (429)", ["route"], registry=registry
        )
        self._uploads = Counter("ecosight_uploads", "Uploaded samples by result", ["status"], registry=registry)
        self._feedback = Counter("ecosight_feedback", "Truths told about predictions", ["correct"], registry=registry)
        self._exposures = Counter(
            "ecosight_rollout_requests", "Requests of a rollout by intended arm", ["arm", "fault"], registry=registry
        )
        self._swaps = Counter("ecosight_model_swaps", "Models swapped in", registry=registry)
        self._model = Gauge(
            "ecosight_model_info", "The model that answers now", ["version", "digest", "engine"], registry=registry
        )
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._routes: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._watched: dict[str, Callable[[], float]] = {}

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """A gauge that is read when somebody looks."""
        Gauge(f"ecosight_{name}", description, registry=self.registry).set_function(value)
        self._watched[name] = value

    def request(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, status).inc()
        latency = self._routes.get(route)
        if latency is None:
            latency = self._routes[route] = self._latency.labels(route)
        latency.observe(seconds)
        if status == 429:
            self._rejected.labels(route).inc()
        if route == "/predict" and status == 200:
            self._recent.append(seconds)

    def batch(self, figures: BatchFigures) -> None:
        self._batch_size.observe(figures.size)
        self._batch_seconds.observe(figures.seconds)
        self._batch_failed.inc(figures.failed)

    def prediction(self, label: str, version: str) -> None:
        self._predictions.labels(label, version).inc()

    def exposure(self, arm: str, fault: str) -> None:
        self._exposures.labels(arm, fault or "none").inc()

    def upload(self, status: str) -> None:
        self._uploads.labels(status).inc()

    def feedback(self, *, correct: bool) -> None:
        self._feedback.labels(str(correct).lower()).inc()

    def swap(self, model: LoadedModel) -> None:
        self._swaps.inc()
        with self._lock:
            self._model.clear()
            self._model.labels(model.ref.version, model.ref.digest[:12], model.servable.engine).set(1)

    def as_text(self, media_type: str) -> tuple[bytes, str]:
        """The exposition for a scraper, and its content type."""
        # prometheus_client leaves parts of itself without types.
        if media_type == "application/openmetrics-text":
            return bytes(generate_openmetrics(self.registry)), OPENMETRICS_TYPE  # type: ignore[no-untyped-call]
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def as_dict(self) -> dict[str, Any]:
        """The same figures for people; times in milliseconds, of the last 1,024 answers of /predict."""
        counts = _values(self._requests)
        return {
            "requests": [{**labels, "status": int(labels["status"]), "count": int(n)} for labels, n in counts],
            "predictions_by_label": _by(self._predictions, "label"),
            "predictions_by_version": _by(self._predictions, "version"),
            "rejected_429": sum(int(n) for _, n in _values(self._rejected)),
            "uploads": _by(self._uploads, "status"),
            "feedback_correct": _by(self._feedback, "correct"),
            "swaps": int(_total(self._swaps)),
            "latency_ms": _quantiles([*self._recent]),
            "inference": self._inference(),
            **{name: value() for name, value in self._watched.items()},
        }

    def _inference(self) -> dict[str, Any]:
        calls, files = _sum_of(self._batch_size)
        _, seconds = _sum_of(self._batch_seconds)
        return {
            "calls": int(calls),
            "files": int(files),
            "failed_files": int(_total(self._batch_failed)),
            "mean_batch": round(files / calls, 2) if calls else None,
            "mean_call_ms": round(1000 * seconds / calls, 2) if calls else None,
        }


def preferred_type(accept: str) -> str:
    """What an Accept header asks of /metrics: application/json, text/plain or application/openmetrics-text.

    The highest quality wins, then the first; anything else, and no header, means JSON.
    """
    known = {"application/json", "text/plain", "application/openmetrics-text"}
    best, best_quality = "application/json", 0.0
    for each in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in each.split(";"))
        quality = next((_quality(part[2:]) for part in parameters if part.startswith("q=")), 1.0)
        if kind in known and quality > best_quality:
            best, best_quality = kind, quality
    return best


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _values(counter: Counter) -> list[tuple[dict[str, str], float]]:
    return [
        (each.labels, each.value)
        for family in counter.collect()
        for each in family.samples
        if each.name.endswith("_total")
    ]


def _by(counter: Counter, label: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for labels, value in _values(counter):
        found[labels[label]] = found.get(labels[label], 0) + int(value)
    return found


def _total(counter: Counter) -> float:
    return sum(value for _, value in _values(counter))


def _sum_of(histogram: Histogram) -> tuple[float, float]:
    samples = {each.name.rsplit("_", 1)[-1]: each.value for family in histogram.collect() for each in family.samples}
    return samples["count"], samples["sum"]


def _quantiles(seconds: list[float]) -> dict[str, float | None]:
    ordered = sorted(seconds)
    names = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    if not ordered:
        return dict.fromkeys(names)
    return {name: round(1000 * ordered[int(share * (len(ordered) - 1))], 2) for name, share in names.items()}
