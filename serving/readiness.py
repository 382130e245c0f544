"""Whether the server can do its work: a model is loaded and warm, inference moves, and the stores can be reached.

The stores are asked on threads of their own, at most once a second, and none may take longer than its time:
a store that hangs makes the server unready, not slow.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from ecosight.errors import EcosightError
from serving.batching import InferencePipeline
from serving.model_holder import ModelHolder

__all__ = ["Readiness", "StoreChecks"]

STALLED_S = 60.0


class StoreChecks:
    """Asks every store, in parallel, with a time limit; what was found holds for a while. Thread-safe.

    Args:
        checks: by name, calls that raise while the store cannot be reached.
        limit_s: what takes longer counts as unreachable. Its thread goes on; no second one is started beside it.
        hold_s: how long a finding holds.
    """

    def __init__(self, checks: Mapping[str, Callable[[], None]], *, limit_s: float = 2.0, hold_s: float = 1.0) -> None:
        self._checks, self._limit_s, self._hold_s = dict(checks), limit_s, hold_s
        self._running: dict[str, _Run] = {}
        self._found: dict[str, str | None] = {}
        self._found_at = -float("inf")
        self._lock = threading.Lock()

    def faults(self) -> dict[str, str | None]:
        """By name, the reason why a store cannot be reached, or None. Blocks for at most the limit."""
        with self._lock:
            if time.monotonic() - self._found_at > self._hold_s:
                self._found = self._ask()
                self._found_at = time.monotonic()
            return dict(self._found)

    def _ask(self) -> dict[str, str | None]:
        for name, check in self._checks.items():
            if name not in self._running or self._running[name].done.is_set():
                self._running[name] = _Run(name, check)
        deadline = time.monotonic() + self._limit_s
        return {name: run.result(deadline - time.monotonic()) for name, run in self._running.items()}


class _Run:
    """One question to one store, on its own thread."""

    def __init__(self, name: str, check: Callable[[], None]) -> None:
        self.done = threading.Event()
        self._check, self._fault, self._began = check, "", time.monotonic()
        threading.Thread(target=self._ask, name=f"check-{name}", daemon=True).start()

    def result(self, timeout_s: float) -> str | None:
        if not self.done.wait(max(0.0, timeout_s)):
            return f"gave no answer within {time.monotonic() - self._began:.0f} s"
        return self._fault or None

    def _ask(self) -> None:
        try:
            self._check()
        except EcosightError as error:
            self._fault = error.message
        except Exception as error:  # a driver's own error: its class is enough for a stranger
            self._fault = type(error).__name__
        finally:
            self.done.set()


class Readiness:
    """The one answer to "may requests be sent here?"."""

    def __init__(self, holder: ModelHolder, pipeline: InferencePipeline, stores: StoreChecks) -> None:
        self._holder, self._pipeline, self._stores = holder, pipeline, stores

    def reasons(self) -> dict[str, str]:
        """Why not, by part; empty when ready. Blocks for at most the limit of the store checks."""
        found = {name: fault for name, fault in self._stores.faults().items() if fault is not None}
        if self._holder.current is None:
            fault = self._holder.fault
            found["model"] = fault.as_dict()["message"] if fault else "no model is registered as champion yet"
        stalled_s = self._pipeline.stalled_s()
        if stalled_s > STALLED_S:
            found["inference"] = f"one call has been running for {stalled_s:.0f} s"
        return found
