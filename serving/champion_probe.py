"""Asks the champion about its own examples, once in every epoch that leaves it alone: whether it answers, and right.

That is where a rollback ends. Beside other models it is not asked: clients do that, and the time would be theirs.

On a thread of its own: a champion that hangs must not keep the server from following the routing away from it.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from ecosight.errors import EcosightError
from serving.loaded_model import LoadedModel, ModelLease
from serving.model_holder import ModelHolder
from serving.urgency import yield_to_others

__all__ = ["ChampionProbe"]

PROBE_S = 10.0
"""A champion that has not answered its own examples by then has failed."""


class ChampionProbe:
    """Used on one thread."""

    def __init__(self, holder: ModelHolder) -> None:
        self._holder = holder
        self._run: _Run | None = None
        self._epoch = 0
        self._found: dict[str, Any] = {}

    def look(self, epoch: int, *, alone: bool) -> None:
        """Ask, if this champion was not asked in this epoch and is alone, or if none was asked yet; returns at once."""
        self._epoch = epoch
        champion, run = self._holder.current, self._run
        if champion is None or not (alone or run is None):
            return
        if run is not None and run.model is champion and (run.epoch == epoch or not run.over.is_set()):
            return
        if (lease := champion.lease()) is not None:
            self._run = _Run(lease, epoch)

    def figures(self) -> dict[str, Any]:
        """What the last one said: ``state``, ``error``, ``epoch``, ``digest``, ``model``, ``probe_ms``."""
        run = self._run
        if run is not None and run.over.is_set():
            self._found = run.found(run.epoch)
        elif run is not None and run.ms() > 1000 * PROBE_S:
            self._found = run.found(self._epoch)  # asking it again would hang as well
        return dict(self._found)


class _Run:
    """One question, on its thread. Gives the lease back when it is answered."""

    def __init__(self, lease: ModelLease, epoch: int) -> None:
        self.model: LoadedModel = lease.model
        self.epoch, self.over = epoch, threading.Event()
        self._began, self._took_ms, self._error = time.monotonic(), 0.0, ""
        threading.Thread(target=self._ask, args=(lease,), name="champion-probe", daemon=True).start()

    def ms(self) -> float:
        return self._took_ms if self.over.is_set() else 1000 * (time.monotonic() - self._began)

    def found(self, epoch: int) -> dict[str, Any]:
        error = self._error if self.over.is_set() else f"it has not answered its own examples for {PROBE_S:.0f} s"
        return {
            "state": "failed" if error else "ready",
            "error": error,
            "epoch": epoch,
            "digest": self.model.ref.digest,
            "model": str(self.model.ref),
            "probe_ms": round(self.ms(), 1),
        }

    def _ask(self, lease: ModelLease) -> None:
        try:
            yield_to_others()  # clients are answered meanwhile, by this very model
            lease.servable.warm()
        except Exception as fault:
            self._error = fault.message if isinstance(fault, EcosightError) else repr(fault)
        finally:
            lease.release()
            self._took_ms = 1000 * (time.monotonic() - self._began)
            self.over.set()
