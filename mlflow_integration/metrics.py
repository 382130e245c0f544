"""Parameters and metrics of a run, in as few calls as MLflow's limits allow, each step once."""

from __future__ import annotations

import json
import math
import posixpath
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ecosight.errors import Conflict, InvalidInput
from ecosight.logs import get_logger
from mlflow_integration.runs import TrackedRun

__all__ = ["MetricsLogger"]

LONGEST_NAME = 250
LONGEST_PARAM = 6000
INFINITE_TAG = "ecosight.infinite_metrics"
LONG_PARAMS_FILE = "params_in_full.json"

Point = tuple[str, int, float]


class MetricsLogger:
    """Writes into one run. Not thread-safe, as the run.

    Names keep letters, digits, ``_ - . : /`` and spaces; anything else becomes ``_``, as MLflow demands.
    NaN is recorded as NaN. An infinity, which MLflow would show as 1.8e308, is recorded as NaN, and the run's
    tag ``ecosight.infinite_metrics`` says where. None stands for a step without a value and is left out.
    In a run that was taken up again, a step that is there already is not written a second time.
    """

    def __init__(self, run: TrackedRun) -> None:
        self._run = run

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters; containers as JSON, everything else as text.

        A text above 6,000 characters is cut, and stands in full in the artifact ``params_in_full.json``.
        Raises: Conflict: the run holds another value of a parameter. InvalidInput: a name is unusable.
        """
        texts = {name: _text(params[original]) for name, original in _names(params).items()}
        short = {
            name: text if len(text) <= LONGEST_PARAM else text[: LONGEST_PARAM - 1] + "…"
            for name, text in texts.items()
        }
        known = self._run.params
        if changed := sorted(name for name, text in short.items() if known.get(name, text) != text):
            shown = ", ".join(f"{name}: {known[name]!r}, now {short[name]!r}" for name in changed[:3])
            raise Conflict(
                f"a run's parameters cannot change ({shown})",
                hint="Start another run, or finish this one with the settings it began with.",
                params=changed,
            )
        fresh = {name: text for name, text in short.items() if name not in known}
        if long := {name: texts[name] for name in fresh if texts[name] != short[name]}:
            with self._run.connection.talking() as client:
                client.log_dict(self._run.run_id, long, LONG_PARAMS_FILE)
        self._write_params(fresh)
        known.update(fresh)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record one value of each metric.

        Args:
            step: None: 0.
        Raises: InvalidInput: a value is no number, or a name is unusable.
        """
        self._write([(name, step or 0, metrics[original]) for name, original in _names(metrics).items()])

    def log_history(self, history: Mapping[str, Sequence[float | None]], *, first_step: int = 0) -> None:
        """Record whole curves at once: element i of a list is the value at step ``first_step + i``.

        Raises: InvalidInput: a value is no number, or a name is unusable.
        """
        points = [
            (name, first_step + index, value)
            for name, original in _names(history).items()
            for index, value in enumerate(history[original])
            if value is not None
        ]
        self._write(points)

    def _write_params(self, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        with self._run.connection.talking() as client:  # the client cuts lists to MLflow's limits by itself
            client.log_batch(self._run.run_id, params=[Param(name, text) for name, text in params.items()])

    def _write(self, points: Sequence[tuple[str, int, Any]]) -> None:
        from mlflow.entities import Metric

        now_ms = time.time_ns() // 1_000_000
        finite, infinite = _finite(_numbers(points))
        fresh = list(self._unrecorded(finite))
        if infinite:
            self._run.set_tags({INFINITE_TAG: json.dumps(infinite[:100])})
        with self._run.connection.talking() as client:
            client.log_batch(
                self._run.run_id, metrics=[Metric(name, value, now_ms, step) for name, step, value in fresh]
            )

    def _unrecorded(self, points: Sequence[Point]) -> Iterator[Point]:
        if not self._run.resumed:
            yield from points
            return
        differing = 0
        for name, step, value in points:
            recorded = self._run.recorded(name)
            if step in recorded:
                differing += not (recorded[step] == value or (math.isnan(recorded[step]) and math.isnan(value)))
                continue
            recorded[step] = value
            yield name, step, value
        if differing:
            get_logger("mlflow").warning(
                "a resumed run computed other values for steps it holds already; the first ones stay",
                run_id=self._run.run_id,
                points=differing,
            )


def _names(entries: Mapping[str, Any]) -> dict[str, str]:
    """The name that MLflow takes -> the name that was given."""
    cleaned: dict[str, str] = {}
    for original in entries:
        name = re.sub(r"[^\w.\- :/]", "_", str(original))
        if posixpath.normpath(name) != name or name.startswith(("/", ".")):
            name = name.strip("/.").replace("/", "_")
        if not name or len(name) > LONGEST_NAME:
            raise InvalidInput(f"{str(original)[:60]!r} cannot name a metric or parameter", hint="1 to 250 characters.")
        if name in cleaned:
            raise InvalidInput(f"{original!r} and {cleaned[name]!r} are the same name to MLflow: {name!r}")
        cleaned[name] = original
    return cleaned


def _numbers(points: Sequence[tuple[str, int, Any]]) -> Iterator[Point]:
    bad = []
    for name, step, value in points:
        try:
            yield name, int(step), float(value)
        except (TypeError, ValueError):
            bad.append(f"{name}={value!r}")
    if bad:
        raise InvalidInput(f"metrics must be numbers: {', '.join(bad[:5])}", metrics=bad)


def _finite(points: Iterator[Point]) -> tuple[list[Point], list[dict[str, Any]]]:
    kept, infinite = [], []
    for name, step, value in points:
        if math.isinf(value):
            infinite.append({"metric": name, "step": step, "value": "inf" if value > 0 else "-inf"})
            value = math.nan
        kept.append((name, step, value))
    return kept, infinite


def _text(value: Any) -> str:
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        plain = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return json.dumps(plain, default=str, ensure_ascii=False)
    return str(value)
