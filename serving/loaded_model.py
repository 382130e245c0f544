"""One loaded model and the leases of those who use it: closed when nobody does any more, never before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from ecosight.logs import get_logger
from ecosight.ports import Servable
from ecosight.values import ModelRef

__all__ = ["LoadedModel", "ModelLease"]


class LoadedModel:
    """One model that is loaded and warm, with the count of those who use it. Thread-safe."""

    def __init__(self, ref: ModelRef, servable: Servable, loaded_at: datetime) -> None:
        self.ref, self.servable, self.loaded_at = ref, servable, loaded_at
        self._lock = threading.Lock()
        self._leases, self._retired, self._closed = 0, False, False

    def lease(self) -> ModelLease | None:
        """The right to use it, or None once it is retired."""
        with self._lock:
            if self._retired:
                return None
            self._leases += 1
        return ModelLease(self)

    def retire(self) -> None:
        """No new leases; closed when the last one is over."""
        with self._lock:
            self._retired = True
        self._close_if_unused()

    @property
    def closed(self) -> bool:
        return self._closed

    def _share(self) -> ModelLease:
        # Allowed for a retired model too: whoever shares holds a lease, so it is not closed yet.
        with self._lock:
            self._leases += 1
        return ModelLease(self)

    def _release(self) -> None:
        with self._lock:
            self._leases -= 1
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        with self._lock:
            if self._closed or not self._retired or self._leases:
                return
            self._closed = True
        close: Callable[[], None] | None = getattr(self.servable, "close", None)
        try:
            if close is not None:
                close()
        except Exception:  # whoever gave up the last lease has nothing to do with it
            get_logger("serving").exception("model_not_closed", model=str(self.ref))


class ModelLease:
    """The right to use one model until ``release``; releasing twice is once. Also a context manager."""

    __slots__ = ("_held", "model")

    def __init__(self, model: LoadedModel) -> None:
        self.model, self._held = model, True

    @property
    def servable(self) -> Servable:
        return self.model.servable

    def share(self) -> ModelLease:
        """A second lease of the same model, with its own release."""
        return self.model._share()

    def release(self) -> None:
        if self._held:
            self._held = False
            self.model._release()

    def __enter__(self) -> ModelLease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
