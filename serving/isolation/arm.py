"""One model in a worker process, as the server sees it: hand in a file, get an answer before the deadline, or a fault.

A thread starts the process, and starts it again after a crash. The event loop never waits for a socket.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ecosight.clock import iso
from ecosight.errors import EcosightError, Unavailable
from ecosight.logs import get_logger
from ecosight.ports import Clock
from ecosight.rollouts import ArmState
from ecosight.values import ModelRef
from serving.isolation.answers import ArmFault, IsolatedAnswer
from serving.isolation.breaker import Breaker
from serving.isolation.worker import NotLoaded, Worker

__all__ = ["IsolatedArm"]

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
HEALTHY_S = 60.0
"""A process that lived so long had no part in the trouble before it: the next pause is the first one again."""
STOP_S = 10.0


class IsolatedArm:
    """Thread-safe; ``submit`` is called on an event loop.

    Args:
        launch: what the process is told: ``config``, ``modality``, ``engine``, ``threads``, ``max_batch``.
        fetch: brings the model's files; called on the arm's own thread. Unavailable: it is asked again later.
        most_waiting: requests that may wait in it; more are late at once.
        most_waiting_bytes: of their files together; a single file may be larger.
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
        most_waiting_bytes: int = 128 * 2**20,
    ) -> None:
        self.name, self.model = name, model
        self._launch, self._fetch, self._clock = launch, fetch, clock
        self._most = {"most_waiting": most_waiting, "most_waiting_bytes": most_waiting_bytes}
        self._state: ArmState = "loading"
        self._error = ""
        self._worker: Worker | None = None
        self._lock = threading.Lock()  # around the breaker and what is counted; held for microseconds
        self._breaker = Breaker()
        self._crashed_at: deque[datetime] = deque(maxlen=10)
        self._restarts = self._non_finite = 0
        self._was_ready = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"arm-{name}", daemon=True)

    # -- for the server -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to load; must not block."""
        self._thread.start()

    def stop(self) -> None:
        """End the process; what it was asked fails with ``unavailable``. A fetch under way is not waited for long."""
        self._stopped.set()
        if self._worker is not None:
            self._worker.kill()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)

    @property
    def state(self) -> ArmState:
        return "tripped" if self._breaker.tripped else self._state

    @property
    def was_ready(self) -> bool:
        """Whether it ever was loaded; a process that died since is the model's own fault."""
        return self._was_ready

    async def submit(self, data: bytes, deadline_s: float) -> IsolatedAnswer:
        """Ask it about one file.

        Raises: InputError: it refuses the file. ArmFault: it did not answer in time, or not at all.
        """
        worker = self._worker
        if worker is None or self.state != "ready":
            raise ArmFault("unavailable", f"{self.name} is {self.state}")
        try:
            async with asyncio.timeout(deadline_s):
                answer = await worker.backlog.ask(data, deadline_s)
        except TimeoutError:
            self._count(fault=True)
            raise ArmFault("late", f"{self.name} did not answer within {1000 * deadline_s:.0f} ms") from None
        except ArmFault as fault:
            if fault.fault != "unavailable":
                self._count(fault=True, non_finite=fault.fault == "non_finite")
            raise
        self._count(fault=False)
        return answer

    def refused_wrongly(self) -> None:
        """It refused a file that the champion could answer: that is its fault, not the client's."""
        self._count(fault=True)

    def figures(self) -> dict[str, Any]:
        """What the server reports of it."""
        worker = self._worker
        rss_mb = worker.rss_mb() if worker is not None else None
        with self._lock:
            crashed_at = list(self._crashed_at)
            remembered = worker.remember(rss_mb) if worker is not None and rss_mb and self.state == "ready" else []
        return {
            "state": self.state,
            "error": self._error,
            "model": str(self.model),
            "pid": worker.pid if worker is not None else None,
            "rss_mb": rss_mb,
            "memory": remembered,
            "restarts": self._restarts,
            "crashed_at": [iso(at) for at in crashed_at],
            "non_finite": self._non_finite,
            "tripped": self._breaker.tripped,
            "waiting": len(worker.backlog) if worker is not None else 0,
        }

    # -- its thread ---------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Start the process, and again after each crash; a model that never was loaded is not tried again."""
        try:
            launch = {**self._launch, "folder": str(self._fetched())}
            pause_s = FIRST_PAUSE_S
            while not self._stopped.is_set():
                began = time.monotonic()
                if not self._live(launch):
                    return
                pause_s = FIRST_PAUSE_S if time.monotonic() - began > HEALTHY_S else pause_s
                self._stopped.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                self._restarts += 1
        except Exception as error:
            self._fail(error.message if isinstance(error, EcosightError) else repr(error))

    def _fetched(self) -> Any:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return self._fetch(self.model)
            except Unavailable as error:  # the model is none the worse for a registry that is away
                self._error = error.message
                if self._stopped.wait(pause_s):
                    raise
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _live(self, launch: dict[str, Any]) -> bool:
        """One life of the process. Returns: whether another one makes sense."""
        try:
            worker = self._worker = Worker(self.name, launch, **self._most)
        except OSError as error:  # the machine's fault, and it may pass
            self._error = f"no process could be started: {error}"
            return True
        not_loaded = None
        try:
            if not self._stopped.is_set():  # or else stop() saw no process yet, and nobody will kill this one
                worker.load()
                self._state, self._error, self._was_ready = "ready", "", True
                worker.answer()
        except NotLoaded as error:
            not_loaded = str(error) or "its process died while it loaded the model"
        except Exception:  # a fault around the process: the arm must not die of it
            get_logger("serving").exception("isolated_arm_fault", arm=self.name)
        finally:
            self._state = "loading"
            how = worker.end()
        if self._stopped.is_set():
            worker.close(ArmFault("unavailable", f"{self.name} was stopped"))
            return False
        worker.close(ArmFault("crash", f"the process of {self.name} died ({how})"))
        if not_loaded is not None and not self._was_ready:
            self._fail(f"{not_loaded} ({how})")
            return False
        return self._crashed(not_loaded or how)

    def _crashed(self, how: str) -> bool:
        get_logger("serving").warning("isolated_arm_died", arm=self.name, model=str(self.model), how=how)
        with self._lock:
            self._crashed_at.append(self._clock.now())
        self._tell_breaker(lambda breaker, at: breaker.crash(at))
        return not self._breaker.tripped

    def _fail(self, why: str) -> None:
        self._error, self._state = why, "failed"
        if not self._stopped.is_set():
            get_logger("serving").warning("isolated_arm_not_loaded", arm=self.name, model=str(self.model), error=why)

    # -- what is counted ----------------------------------------------------------------------------

    def _count(self, *, fault: bool, non_finite: bool = False) -> None:
        self._tell_breaker(lambda breaker, at: breaker.request(at, fault=fault))
        if non_finite:
            self._non_finite += 1  # on the event loop only
            self._tell_breaker(lambda breaker, _: breaker.non_finite())

    def _tell_breaker(self, tell: Callable[[Breaker, float], None]) -> None:
        with self._lock:
            before = self._breaker.tripped
            tell(self._breaker, time.monotonic())
            why = self._breaker.tripped
        if why and not before:
            get_logger("serving").warning("isolated_arm_tripped", arm=self.name, model=str(self.model), why=why)
