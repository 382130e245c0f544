"""A deployment as it is at one moment: the rollout, its health, and how it was taken back if it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ab_testing.health import Health
from ecosight.rollouts import Incident, Rollout
from ecosight.state.documents import plain

__all__ = ["Deployment", "told"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A model that is being let in, or was.

    Attributes:
        rollout: its row, as it was when it was looked at.
        health: what the triggers said last; None: nothing yet.
        servers: that answer now.
        incident: how it was taken back; None: it was not.
    """

    rollout: Rollout
    health: Health | None
    servers: int
    incident: Incident | None = None

    @property
    def id(self) -> str:
        return self.rollout.id

    @property
    def state(self) -> str:
        return self.rollout.state

    @property
    def finished(self) -> bool:
        return self.rollout.finished

    def as_dict(self) -> dict[str, Any]:
        """A JSON object."""
        incident = plain(self.incident) if self.incident is not None else None
        health = self.health.as_dict() if self.health is not None else None
        return {"rollout": plain(self.rollout), "health": health, "servers": self.servers, "incident": incident}


def told(deployment: Deployment) -> Mapping[str, Any]:
    """A look in a few words, for the log and the terminal."""
    health = deployment.health
    return {
        "rollout": deployment.id,
        "state": deployment.state,
        "stage": deployment.rollout.stage,
        "servers": deployment.servers,
        "health": health.state if health is not None else "not looked at yet",
        "trips": [f"{trip.name}: {trip.observed}" for trip in health.trips] if health is not None else [],
        "incident": deployment.incident.id if deployment.incident is not None else None,
    }
