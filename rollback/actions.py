"""What a rollback does to the world, as ports: the executor decides what and when, these do it.

Every action may be called again with the same arguments, after a success too: an executor that dies between the
action and the note that it was done is followed by one that does it once more. So each is written as "let it be so".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from ecosight.rollouts import Incident, Rollout

__all__ = ["Alert", "IncidentStore", "ProbeReport", "RollbackActions", "Severity"]

Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """Requests that were sent to see whether the restored model answers.

    Attributes:
        sent, answered: requests, and those that were answered well.
        restored: answers that the restored model gave, by its digest.
        slowest_ms: None where none was answered.
        failures: what went wrong, one sentence each.
    """

    sent: int
    answered: int
    restored: int
    slowest_ms: float | None = None
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return 0 < self.sent == self.answered == self.restored and not self.failures

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"failures": list(self.failures), "passed": self.passed}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What operators are told.

    Attributes:
        key: the same for the same alert: a channel that has sent it need not send it again.
    """

    key: str
    severity: Severity
    title: str
    text: str


class RollbackActions(Protocol):
    """Raises of every action: Unavailable, when it should be tried again later."""

    def stop(self, rollout: Rollout, incident: Incident) -> Mapping[str, Any]:
        """Let nobody give the model more weight from here on: the rollout is ``rolling_back``.

        Returns: facts for the record.
        """
        ...

    def restore(self, rollout: Rollout, incident: Incident, percent: float) -> Mapping[str, Any]:
        """Let the model that is taken back answer at most so many percent of the keys; 0: the restored one alone.

        Returns: facts for the record, such as the epoch.
        """
        ...

    def probe(self, rollout: Rollout, incident: Incident) -> ProbeReport:
        """Send requests as a client would, and see who answers. A failed probe is a result, not an exception."""
        ...

    def alert(self, rollout: Rollout, incident: Incident, alert: Alert) -> Mapping[str, Any]:
        """Tell the operators. Returns: facts for the record, such as the channels."""
        ...

    def report(self, rollout: Rollout, incident: Incident) -> Mapping[str, Any]:
        """Write the incident report. Returns: its figures and where it lies; kept as ``Incident.report``."""
        ...


class IncidentStore(Protocol):
    """Where incidents are kept: ``ecosight.state.incidents.Incidents``."""

    def add(self, incident: Incident) -> Any:
        """Raises: Conflict: there is one of this id."""
        ...

    def save(self, incident: Incident, expected_revision: int) -> Incident:
        """Raises: Conflict: it has moved on."""
        ...

    def get(self, incident_id: str) -> Incident | None: ...

    def list(self, limit: int = ...) -> list[Incident]: ...
