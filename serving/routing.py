"""Follows the routing document: a thread looks for a new epoch, starts what it needs, and swaps one immutable snapshot.

The hot path reads the snapshot and never waits: while the database is away, the last one stays.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ab_testing.router import Router
from ecosight.errors import EcosightError
from ecosight.ids import new_id
from ecosight.logs import get_logger
from ecosight.ports import Clock
from ecosight.rollouts import CHAMPION, Arm, Routing, ServerReport
from ecosight.state.routings import RoutingStore
from ecosight.state.servers import Servers
from serving.champion_probe import ChampionProbe
from serving.isolation import IsolatedArm
from serving.model_holder import ModelHolder

__all__ = ["RoutingFollower", "Snapshot"]

POLL_S = 0.25
REPORT_EVERY_S = 1.0
"""A report is a commit on the disk. What the controller acts upon at once is told at once, by ``_urgent``."""
GRACE_S = 2.0
LOOK_AT_ARMS_S = 0.05
_URGENT = frozenset({"state", "error", "epoch", "digest", "pid", "restarts", "crashed_at", "non_finite", "tripped"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Who answers, at one epoch. A request uses one snapshot to its end."""

    routing: Routing
    router: Router
    isolated: Mapping[str, IsolatedArm] = field(default_factory=dict)

    @property
    def shadows(self) -> list[tuple[Arm, IsolatedArm]]:
        return [(arm, self.isolated[arm.name]) for arm in self.routing.arms if arm.shadow and arm.name in self.isolated]


class RoutingFollower:
    """The routing as this server follows it.

    Args:
        make_arm: makes an arm that answers from processes of its own; not started yet.
        grace_s: requests that came before a new routing may use the arms of the old one for so long.
    """

    def __init__(
        self,
        routings: RoutingStore,
        servers: Servers,
        holder: ModelHolder,
        clock: Clock,
        *,
        make_arm: Callable[[Arm], IsolatedArm],
        grace_s: float = GRACE_S,
    ) -> None:
        self._routings, self._servers, self._holder, self._clock = routings, servers, holder, clock
        self._make_arm, self._grace_s = make_arm, grace_s
        self._arms: dict[tuple[str, str], IsolatedArm] = {}
        self._retiring: list[threading.Thread] = []
        self._current: Snapshot | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="routing", daemon=True)
        self.server_id = new_id("server")
        self._started_at = clock.now()
        self._epoch, self._champion_alone = 0, True
        self._probe = ChampionProbe(holder)
        self._told: object = None
        self._told_at = 0.0

    def start(self) -> None:
        """Read the routing once, so that the first request finds it, then follow it on a thread."""
        self._try(self.look)
        self._thread.start()

    def wait_for_arms(self, timeout_s: float) -> bool:
        """Wait until no arm is loading any more. A server that takes requests earlier would count them as faults.

        Returns: whether that came about in time.
        """
        until = self._clock.monotonic() + timeout_s
        while any(arm.state == "loading" for arm in list(self._arms.values())):
            if self._clock.monotonic() > until or self._stop.wait(LOOK_AT_ARMS_S):
                return False
        return True

    def stop(self) -> None:
        """End the arms, and let nobody wait for this server any more."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._current = None
        self._let_go(list(self._arms))
        for thread in self._retiring:
            thread.join()
        self._try(lambda: self._servers.forget(self.server_id))

    @property
    def current(self) -> Snapshot | None:
        """None while no rollout runs: the champion answers everything."""
        return self._current

    def look(self) -> None:
        """Take over a newer routing, if there is one. Raises: Unavailable."""
        routing = self._routings.current()
        if routing is not None:
            self._apply(routing)

    def report(self) -> ServerReport:
        """What this server says about itself now."""
        return ServerReport(
            server_id=self.server_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=self._started_at,
            seen_at=self._clock.now(),
            epoch=self._epoch,
            loaded=self._holder.loaded(),
            arms={CHAMPION: self._probe.figures(), **{name: arm.figures() for (name, _), arm in self._arms.items()}},
        )

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._try(self._look_if_newer)
            self._try(lambda: self._probe.look(self._epoch, alone=self._champion_alone))
            self._try(self._tell)
            self._stop.wait(POLL_S)

    def _tell(self) -> None:
        report, now = self.report(), self._clock.monotonic()
        urgent = _urgent(report)
        if urgent != self._told or now - self._told_at >= REPORT_EVERY_S - POLL_S / 2:
            self._servers.report(report)
            self._told, self._told_at = urgent, now

    def _look_if_newer(self) -> None:
        if self._routings.epoch() != self._epoch:
            self.look()

    def _apply(self, routing: Routing) -> None:
        wanted = {(arm.name, arm.model.digest): arm for arm in routing.arms if arm.isolated}
        for key, arm in wanted.items():
            if key not in self._arms:
                made = self._make_arm(arm)
                made.start()
                self._arms[key] = made
        isolated = {name: self._arms[name, digest] for name, digest in wanted}
        if routing.rollout_id:
            self._holder.follow(routing.arms[0].model, routing.standby)
            self._current = Snapshot(routing, Router(routing), isolated)
        else:
            self._holder.follow(None)
            self._current = None
        self._epoch, self._champion_alone = routing.epoch, len(routing.arms) == 1 and not routing.standby
        self._let_go([key for key in self._arms if key not in wanted])

    def _let_go(self, keys: Sequence[tuple[str, str]]) -> None:
        self._retiring = [thread for thread in self._retiring if thread.is_alive()]
        for key in keys:
            thread = threading.Thread(target=self._retire, args=(self._arms.pop(key),), name="arm-stop", daemon=True)
            self._retiring.append(thread)
            thread.start()

    def _retire(self, arm: IsolatedArm) -> None:
        """Requests that hold the old snapshot may finish first."""
        self._stop.wait(self._grace_s)
        arm.stop()

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except EcosightError as error:
            get_logger("serving").debug("routing_not_followed", error=error.message)
        except Exception:
            get_logger("serving").exception("routing_not_followed")


def _urgent(report: ServerReport) -> object:
    """All of a report but how much memory there is, what waits, and when it was."""
    arms = {name: {key: told[key] for key in told.keys() & _URGENT} for name, told in report.arms.items()}
    return report.epoch, dict(report.loaded), arms
