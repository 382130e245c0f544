"""The routing document for several machines: written to the database, looked up in Redis, confirmed by the database.

The database decides. A new routing is written there first, under its compare-and-set and its fence, and then posted in
Redis, where every server looks. So Redis can never rightly be ahead of the database, and everything that is found there
may be wrong: lost, old, late, or somebody else's. Three rules keep that harmless:

- Only a posting whose epoch is no lower replaces one; so a process that slept between the two writes undoes nothing.
- One process of all, twice a second, compares the posting with the database and corrects it: what it read in Redis
  *before* it asked the database differs only by being behind or by being wrong. Each process does so by itself now
  and then too, and at once when it knows more than Redis does.
- The document itself is always the database's. Redis stands in only while the database does not answer.
"""

from __future__ import annotations

import math
import threading
from contextlib import suppress

from ecosight.errors import Unavailable
from ecosight.logs import get_logger
from ecosight.ports import Clock, Fence
from ecosight.rollouts import Routing
from ecosight.state.database import Database
from ecosight.state.routings import RoutingStore
from ecosight.state.shared.errand import Errand
from ecosight.state.shared.routing_board import Posted, RoutingBoard

__all__ = ["SharedRoutings"]

COMPARE_EVERY_S = 5.0
"""Each process by itself. Rare, as one of all does so twice a second: this is for a Redis that gives nobody a turn."""
DATABASE_S = 1.0
"""For a document that Redis has too, the database is waited for so long."""


class SharedRoutings(RoutingStore):
    """Thread-safe, and safe across processes and machines. ``at`` and ``history`` read the database.

    The epoch that one object tells goes back only where the database's own does: when it was restored.
    """

    def __init__(self, database: Database, board: RoutingBoard, clock: Clock) -> None:
        super().__init__(database)
        self._board, self._clock = board, clock
        self._lock = threading.Lock()
        self._known: Routing | None = None
        self._changes = 0
        self._compare_at = -math.inf
        self._comparing = Errand("the look at the database", lambda: self._compare(self._posted()))

    def current(self) -> Routing | None:
        """The newest routing; None before the first.

        Raises: Unavailable: neither Redis nor the database has it. IntegrityError: the database is damaged.
        """
        posted = self._posted()
        if posted is None or (shown := posted.routing) is None:
            return self._compare(posted)
        try:
            self._comparing.run(DATABASE_S)
        except Unavailable:
            return self._adopt(shown)
        with self._lock:
            return self._known

    def epoch(self) -> int:
        """The newest epoch, 0 before the first: one round trip to Redis, or to the database when Redis has none.

        Raises: Unavailable: neither has it.
        """
        posted = self._posted()
        if posted is None or (shown := posted.epoch) is None:
            return _epoch(self._compare(posted))
        if self._compare_at == -math.inf:  # nothing of this process was compared yet
            return _epoch(self.current())
        with self._lock:
            known = _epoch(self._known)
        if posted.my_turn or shown < known or self._clock.monotonic() >= self._compare_at:
            self._comparing.ask()
        return max(shown, known)

    def move(self, routing: Routing, *, fence: Fence | None = None) -> bool:
        """Let this be the newest routing: in the database, and then for everybody who looks in Redis.

        Returns: False when its epoch was written by another, or is not the next one.
        Raises: Conflict: the fence is broken. Unavailable: the database is away.
        """
        if not super().move(routing, fence=fence):
            self._comparing.ask()
            return False
        self._adopt(routing)
        with suppress(Unavailable):  # written is written: whoever has the next turn posts it
            if not self._board.post(routing):
                self._comparing.ask()
        return True

    def close(self) -> None:
        self._comparing.settle(DATABASE_S)

    def _posted(self) -> Posted | None:
        """None: Redis is away."""
        try:
            return self._board.look()
        except Unavailable:
            return None

    def _compare(self, posted: Posted | None) -> Routing | None:
        """Ask the database, and correct in Redis what was seen there before. Returns: the newest routing that is known.

        Raises: Unavailable: the database is away.
        """
        with self._lock:
            self._compare_at = self._clock.monotonic() + COMPARE_EVERY_S
            before = self._changes
        truth = super().current()
        known = self._adopt(truth, before)
        if posted is not None and (posted.routing != truth or (truth is None and posted.raw)):
            if (posted.epoch or 0) > _epoch(truth):
                get_logger("state").warning("redis_ahead", redis=posted.epoch, database=_epoch(truth))
            with suppress(Unavailable):
                self._board.replace(posted, truth)
        return known

    def _adopt(self, routing: Routing | None, before: int | None = None) -> Routing | None:
        """Know this one from now on if it is no older; an older one only as the database's answer to a question that
        was asked after the last change. Returns: what is known now."""
        with self._lock:
            if _epoch(routing) >= _epoch(self._known) or before == self._changes:
                self._changes += routing != self._known
                self._known = routing
            return self._known


def _epoch(routing: Routing | None) -> int:
    return routing.epoch if routing is not None else 0
