"""Work that nobody waits for, or not for long: done on a thread of its own, one run at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ecosight.errors import EcosightError, Unavailable
from ecosight.logs import get_logger

__all__ = ["Errand"]


class Errand:
    """A piece of work that may hang. Thread-safe.

    Args:
        name: of the thread, and in logs.
        work: what to do; raises EcosightError when it cannot.
    """

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._name, self._work = name, work
        self._state = threading.Condition()
        self._busy = self._again = False
        self._begun = self._ended = 0
        self._error: EcosightError | None = None

    def ask(self) -> None:
        """Have it done soon. While a run is under way, that one will do."""
        with self._state:
            if not self._busy:
                self._start()

    def run(self, timeout_s: float) -> None:
        """Have it done, and wait for a run that began after this call.

        Raises: Unavailable: it did not end in time; else what the work raised.
        """
        with self._state:
            wanted = self._begun + 1
            if self._busy:
                self._again = True
            else:
                self._start()
            if not self._state.wait_for(lambda: self._ended >= wanted, timeout_s):
                raise Unavailable(f"{self._name} did not end within {timeout_s:g} s")
            if self._error is not None:
                raise self._error

    def settle(self, timeout_s: float) -> bool:
        """Wait until nothing is under way. Returns: whether that came about in time."""
        with self._state:
            return self._state.wait_for(lambda: not self._busy, timeout_s)

    def _start(self) -> None:
        self._busy = True
        self._begun += 1
        threading.Thread(target=self._go, name=self._name, daemon=True).start()

    def _go(self) -> None:
        more = True
        while more:
            error = self._tried()
            with self._state:
                self._ended, self._error = self._begun, error
                more = self._busy = self._again
                self._again = False
                self._begun += more
                self._state.notify_all()

    def _tried(self) -> EcosightError | None:
        try:
            self._work()
        except EcosightError as error:
            get_logger("state").debug("errand_failed", errand=self._name, error=error.message)
            return error
        except Exception as error:
            get_logger("state").exception("errand_failed", errand=self._name)
            return Unavailable(f"{self._name} failed: {type(error).__name__}")
        return None
