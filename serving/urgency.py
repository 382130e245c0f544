"""Owns work behind the scenes that must not be felt by those who ask: on Linux, urgency belongs to threads."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["NICENESS", "GentleWork", "yield_to_others"]

NICENESS = 10
"""A tenth of the usual share of a busy processor, all of an idle one."""

T = TypeVar("T")


def yield_to_others() -> None:
    """Make this thread less urgent, for good: without privileges there is no way back. Elsewhere than on Linux nothing
    happens, since there it would be the whole process."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


class GentleWork(Generic[T]):
    """Work on a thread of its own that yields to others. Waits until it is done.

    Attributes:
        left_slow: whether it left threads behind that keep the low urgency and may not be given the usual one again.
    Raises: what the work raises.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: list[T] = []
        self._error: BaseException | None = None
        before = _threads()
        thread = threading.Thread(target=self._run, name="gentle-work", daemon=True)
        thread.start()
        thread.join()
        own = {str(thread.native_id)}
        usual = {each: _is_usual_again(each) for each in _threads() - before - own}
        self.left_slow = not all(usual.values())
        if self._error is not None:
            raise self._error

    @property
    def result(self) -> T:
        return self._result[0]

    def _run(self) -> None:
        try:
            yield_to_others()
            self._result.append(self._work())
        except BaseException as error:
            self._error = error


def _threads() -> set[str]:
    return set(os.listdir("/proc/self/task")) if sys.platform == "linux" else set()


def _is_usual_again(thread: str) -> bool:
    try:
        if os.getpriority(os.PRIO_PROCESS, int(thread)) >= NICENESS:
            os.setpriority(os.PRIO_PROCESS, int(thread), os.getpriority(os.PRIO_PROCESS, os.getpid()))
    except PermissionError:
        return False
    except ProcessLookupError:  # it ended meanwhile
        pass
    return True
