"""What one worker process was asked and has not answered yet: bounded, and never forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections import deque
from dataclasses import dataclass

from serving.isolation.answers import ArmFault, IsolatedAnswer

__all__ = ["Backlog"]

HUNG_S = 5.0
"""A process that owes an answer for so long beyond its deadline, and has answered nothing else either, hangs."""
LOST_S = 30.0
"""So does one that goes on answering others: one of its threads does."""


@dataclass(slots=True, eq=False)
class _Asked:
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[IsolatedAnswer]
    due: float
    size_bytes: int
    data: bytes | None  # None once it was handed to the process


class Backlog:
    """Thread-safe. The lock is held for microseconds, so the event loop may take it too.

    A request that nobody waits for any more (late, or cancelled) is taken back while it waits here. Once the process
    has it, it counts until it is answered or the process is gone: it takes up memory and time there.

    Args:
        most: requests; more are late at once.
        most_bytes: of their files together, here and in the process; a single file may be larger.
    """

    def __init__(self, *, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._asked: dict[int, _Asked] = {}
        self._unsent: deque[int] = deque()
        self._bytes = 0
        self._numbers = itertools.count()
        self._answered_at = time.monotonic()
        self._closed: ArmFault | None = None
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._asked)

    @property
    def held_bytes(self) -> int:
        """Of the files that are counted here."""
        return self._bytes

    # -- on the event loop -------------------------------------------------------------------------

    def ask(self, data: bytes, deadline_s: float) -> asyncio.Future[IsolatedAnswer]:
        """Queue one file. Giving the future up (a timeout, a cancelled request) gives the question up.

        Raises: ArmFault: late: too much waits already; else what it was closed with.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[IsolatedAnswer] = loop.create_future()
        with self._changed:
            if self._closed is not None:
                raise ArmFault(self._closed.fault, str(self._closed))
            full = len(self._asked) >= self._most
            if full or (self._asked and self._bytes + len(data) > self._most_bytes):
                raise ArmFault("late", f"{len(self._asked)} requests of {self._bytes:,} bytes wait already")
            number = next(self._numbers)
            self._asked[number] = _Asked(loop, future, time.monotonic() + deadline_s, len(data), data)
            self._bytes += len(data)
            self._unsent.append(number)
            self._changed.notify()
        future.add_done_callback(lambda _: self._give_up(number))
        return future

    # -- on the threads of the process -------------------------------------------------------------

    def next(self) -> tuple[int, bytes] | None:
        """The next question to hand to the process, with its number. Blocks; None once it is closed."""
        with self._changed:
            while self._closed is None:
                while self._unsent:
                    number = self._unsent.popleft()
                    asked = self._asked.get(number)
                    if asked is not None and asked.data is not None:
                        data, asked.data = asked.data, None
                        return number, data
                self._changed.wait()
        return None

    def answered(self, number: object, result: IsolatedAnswer | Exception) -> None:
        """Hand an answer to whoever waits; one that was never asked for is nobody's."""
        with self._changed:
            asked = self._take(number)
            if asked is not None:
                self._answered_at = time.monotonic()
        if asked is not None:
            _deliver(asked, result)

    def hangs(self) -> bool:
        """Whether the process owes an answer for too long."""
        now = time.monotonic()
        with self._changed:
            first = min((asked.due for asked in self._asked.values() if asked.data is None), default=now)
            silent_s = now - self._answered_at
        return now - first > LOST_S or min(now - first, silent_s) > HUNG_S

    def close(self, fault: ArmFault) -> None:
        """Everything that waits, and whatever is asked from now on, fails with this."""
        with self._changed:
            if self._closed is None:
                self._closed = fault
            dropped = list(self._asked.values())
            self._asked, self._bytes = {}, 0
            self._unsent.clear()
            self._changed.notify_all()
        for asked in dropped:
            _deliver(asked, ArmFault(fault.fault, str(fault)))

    # -- with or without the lock ------------------------------------------------------------------

    def _give_up(self, number: int) -> None:
        with self._changed:
            asked = self._asked.get(number)
            if asked is not None and asked.data is not None:
                self._take(number)

    def _take(self, number: object) -> _Asked | None:
        asked = self._asked.pop(number, None) if isinstance(number, int) else None
        if asked is not None:
            self._bytes -= asked.size_bytes
        return asked


def _deliver(asked: _Asked, result: IsolatedAnswer | Exception) -> None:
    def settle() -> None:
        if asked.future.done():  # late, or the request was cancelled
            return
        if isinstance(result, Exception):
            asked.future.set_exception(result)
        else:
            asked.future.set_result(result)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        asked.loop.call_soon_threadsafe(settle)
