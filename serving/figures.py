"""What is known about the model, the data and the retrainings, read from the stores; what cannot be read is null."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ecosight.clock import iso
from ecosight.errors import EcosightError
from serving.loaded_model import LoadedModel
from serving.metrics import Metrics
from serving.model_holder import ModelHolder
from serving.parts import ServingParts

__all__ = ["RETRAIN", "Figures"]

RETRAIN = "retrain"
"""The kind of job that retrains."""

T = TypeVar("T")


class Figures:
    """Reads the figures that /status and /metrics show. Blocking; call it off the event loop."""

    def __init__(self, parts: ServingParts, holder: ModelHolder, metrics: Metrics, *, began: float) -> None:
        self._parts, self._holder, self._metrics, self._began = parts, holder, metrics, began

    def status(self) -> dict[str, Any]:
        """What /status answers."""
        unreachable: dict[str, str] = {}
        model, fault = self._holder.current, self._holder.fault
        told = self._told(unreachable)
        return {
            "success": True,
            "ready": model is not None,
            **_model_facts(model),
            "uptime_s": round(time.monotonic() - self._began, 3),
            "accuracy": self._accuracy(model, told, unreachable),
            "counts": {**self._samples(unreachable), **told},
            "retraining": self._retraining(unreachable),
            "registry_fault": fault.as_dict() if fault else None,
            "unreachable": unreachable,
        }

    def metrics(self) -> dict[str, Any]:
        """What /metrics answers in JSON: the model's figures, then the server's."""
        unreachable: dict[str, str] = {}
        model = self._holder.current
        facts = _model_facts(model)
        return {
            "success": True,
            "model": {name: facts[name] for name in ("model_name", "model_version", "model_digest", "engine")},
            "accuracy": self._accuracy(model, self._told(unreachable), unreachable),
            "serving": self._metrics.as_dict(),
            "unreachable": unreachable,
        }

    def _accuracy(
        self, model: LoadedModel | None, told: Mapping[str, int | None], unreachable: dict[str, str]
    ) -> dict[str, Any]:
        """Accuracy on the test part, measured at training, and live, from the truths told since."""
        tested = None if model is None else _read(lambda: self._tested(model), "retrainings", unreachable)
        outcomes, correct = told["outcomes"], told["correct"]
        live = correct / outcomes if outcomes and correct is not None else None
        return {"test": tested, "live": {"value": live, "outcomes": outcomes}}

    def _tested(self, model: LoadedModel) -> dict[str, Any] | None:
        for record in self._parts.retrainings.history(limit=100):
            if record.model_version == model.ref.version and record.model_digest == model.ref.digest:
                return {"accuracy": record.accuracy, "macro_f1": record.macro_f1, "dataset": record.dataset}
        return None

    def _samples(self, unreachable: dict[str, str]) -> dict[str, Any]:
        by_label = _read(self._parts.samples.counts_by_label, "samples", unreachable)
        return {"samples": None if by_label is None else sum(by_label.values()), "samples_by_label": by_label}

    def _told(self, unreachable: dict[str, str]) -> dict[str, int | None]:
        counts = _read(self._parts.predictions.counts, "predictions", unreachable) or {}
        return {name: counts.get(name) for name in ("predictions", "outcomes", "correct")}

    def _retraining(self, unreachable: dict[str, str]) -> dict[str, Any]:
        settings = self._parts.config.retraining
        trigger = _read(self._parts.check_trigger, "trigger", unreachable)
        running = _read(self._unfinished, "jobs", unreachable)
        return {
            "job_id": running,
            "running": running is not None,
            "new_samples": None if trigger is None else trigger[1],
            "threshold": settings.min_new_samples,
            "automatic": settings.automatic,
            "schedule": settings.schedule,
        }

    def _unfinished(self) -> str | None:
        for status in ("running", "queued"):
            if found := self._parts.jobs.jobs(RETRAIN, status, 1):
                return found[0].id
        return None


def _model_facts(model: LoadedModel | None) -> dict[str, Any]:
    if model is None:
        names = ("model_name", "model_version", "model_digest", "embedder", "engine", "loaded_at")
        return {**dict.fromkeys(names), "classes": []}
    embedder = model.servable.info.get("embedder", {})
    return {
        "model_name": model.ref.name,
        "model_version": model.ref.version,
        "model_digest": model.ref.digest,
        "classes": list(model.servable.labels),
        "embedder": embedder.get("name") if isinstance(embedder, dict) else str(embedder),
        "engine": model.servable.engine,
        "loaded_at": iso(model.loaded_at),
    }


def _read(read: Callable[[], T], name: str, unreachable: dict[str, str]) -> T | None:
    try:
        return read()
    except EcosightError as error:
        unreachable[name] = error.message
        return None
