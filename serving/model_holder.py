"""Follows the champion alias: loads and warms a new model beside the old one, then swaps in one step.

While a rollout runs, the routing says whom to follow (``pin``) and which models to keep loaded beside it (``keep``), so
that the switch to one of those is an assignment.

A request leases the model once and uses that one to its end. A model that cannot be fetched, verified or warmed
is never swapped in: the old one stays, the fault is shown, and the next try comes later and later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ecosight.clock import iso
from ecosight.errors import EcosightError, NoModel
from ecosight.logs import get_logger
from ecosight.ports import Clock, Modality, ModelSource, Servable
from ecosight.values import ModelRef

__all__ = ["LoadedModel", "ModelHolder", "ModelLease"]

SLOWEST_RETRY_S = 60.0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapFault:
    """Why the registry could not be followed, last time it was tried."""

    model: ModelRef | None
    error: Exception
    at: datetime
    tries: int

    def as_dict(self) -> dict[str, Any]:
        told = self.error.as_dict() if isinstance(self.error, EcosightError) else {"message": repr(self.error)}
        return {
            "model_version": self.model.version if self.model else None,
            "code": told.get("code", "internal"),
            "message": told["message"],
            "at": iso(self.at),
            "tries": self.tries,
        }


class ModelHolder:
    """Holds the model that answers, and a thread that keeps it the champion.

    Args:
        engine, threads: passed on to the modality.
        poll_seconds: how often the alias is looked at.
        on_swap: told about every swap, on the holder's thread.
    """

    def __init__(
        self,
        source: ModelSource,
        modality: Modality,
        clock: Clock,
        *,
        engine: str = "default",
        threads: int | None = None,
        poll_seconds: float = 1.0,
        on_swap: Callable[[LoadedModel], None] = lambda _: None,
    ) -> None:
        self._source, self._modality, self._clock = source, modality, clock
        self._engine, self._threads, self._poll_seconds, self._on_swap = engine, threads, poll_seconds, on_swap
        self._current: LoadedModel | None = None
        self._fault: SwapFault | None = None
        self._not_before = 0.0
        self._pinned: ModelRef | None = None
        self._wanted: tuple[ModelRef, ...] = ()
        self._standby: dict[str, LoadedModel] = {}
        self._standby_faults: dict[str, str] = {}
        self._stop, self._looked, self._nudged = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="model-holder", daemon=True)
        self.swaps = self.failed_swaps = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread (after a load that is under way) and retire the model."""
        self._stop.set()
        self._nudged.set()
        if self._thread.ident is not None:
            self._thread.join()
        current, self._current = self._current, None
        for model in (current, *self._standby.values()):
            if model is not None:
                model.retire()
        self._standby.clear()

    def follow(self, pinned: ModelRef | None, standby: Sequence[ModelRef] = ()) -> None:
        """Whom to follow and what to keep loaded, from now on; returns at once.

        Args:
            pinned: this model answers as soon as it is loaded, whatever the alias says; None: the alias again.
            standby: loaded and warm, though they answer nothing.
        """
        if (pinned, tuple(standby)) != (self._pinned, self._wanted):
            self._pinned, self._wanted = pinned, tuple(standby)
            self._standby_faults = {}
            self._nudged.set()

    def loaded(self) -> dict[str, str]:
        """By digest: ``ready``, ``loading`` or ``failed``, of the current model and of those that are to be kept."""
        states = {model.digest: "loading" for model in self._wanted}
        states |= dict.fromkeys(self._standby_faults, "failed")
        states |= dict.fromkeys(list(self._standby), "ready")
        if (current := self._current) is not None:
            states[current.ref.digest] = "ready"
        return states

    def wait_for_first_look(self, timeout_s: float) -> bool:
        """Wait until the alias was looked at once, and the model behind it loaded or refused."""
        return self._looked.wait(timeout_s)

    def lease(self) -> ModelLease:
        """The current model for one request.

        Raises: NoModel: none was loaded yet.
        """
        while (current := self._current) is not None:
            if (lease := current.lease()) is not None:
                return lease
        said = "no model is registered as champion yet"
        if (fault := self._fault) is not None:
            said = f"no model could be loaded yet: {fault.as_dict()['message']}"
        raise NoModel(said, hint="`ecosight train` makes and registers one; it is picked up by itself.")

    @property
    def current(self) -> LoadedModel | None:
        """What answers now, to look at; use ``lease`` to work with it."""
        return self._current

    @property
    def fault(self) -> SwapFault | None:
        """The last fault, until the registry can be followed again."""
        return self._fault

    def refresh(self) -> bool:
        """Look at the alias once, and swap if it moved. Called by the thread, and by tests.

        Returns: whether the model was swapped.
        """
        champion: ModelRef | None = None
        try:
            champion = self._pinned or self._source.champion()
            if champion is None or self._is_current(champion):
                self._fault = None
                self._keep_standby()
                return False
            if self._clock.monotonic() < self._not_before and self._fault and self._fault.model == champion:
                return False
            self._swap(champion)
        except Exception as error:  # whatever it is: the old model answers on, and the thread lives
            self._failed(champion, error)
            return False
        self._fault = None
        return True

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._nudged.clear()
            if self.refresh():
                self._keep_standby()
            self._looked.set()
            self._nudged.wait(self._poll_seconds)

    def _is_current(self, champion: ModelRef) -> bool:
        return self._current is not None and self._current.ref == champion

    def _swap(self, champion: ModelRef) -> None:
        new = self._standby.pop(champion.digest, None)
        if new is None or new.ref != champion:
            if new is not None:
                new.retire()
            new = self._load(champion)
        old, self._current = self._current, new
        self.swaps += 1
        if old is not None and any(old.ref == model for model in self._wanted):
            self._standby[old.ref.digest] = old
        elif old is not None:
            old.retire()
        log = get_logger("serving")
        log.info("model_swapped", model=str(champion), digest=champion.digest[:12], engine=new.servable.engine)
        self._on_swap(new)

    def _load(self, model: ModelRef) -> LoadedModel:
        folder = self._source.fetch(model)
        servable = self._modality.load_servable(folder, engine=self._engine, threads=self._threads)
        servable.warm()
        return LoadedModel(model, servable, self._clock.now())

    def _keep_standby(self) -> None:
        """Load what is to be kept, and let go of the rest."""
        wanted = {model.digest: model for model in self._wanted}
        for digest in [digest for digest in self._standby if digest not in wanted]:
            self._standby.pop(digest).retire()
        for digest, model in wanted.items():
            if digest in self._standby or digest in self._standby_faults or self._is_current(model):
                continue
            try:
                self._standby[digest] = self._load(model)
            except Exception as error:  # told to whoever asks; the model that answers has nothing to do with it
                self._standby_faults[digest] = str(error)
                get_logger("serving").warning("standby_not_loaded", model=str(model), error=str(error))

    def _failed(self, champion: ModelRef | None, error: Exception) -> None:
        before = self._fault if self._fault and self._fault.model == champion else None
        tries = before.tries + 1 if before else 1
        self._fault = SwapFault(model=champion, error=error, at=self._clock.now(), tries=tries)
        if champion is None:  # the registry cannot be reached: looking again is cheap
            wait_s = 0.0
        else:
            self.failed_swaps += 1
            wait_s = min(SLOWEST_RETRY_S, self._poll_seconds * 2.0**tries)
        self._not_before = self._clock.monotonic() + wait_s
        if tries == 1 or champion is not None:
            get_logger("serving").warning(
                "model_not_swapped", model=str(champion), error=str(error), tries=tries, retry_in_s=round(wait_s, 1)
            )
