"""Follows the routing document: a thread looks for a new epoch, starts what it needs, and swaps one immutable snapshot.

The hot path reads the snapshot and never waits: while the database is away, the last one stays.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ab_testing.router import Router
from ecosight.errors import EcosightError
from ecosight.ids import new_id
from ecosight.logs import get_logger
from ecosight.ports import Clock
from ecosight.rollouts import CHAMPION, Arm, Routing, ServerReport
from ecosight.state.routings import RoutingStore
from ecosight.state.servers import Servers
from serving.isolation import IsolatedArm
from serving.model_holder import ModelHolder

__all__ = ["RoutingFollower", "Snapshot"]

POLL_S = 0.25
REPORT_EVERY_S = 0.5
GRACE_S = 2.0


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
    """

    def __init__(
        self,
        routings: RoutingStore,
        servers: Servers,
        holder: ModelHolder,
        clock: Clock,
        *,
        make_arm: Callable[[Arm], IsolatedArm],
    ) -> None:
        self._routings, self._servers, self._holder, self._clock = routings, servers, holder, clock
        self._make_arm = make_arm
        self._arms: dict[tuple[str, str], IsolatedArm] = {}
        self._current: Snapshot | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="routing", daemon=True)
        self.server_id = new_id("server")
        self._started_at = clock.now()
        self._epoch = 0
        self._probe: dict[str, Any] = {}

    def start(self) -> None:
        """Read the routing once, so that the first request finds it, then follow it on a thread."""
        self._try(self.look)
        self._thread.start()

    def stop(self) -> None:
        """End the arms, and let nobody wait for this server any more."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._current = None
        for arm in self._arms.values():
            arm.stop()
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
            arms={CHAMPION: dict(self._probe), **{name: arm.figures() for (name, _), arm in self._arms.items()}},
        )

    def _follow(self) -> None:
        since_report = REPORT_EVERY_S
        while not self._stop.is_set():
            before = self._epoch
            self._try(self._look_if_newer)
            self._try(self._probe_champion)
            since_report += POLL_S
            if since_report >= REPORT_EVERY_S or self._epoch != before:
                self._try(lambda: self._servers.report(self.report()))
                since_report = 0.0
            self._stop.wait(POLL_S)

    def _look_if_newer(self) -> None:
        if self._routings.epoch() != self._epoch:
            self.look()

    def _apply(self, routing: Routing) -> None:
        wanted = {(arm.name, arm.model.digest): arm for arm in routing.arms if arm.isolated}
        for key, arm in wanted.items():
            if key not in self._arms:
                self._arms[key] = self._make_arm(arm)
                self._arms[key].start()
        isolated = {name: self._arms[name, digest] for name, digest in wanted}
        if routing.rollout_id:
            self._holder.follow(routing.arms[0].model, routing.standby)
            self._current = Snapshot(routing, Router(routing), isolated)
        else:
            self._holder.follow(None)
            self._current = None
        self._epoch = routing.epoch
        for key in [key for key in self._arms if key not in wanted]:
            threading.Thread(target=self._retire, args=(self._arms.pop(key),), name="arm-stop", daemon=True).start()

    def _retire(self, arm: IsolatedArm) -> None:
        """Requests that hold the old snapshot may finish first."""
        self._stop.wait(GRACE_S)
        arm.stop()

    def _probe_champion(self) -> None:
        """Ask the champion about its own examples once in every epoch: whether it answers, and answers right."""
        champion = self._holder.current
        if champion is None or (self._probe.get("epoch"), self._probe.get("digest")) == (
            self._epoch,
            champion.ref.digest,
        ):
            return
        lease = champion.lease()
        if lease is None:
            return
        began, error = time.monotonic(), ""
        try:
            lease.servable.warm()
        except Exception as fault:
            error = fault.message if isinstance(fault, EcosightError) else repr(fault)
        finally:
            lease.release()
        self._probe = {
            "state": "failed" if error else "ready",
            "error": error,
            "epoch": self._epoch,
            "digest": champion.ref.digest,
            "model": str(champion.ref),
            "probe_ms": round(1000 * (time.monotonic() - began), 1),
        }

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except EcosightError as error:
            get_logger("serving").debug("routing_not_followed", error=error.message)
        except Exception:
            get_logger("serving").exception("routing_not_followed")
