"""Progress of long work: a bar on a terminal, JSON lines otherwise, nothing where nobody looks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from ecosight.ports import Progress, Task

__all__ = ["BarProgress", "JsonProgress", "NullProgress", "terminal_progress"]


class NullProgress:
    """Says nothing and never cancels."""

    @contextmanager
    def task(self, name: str, total: int, unit: str) -> Iterator[Task]:
        yield _Silent()

    def checkpoint(self) -> None:
        return None


class JsonProgress:
    """One JSON object a line: at the start, at most once a second, and at the end, with the ETA in seconds."""

    def __init__(self, stream: IO[str] | None = None, *, every_s: float = 1.0) -> None:
        self._stream = stream or sys.stderr
        self._every_s = every_s

    @contextmanager
    def task(self, name: str, total: int, unit: str) -> Iterator[Task]:
        task = _JsonTask(self._stream, name, total, unit, self._every_s)
        task.write()
        try:
            yield task
        finally:
            task.write()

    def checkpoint(self) -> None:
        return None


class BarProgress:
    """A bar with figures and ETA on a terminal."""

    @contextmanager
    def task(self, name: str, total: int, unit: str) -> Iterator[Task]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn(unit + " {task.fields[figures]}"),
            TimeRemainingColumn(),
        )
        with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
            yield _BarTask(bar, bar.add_task(name, total=total, figures=""))

    def checkpoint(self) -> None:
        return None


def terminal_progress() -> Progress:
    """A bar where standard error is a terminal, JSON lines where it is not."""
    return BarProgress() if sys.stderr.isatty() else JsonProgress()


class _Silent:
    def advance(self, units: int = 1, **figures: Any) -> None:
        return None


class _JsonTask:
    def __init__(self, stream: IO[str], name: str, total: int, unit: str, every_s: float) -> None:
        self._stream, self._name, self._total, self._unit, self._every_s = stream, name, total, unit, every_s
        self._done, self._figures = 0, {}  # type: int, dict[str, Any]
        self._began = self._written = time.monotonic()

    def advance(self, units: int = 1, **figures: Any) -> None:
        self._done += units
        self._figures = figures or self._figures
        if time.monotonic() - self._written >= self._every_s:
            self.write()

    def write(self) -> None:
        self._written = time.monotonic()
        spent = self._written - self._began
        left = spent / self._done * (self._total - self._done) if self._done else None
        row = {"task": self._name, "done": self._done, "total": self._total, "unit": self._unit}
        row |= {"elapsed_s": round(spent, 1), "eta_s": None if left is None else round(left, 1), **self._figures}
        print(json.dumps(row), file=self._stream, flush=True)


class _BarTask:
    def __init__(self, bar: Any, task_id: Any) -> None:
        self._bar, self._task_id = bar, task_id

    def advance(self, units: int = 1, **figures: Any) -> None:
        text = " ".join(
            f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in figures.items()
        )
        self._bar.update(self._task_id, advance=units, **({"figures": text} if text else {}))
