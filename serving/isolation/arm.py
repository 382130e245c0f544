"""One model in a worker process, as the server sees it: hand in a file, get an answer before the deadline, or a fault.

Three threads: one starts the process, watches it and starts it again after a crash; one writes to it; one reads from
it. The event loop never waits for a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ecosight.clock import iso
from ecosight.errors import EcosightError, InputError, from_dict
from ecosight.logs import get_logger
from ecosight.ports import Clock
from ecosight.rollouts import ArmState, Fault
from ecosight.values import ModelRef
from serving.isolation.breaker import Breaker
from serving.isolation.frames import read_frame, write_frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ArmFault", "IsolatedAnswer", "IsolatedArm"]

LOAD_S = 120.0
"""A model that is not loaded by then is taken for one that hangs."""
HUNG_S = 5.0
"""A process that has left a request unanswered for so long, beyond its deadline, is killed."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0


class ArmFault(Exception):
    """The arm did not answer; somebody else should."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault: Fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedAnswer:
    """float32 (classes,) in the order of ``labels``, and the file's SHA-256."""

    sample_id: str
    probabilities: NDArray[np.float32]
    labels: tuple[str, ...]


@dataclass(slots=True, eq=False)
class _Asked:
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[IsolatedAnswer]
    since: float


class IsolatedArm:
    """Thread-safe; ``submit`` is called on an event loop.

    Args:
        launch: what the process is told: ``config``, ``modality``, ``engine``, ``threads``, ``max_batch``.
        fetch: brings the model's files; called on the arm's own thread.
        most_waiting: requests that may wait in it; more are late at once.
    """

    def __init__(
        self,
        name: str,
        model: ModelRef,
        *,
        launch: dict[str, Any],
        fetch: Callable[[ModelRef], Any],
        clock: Clock,
        most_waiting: int = 256,
    ) -> None:
        self.name, self.model = name, model
        self._launch, self._fetch, self._clock, self._most_waiting = launch, fetch, clock, most_waiting
        self._labels: tuple[str, ...] = ()
        self._state: ArmState = "loading"
        self._error = ""
        self._breaker = Breaker()
        self._asked: dict[int, _Asked] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()  # around what is asked and the breaker; held for microseconds
        self._stopped = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._out: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
        self._crashed_at: deque[datetime] = deque(maxlen=10)
        self._restarts = self._non_finite = 0
        self._thread = threading.Thread(target=self._keep, name=f"arm-{name}", daemon=True)

    # -- for the server -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to load; must not block."""
        self._thread.start()

    def stop(self) -> None:
        """End the process; what it was asked fails with ``unavailable``."""
        self._stopped.set()
        self._kill()
        self._thread.join()

    @property
    def state(self) -> ArmState:
        return "tripped" if self._breaker.tripped else self._state

    async def submit(self, data: bytes, deadline_s: float) -> IsolatedAnswer:
        """Ask it about one file.

        Raises: InputError: it refuses the file. ArmFault: it did not answer in time, or not at all.
        """
        if self.state != "ready" or self._stopped.is_set():
            raise ArmFault("unavailable", f"{self.name} is {self.state}")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[IsolatedAnswer] = loop.create_future()
        number = next(self._numbers)
        with self._lock:
            full = len(self._asked) >= self._most_waiting
            if not full:
                self._asked[number] = _Asked(loop, future, time.monotonic())
        if full:
            self._count(fault=True)
            raise ArmFault("late", f"{len(self._asked)} requests wait for {self.name} already")
        self._out.put((number, data))
        try:
            async with asyncio.timeout(deadline_s):
                answer = await future
        except TimeoutError:
            self._count(fault=True)
            raise ArmFault("late", f"{self.name} did not answer within {1000 * deadline_s:.0f} ms") from None
        except ArmFault as fault:
            self._count(fault=True, non_finite=fault.fault == "non_finite")
            raise
        self._count(fault=False)
        return answer

    def refused_wrongly(self) -> None:
        """It refused a file that the champion could answer: that is its fault, not the client's."""
        self._count(fault=True)

    def figures(self) -> dict[str, Any]:
        """What the server reports of it."""
        return {
            "state": self.state,
            "error": self._error,
            "model": str(self.model),
            "pid": self._process.pid if self._process is not None else None,
            "rss_mb": self._rss_mb(),
            "restarts": self._restarts,
            "crashed_at": [iso(at) for at in self._crashed_at],
            "non_finite": self._non_finite,
            "tripped": self._breaker.tripped,
            "waiting": len(self._asked),
        }

    # -- its process --------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Start the process, and again after each crash; a model that cannot be loaded is not tried again."""
        pause = FIRST_PAUSE_S
        try:
            self._launch = {**self._launch, "folder": str(self._fetch(self.model))}
        except Exception as error:
            self._fail(error.message if isinstance(error, EcosightError) else repr(error))
            return
        while not self._stopped.is_set():
            if not self._live():
                return
            self._restarts += 1
            self._stopped.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _live(self) -> bool:
        """One life of the process. Returns: whether another one makes sense."""
        ours, theirs = socket.socketpair()
        self._out = queue.SimpleQueue()
        with ours:
            with theirs:
                command = [sys.executable, "-m", "serving.isolation.child", str(theirs.fileno())]
                self._process = subprocess.Popen(
                    command, pass_fds=[theirs.fileno()], start_new_session=True, stdin=subprocess.DEVNULL
                )
            timer = threading.Timer(LOAD_S, self._kill)
            timer.daemon = True
            timer.start()
            loaded = self._load(ours)
            timer.cancel()
            if loaded:
                self._state = "ready"
                writer = threading.Thread(target=self._write, args=(ours, self._out), daemon=True)
                watcher = threading.Thread(target=self._watch, args=(self._process,), daemon=True)
                writer.start()
                watcher.start()
                self._read(ours)
                self._out.put(None)
        self._kill()
        code = self._process.wait()
        if self._stopped.is_set():
            self._drop("unavailable", f"{self.name} was stopped")
            return False
        if not loaded:
            self._fail(self._error or f"its process died while it loaded the model ({_how(code)})")
            return False
        self._state = "loading"
        self._crashed_at.append(self._clock.now())
        with self._lock:
            self._breaker.crash(time.monotonic())
        get_logger("serving").warning("isolated_arm_died", arm=self.name, model=str(self.model), how=_how(code))
        self._drop("crash", f"the process of {self.name} died ({_how(code)})")
        return True

    def _load(self, connection: socket.socket) -> bool:
        try:
            write_frame(connection, self._launch)
            frame = read_frame(connection)
        except (OSError, ValueError):
            return False
        if frame is None:
            return False
        header, _ = frame
        if "failed" in header:
            self._error = str(header["failed"].get("message", ""))
            return False
        self._labels = tuple(header["loaded"]["labels"])
        return True

    def _write(self, connection: socket.socket, out: queue.SimpleQueue[tuple[int, bytes] | None]) -> None:
        while (item := out.get()) is not None:
            try:
                write_frame(connection, {"id": item[0]}, item[1])
            except OSError:
                return  # the reader sees the same

    def _read(self, connection: socket.socket) -> None:
        while True:
            try:
                frame = read_frame(connection)
            except (OSError, ValueError):
                return
            if frame is None:
                return
            header, body = frame
            with self._lock:
                asked = self._asked.pop(header["id"], None)
            if asked is not None:
                _deliver(asked, self._result(header, body))

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process that leaves requests lie: it hangs."""
        while process.poll() is None and not self._stopped.wait(0.5):
            with self._lock:
                oldest = min((asked.since for asked in self._asked.values()), default=None)
            if oldest is not None and time.monotonic() - oldest > HUNG_S:
                get_logger("serving").warning("isolated_arm_hangs", arm=self.name, model=str(self.model))
                self._kill()
                return

    def _result(self, header: dict[str, Any], body: bytes) -> IsolatedAnswer | Exception:
        import numpy as np

        if "refused" in header:
            error = from_dict(header["refused"])
            return error if isinstance(error, InputError) else ArmFault("error", error.message)
        if "fault" in header:
            return ArmFault(header["fault"], str(header.get("message", "")))
        values = np.frombuffer(body, "<f4")
        if values.shape != (len(self._labels),) or not np.isfinite(values).all():
            return ArmFault("non_finite", f"{self.name} gave no probabilities")
        return IsolatedAnswer(sample_id=header["sample_id"], probabilities=values, labels=self._labels)

    # -- small things -------------------------------------------------------------------------------

    def _count(self, *, fault: bool, non_finite: bool = False) -> None:
        with self._lock:
            self._breaker.request(time.monotonic(), fault=fault)
            if non_finite:
                self._non_finite += 1
                self._breaker.non_finite()

    def _drop(self, fault: Fault, message: str) -> None:
        with self._lock:
            dropped, self._asked = list(self._asked.values()), {}
        for asked in dropped:
            _deliver(asked, ArmFault(fault, message))

    def _fail(self, why: str) -> None:
        self._state, self._error = "failed", why
        get_logger("serving").warning("isolated_arm_not_loaded", arm=self.name, model=str(self.model), error=why)
        self._drop("unavailable", why)

    def _kill(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _rss_mb(self) -> float | None:
        import psutil

        process = self._process
        if process is None or process.poll() is not None:
            return None
        try:
            return float(round(psutil.Process(process.pid).memory_info().rss / 2**20, 2))
        except psutil.Error:
            return None


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


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
