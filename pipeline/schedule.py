"""Retrains by the calendar: queues one job at each due moment, however many servers look at the same clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from ecosight.clock import iso
from ecosight.errors import AlreadyRunning, EcosightError
from ecosight.logs import get_logger

if TYPE_CHECKING:
    from ecosight.ports import Clock
    from ecosight.state.jobs import JobQueue

__all__ = ["RetrainingSchedule"]


class RetrainingSchedule:
    """A background task of a server. A moment that passed while no server ran is not made up for.

    Args:
        expression: five cron fields, UTC.
        trigger: says (due, new samples); with no new sample at all the moment passes, which is logged.
    """

    def __init__(
        self,
        expression: str,
        *,
        jobs: JobQueue,
        trigger: Callable[[], tuple[bool, int]],
        clock: Clock,
        poll_seconds: float = 5.0,
    ) -> None:
        from training.cron import next_run

        self._expression, self._jobs, self._trigger, self._clock = expression, jobs, trigger, clock
        self._poll_seconds = poll_seconds
        self._next_run = next_run
        self._due = next_run(expression, clock.now())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="retraining-schedule", daemon=True)
        self._log = get_logger("pipeline")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def tick(self, now: datetime) -> None:
        """Queue the retraining if its moment has come; a clock that jumped far ahead queues one, not many."""
        if now < self._due:
            return
        moment, self._due = self._due, self._next_run(self._expression, now)
        _, new = self._trigger()
        if new == 0:
            self._log.info("schedule_passed", due=iso(moment), reason="no new recordings")
            return
        try:
            # The key makes it one job however many servers reach this line.
            self._jobs.enqueue("retrain", {"reason": "schedule"}, exclusive=True, key=f"schedule:{iso(moment)}")
        except AlreadyRunning as error:
            self._log.info("schedule_passed", due=iso(moment), reason=error.message)

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                self.tick(self._clock.now())
            except EcosightError as error:  # the database is away: looked at again at the next poll
                self._log.warning("schedule_delayed", error=error.message)
