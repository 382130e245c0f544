"""Follows the champion alias: loads and warms a new model beside the old one, then swaps in one step.

While a rollout runs, the routing says whom to follow instead (``pinned``) and which models to keep loaded beside it
(``standby``), so that the switch to one of those is an assignment.

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
from ecosight.errors import EcosightError, NoModel, Unavailable
from ecosight.logs import get_logger
from ecosight.ports import Clock, Modality, ModelSource
from ecosight.values import ModelRef
from serving.loaded_model import LoadedModel, ModelLease
from serving.urgency import GentleWork

__all__ = ["ModelHolder"]

SLOWEST_RETRY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapFault:
    """Why a model could not be loaded, or the registry not be followed, last time it was tried.

    Attributes:
        retry_at: when it may be tried again, on the monotonic clock.
    """

    model: ModelRef | None
    error: Exception
    at: datetime
    tries: int
    retry_at: float = 0.0

    @property
    def state(self) -> str:
        """Of the model: nothing is wrong with one whose registry is away."""
        return "loading" if isinstance(self.error, Unavailable) else "failed"

    def as_dict(self) -> dict[str, Any]:
        told = self.error.as_dict() if isinstance(self.error, EcosightError) else {"message": repr(self.error)}
        return {
            "model_version": self.model.version if self.model else None,
            "code": told.get("code", "internal"),
            "message": told["message"],
            "at": iso(self.at),
            "tries": self.tries,
        }


@dataclass(frozen=True, slots=True)
class _Wish:
    """Whom to follow, and what to keep loaded. Replaced as a whole, so that no thread sees half of one."""

    pinned: ModelRef | None = None
    standby: tuple[ModelRef, ...] = ()


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
        self._wish = _Wish()
        self._gently = True
        self._standby: dict[ModelRef, LoadedModel] = {}
        self._standby_faults: dict[ModelRef, SwapFault] = {}
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
        wish = _Wish(pinned, tuple(standby))
        if wish != self._wish:
            self._wish = wish
            self._nudged.set()

    def loaded(self) -> dict[str, str]:
        """By digest: ``ready``, ``loading`` or ``failed``, of the current model and of those that are wanted.

        Of several versions with the same bytes, the state of the one that is furthest from ready.
        """
        wish, current, fault = self._wish, self._current, self._fault
        wanted = {*wish.standby, *([wish.pinned] if wish.pinned is not None else [])}
        states = dict.fromkeys(wanted, "loading")
        faults = [*self._standby_faults.values(), *([fault] if fault is not None else [])]
        states |= {fault.model: fault.state for fault in faults if fault.model in wanted}
        states |= dict.fromkeys(list(self._standby), "ready")
        if current is not None:
            states[current.ref] = "ready"
        told: dict[str, str] = {}
        for model, state in states.items():
            told[model.digest] = min(state, told.get(model.digest, state), key=("failed", "loading", "ready").index)
        return told

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
        swapped = self._follow_champion()
        self._keep_standby()
        return swapped

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._nudged.clear()
            self.refresh()
            self._looked.set()
            self._nudged.wait(self._poll_seconds)

    def _follow_champion(self) -> bool:
        champion: ModelRef | None = None
        try:
            champion = self._wish.pinned or self._source.champion()
            if champion is None or self._is_current(champion):
                self._fault = None
                return False
            if not self._due(champion, self._fault):
                return False
            self._swap(champion)
        except Exception as error:  # whatever it is: the old model answers on, and the thread lives
            self._failed(champion, error)
            return False
        self._fault = None
        return True

    def _is_current(self, champion: ModelRef) -> bool:
        return self._current is not None and self._current.ref == champion

    def _swap(self, champion: ModelRef) -> None:
        new = self._standby.pop(champion, None) or self._load(champion)
        old, self._current = self._current, new
        self.swaps += 1
        if old is not None and old.ref in self._wish.standby:
            self._standby[old.ref] = old
        elif old is not None:
            old.retire()
        log = get_logger("serving")
        log.info("model_swapped", model=str(champion), digest=champion.digest[:12], engine=new.servable.engine)
        self._on_swap(new)

    def _load(self, model: ModelRef) -> LoadedModel:
        """Fetched, verified and warm. While another model answers, loading yields the processor to it."""
        if self._current is None or not self._gently:
            return self._load_now(model)
        work = GentleWork(lambda: self._load_now(model))
        if not work.left_slow:
            return work.result
        self._gently = False  # this engine's own threads would answer with less urgency from now on
        return self._load_now(model)

    def _load_now(self, model: ModelRef) -> LoadedModel:
        folder = self._source.fetch(model)
        servable = self._modality.load_servable(folder, engine=self._engine, threads=self._threads)
        servable.warm()
        return LoadedModel(model, servable, self._clock.now())

    def _keep_standby(self) -> None:
        """Load what is to be kept, and let go of the rest."""
        wish = self._wish
        for model in [model for model in self._standby if model not in wish.standby]:
            self._standby.pop(model).retire()
        self._standby_faults = {model: fault for model, fault in self._standby_faults.items() if model in wish.standby}
        for model in wish.standby:
            if self._stop.is_set() or self._wish is not wish:  # loading takes long: what is new goes first
                return
            fault = self._standby_faults.get(model)
            if model in self._standby or self._is_current(model) or not self._due(model, fault):
                continue
            try:
                self._standby[model] = self._load(model)
                self._standby_faults.pop(model, None)
            except Exception as error:  # told to whoever asks; the model that answers has nothing to do with it
                self._standby_faults[model] = self._noted("standby_not_loaded", model, error, fault)

    def _due(self, model: ModelRef, fault: SwapFault | None) -> bool:
        return fault is None or fault.model != model or self._clock.monotonic() >= fault.retry_at

    def _failed(self, champion: ModelRef | None, error: Exception) -> None:
        before = self._fault if self._fault and self._fault.model == champion else None
        if champion is not None:
            self.failed_swaps += 1
            self._fault = self._noted("model_not_swapped", champion, error, before)
            return
        # The registry cannot be reached: looking again is cheap.
        tries = before.tries + 1 if before else 1
        self._fault = SwapFault(model=None, error=error, at=self._clock.now(), tries=tries)
        if before is None:
            get_logger("serving").warning("model_not_swapped", model=None, error=str(error), tries=tries)

    def _noted(self, event: str, model: ModelRef, error: Exception, before: SwapFault | None) -> SwapFault:
        """One more try that failed: the next one comes later and later."""
        tries = before.tries + 1 if before else 1
        wait_s = min(SLOWEST_RETRY_S, self._poll_seconds * 2.0**tries)
        get_logger("serving").warning(
            event, model=str(model), error=str(error), tries=tries, retry_in_s=round(wait_s, 1)
        )
        retry_at = self._clock.monotonic() + wait_s
        return SwapFault(model=model, error=error, at=self._clock.now(), tries=tries, retry_at=retry_at)
