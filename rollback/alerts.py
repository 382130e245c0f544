"""What operators read first: which model went, why, who answers now, and what is left to do. Written for 3 a.m."""

from __future__ import annotations

from typing import Any

from ecosight.rollouts import Incident, Rollout
from rollback.actions import Alert

__all__ = ["alert_of", "spoken_trigger"]


def alert_of(rollout: Rollout, incident: Incident) -> Alert:
    """The alert of an incident: critical while it is not sure that the restored model answers. A pure function."""
    verified = _step(incident, "verify")
    sure = verified is not None and verified["status"] == "done"
    if sure:
        state = f"{incident.restored} answers again, and probes confirm it. Nothing has to be done now."
    else:
        why = verified["details"].get("error", "") if verified else "it was not tried"
        state = f"It is NOT sure that {incident.restored} answers: {why}. Look at `ecosight rollout status` now."
    return Alert(
        key=incident.id,
        severity="warning" if sure else "critical",
        title=f"{incident.model} was taken back: {spoken_trigger(incident)}",
        text="\n".join(
            [
                f"Rule: {incident.trigger.get('rule', '')}",
                f"Observed: {incident.trigger.get('observed', '')}",
                state,
                f"The model stays locked until a person unlocks it: ecosight rollback unlatch {incident.id}",
            ]
        ),
    )


def spoken_trigger(incident: Incident) -> str:
    """The trigger in two or three words."""
    return _SPOKEN.get(str(incident.trigger.get("name", "")), str(incident.trigger.get("name", "unknown")))


def _step(incident: Incident, name: str) -> Any:
    return next((each for each in reversed(incident.steps) if each["step"] == name), None)


_SPOKEN = {
    "accuracy": "more wrong answers",
    "accuracy_floor": "accuracy below its floor",
    "crashes": "its process keeps dying",
    "errors": "more errors",
    "error_ceiling": "errors above their ceiling",
    "faults": "most requests fail",
    "label_drift": "it answers otherwise than the control",
    "latency": "slower answers",
    "load_failure": "it cannot be loaded",
    "manual": "by hand",
    "memory": "its memory grows",
    "non_finite": "numbers that are not finite",
}
