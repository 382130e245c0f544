"""Keeps the process small: what loading a model or a burst of long recordings took from the system is given back.

glibc keeps freed memory, in one arena for each thread, and decoded sounds leave holes in all of them.
Where another C library is used, nothing here does anything.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["MemoryKeeper", "settle", "share_arenas"]

_M_ARENA_MAX = -8  # malloc.h


def share_arenas() -> None:
    """Let all threads allocate from two arenas. For the start of a process: threads keep the arena they have."""
    _glibc(lambda library: library.mallopt(_M_ARENA_MAX, 2))


def settle() -> None:
    """Let the garbage collector never look again at what lives now. For the end of a start, before the first request.

    Half a million objects belong to modules and live as long as the process. Looking through them all holds every
    thread for some 0.3 s, at a moment of the collector's choosing.
    """
    gc.collect()
    gc.freeze()


class MemoryKeeper:
    """Gives freed memory back to the system from time to time; a few milliseconds each time."""

    def __init__(self, every_s: float = 20.0) -> None:
        self._every_s = every_s
        self._wake, self._stopped = threading.Event(), False
        self._thread = threading.Thread(target=self._keep, name="memory-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def soon(self) -> None:
        """Do it now rather than later: something large was let go."""
        self._wake.set()

    def _keep(self) -> None:
        while not self._stopped:
            if self._wake.wait(self._every_s):
                self._wake.clear()
            _glibc(lambda library: library.malloc_trim(0))


def _glibc(call: Callable[[Any], object]) -> None:
    with contextlib.suppress(OSError, AttributeError):
        call(ctypes.CDLL(None))
