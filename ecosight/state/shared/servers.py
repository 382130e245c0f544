"""Servers' reports for several machines: every second to Redis, and now and then to the database.

Whoever is alive always stands in the database too, so a promotion waits for every server, whatever Redis lost, and
although one server sees Redis and another does not.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime

from ecosight.errors import Unavailable
from ecosight.ports import Clock
from ecosight.rollouts import ServerReport
from ecosight.state.database import Database
from ecosight.state.servers import Servers
from ecosight.state.shared.errand import Errand
from ecosight.state.shared.reports import ReportBoard

__all__ = ["SharedServers"]

WRITE_EVERY_S = 2.0
"""Within the 5 s for which a report counts there is room for a second try, and for clocks that disagree."""
SETTLE_S = 1.0


class SharedServers(Servers):
    """Thread-safe, and safe across processes and machines."""

    def __init__(self, database: Database, board: ReportBoard, clock: Clock) -> None:
        super().__init__(database)
        self._board, self._clock = board, clock
        self._lock = threading.Lock()
        self._unwritten: dict[str, ServerReport] = {}
        self._write_at: dict[str, float] = {}
        self._writing = Errand("the report to the database", self._write)

    def report(self, report: ServerReport) -> None:
        """Replace what this server said before. While Redis answers, the database holds nobody up.

        Raises: Unavailable: neither Redis nor the database takes it.
        """
        try:
            self._board.say(report)
        except Unavailable:
            with self._lock:
                self._unwritten.pop(report.server_id, None)
            super().report(report)
            return
        with self._lock:
            self._unwritten[report.server_id] = report
            due = self._clock.monotonic() >= self._write_at.get(report.server_id, 0.0)
        if due:
            self._writing.ask()

    def live(self, now: datetime, within_s: float = 5.0) -> list[ServerReport]:
        """Those that were heard of lately, by age: of each server what it said last, wherever it said it.

        Raises: Unavailable: the database is away; then servers that do not see Redis would be missed.
        """
        newest = {each.server_id: each for each in super().live(now, within_s)}
        with suppress(Unavailable):
            for each in self._board.all():
                before = newest.get(each.server_id)
                lately = abs((now - each.seen_at).total_seconds()) <= within_s
                if lately and (before is None or each.seen_at >= before.seen_at):
                    newest[each.server_id] = each
        return sorted(newest.values(), key=lambda each: (each.started_at, each.server_id))

    def forget(self, server_id: str) -> None:
        """A server that stops in order is not waited for. Raises: Unavailable: the database is away."""
        self._writing.settle(SETTLE_S)  # else its last report would be written after this
        with self._lock:
            self._unwritten.pop(server_id, None)
            self._write_at.pop(server_id, None)
        with suppress(Unavailable):
            self._board.forget(server_id)
        super().forget(server_id)

    def close(self) -> None:
        self._writing.settle(SETTLE_S)

    def _write(self) -> None:
        with self._lock:
            reports, self._unwritten = self._unwritten, {}
        for report in reports.values():
            began = self._clock.monotonic()
            super().report(report)
            with self._lock:
                self._write_at[report.server_id] = began + WRITE_EVERY_S
