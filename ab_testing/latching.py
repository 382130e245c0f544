"""Whether a model that was taken back may be tried again: not before a person says so, and later each time.

The latch is on the digest, not on the version: registering the same bytes again does not open it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ecosight.clock import iso
from ecosight.errors import Refused
from ecosight.rollouts import Incident
from ecosight.values import ModelRef

__all__ = ["Latch", "check_latch", "require_unlatched"]

FIRST_PAUSE = timedelta(minutes=15)
LONGEST_PAUSE = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """Attributes:
    incident: that holds the latch; None: a person has opened them all.
    times: how often these bytes were taken back.
    until: before then not even an unlatched model is tried again by itself; None: it may be.
    """

    incident: Incident | None
    times: int
    until: datetime | None

    @property
    def closed(self) -> bool:
        return self.incident is not None


def check_latch(digest: str, incidents: Iterable[Incident], now: datetime) -> Latch:
    """What earlier incidents say about some bytes. A pure function."""
    own = sorted((each for each in incidents if each.model.digest == digest), key=lambda each: each.opened_at)
    holding = next((each for each in reversed(own) if not each.unlatched_by), None)
    until = None
    if own:
        until = own[-1].opened_at + min(LONGEST_PAUSE, FIRST_PAUSE * 4 ** min(10, len(own) - 1))
    return Latch(incident=holding, times=len(own), until=until if until is not None and until > now else None)


def require_unlatched(model: ModelRef, incidents: Iterable[Incident], now: datetime, *, automatic: bool) -> None:
    """Let a rollout of these bytes begin.

    Args:
        automatic: nobody asked for it by hand; then the pause between two tries counts as well.
    Raises: Refused: latched, or too soon.
    """
    latch = check_latch(model.digest, incidents, now)
    if latch.incident is not None:
        raise Refused(
            f"{model} was taken back on {iso(latch.incident.opened_at)} "
            f"({latch.incident.trigger.get('name', 'by hand')}, incident {latch.incident.id}) and stays locked",
            hint=f"Look at the report; then, if you mean it: ecosight rollback unlatch {latch.incident.id}",
            incident_id=latch.incident.id,
        )
    if automatic and latch.until is not None:
        raise Refused(
            f"{model} was taken back {'once' if latch.times == 1 else f'{latch.times} times'}; "
            f"the next try that nobody asks for by hand may begin at {iso(latch.until)}",
            hint="A person may start it sooner.",
        )
