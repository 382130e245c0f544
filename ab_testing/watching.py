"""What a leader has seen of the rollout that is under way; one that takes over reads it from the beginning."""

from __future__ import annotations

from datetime import datetime

from ab_testing.evidence import Evidence
from ab_testing.folding import EvidenceFold
from ab_testing.verdicts import Verdict
from ecosight.ports import Clock
from ecosight.rollouts import Rollout, Routing, ServerReport
from ecosight.state.exposures import Exposures, TruthCursor
from ecosight.state.routings import RoutingStore

__all__ = ["Watch"]

RECORD_EVERY_S = 60.0
"""A decision to hold is recorded this often, and whenever its reason changes."""


class Watch:
    """The evidence of one rollout as it grows. Used by one thread."""

    def __init__(self, rollout: Rollout, *, exposures: Exposures, routings: RoutingStore, clock: Clock) -> None:
        self.rollout_id = rollout.id
        self.fold = EvidenceFold(rollout)
        self._exposures, self._routings, self._clock = exposures, routings, clock
        self._cursor, self._newest = 0, ""
        self._truth_cursor: TruthCursor | None = None
        self._said: tuple[str, str, str] | None = None
        self._said_at: datetime | None = None

    def evidence(self, rollout: Rollout, routing: Routing, servers: list[ServerReport]) -> Evidence:
        """Everything known now. Raises: Unavailable: the database is away."""
        if self._newest and not self._exposures.is_at(self._cursor, self._newest):
            # The database was put back from a backup: its rows are counted from where that ends, and are the truth.
            self.fold, self._cursor, self._newest, self._truth_cursor = EvidenceFold(rollout), 0, "", None
        self.fold.rollout = rollout
        self.fold.reach(self._clock.now())
        while True:
            rows, self._cursor = self._exposures.since(self.rollout_id, self._cursor)
            if not rows:
                break
            if not all(self.fold.knows(row.stage) for row in rows):
                self.fold.set_routings(self._routings.history(rollout.id))  # read after the rows, so it has theirs
            self.fold.add(rows)
            self._newest = rows[-1].id
        truths, self._truth_cursor = self._exposures.truths_since(self.rollout_id, self._truth_cursor)
        self.fold.add_truths(truths)
        return self.fold.snapshot(self._clock.now(), servers, routing.epoch)

    def is_news(self, rollout: Rollout, verdict: Verdict) -> bool:
        """Whether a verdict is to be recorded: holding on for the same reason is, once a minute."""
        now, said = self._clock.now(), (rollout.state, verdict.action, verdict.reason)
        lately = self._said_at is not None and abs((now - self._said_at).total_seconds()) < RECORD_EVERY_S
        if verdict.action == "hold" and said == self._said and lately:
            return False
        self._said, self._said_at = said, now
        return True
