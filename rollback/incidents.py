"""The incident log: opens the one incident of a rollout, notes each step, closes it; safe for two writers at once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from ecosight.clock import iso
from ecosight.errors import Conflict, NotFound
from ecosight.ports import Clock
from ecosight.rollouts import CANDIDATE, Incident, Rollout
from rollback.actions import IncidentStore

__all__ = ["IncidentLogger", "StepStatus", "incident_id"]

StepStatus = Literal["done", "failed", "given_up"]
"""``failed``: it is tried again. ``given_up``: it did not come about, and the rollback went on without it."""


def incident_id(rollout_id: str) -> str:
    """The id of a rollout's incident. It follows from the rollout's, so that two executors mean the same one."""
    return f"incident_{rollout_id.removeprefix('rollout_')}"


class IncidentLogger:
    """Writes incidents. Thread-safe and safe across processes: each note is compare-and-set.

    Args:
        writer: who is writing, such as the server's id; each step names it.
    """

    def __init__(self, store: IncidentStore, *, clock: Clock, writer: str = "") -> None:
        self._store, self._clock, self._writer = store, clock, writer

    def open(self, rollout: Rollout, trigger: Mapping[str, Any], details: Mapping[str, Any] | None = None) -> Incident:
        """The incident of a rollout; made by the first who asks, with the step ``detect`` done.

        Args:
            trigger: ``name``, ``kind``, ``rule``, ``observed``, and ``arm`` where there are several candidates.
        """
        identity = incident_id(rollout.id)
        found = self._store.get(identity)
        if found is not None:
            return found
        now = self._clock.now()
        arm = str(trigger.get("arm") or next(iter(rollout.candidates), CANDIDATE))
        detect = self._step("detect", "done", details or {})
        incident = Incident(
            id=identity,
            rollout_id=rollout.id,
            model=rollout.candidates.get(arm) or next(iter(rollout.candidates.values())),
            restored=rollout.champion,
            trigger=dict(trigger),
            opened_at=now,
            steps=(detect,),
        )
        with suppress(Conflict):  # another executor was first: its incident is the one
            self._store.add(incident)
        return self.get(identity)

    def note(self, incident: Incident, step: str, status: StepStatus, details: Mapping[str, Any]) -> Incident:
        """Write a step down. A failure replaces the failure before it, so that retries do not pile up.

        Raises: Conflict: somebody else wrote meanwhile.
        """
        steps = (*_without_failure(incident, step), self._step(step, status, details))
        changed = replace(incident, steps=steps)
        return self._store.save(changed, incident.revision)

    def close(self, incident: Incident, status: StepStatus, report: Mapping[str, Any]) -> Incident:
        """The last step, the report and the end, in one write.

        Raises: Conflict: somebody else wrote meanwhile.
        """
        made = status == "done"
        step = self._step("report", status, {"folder": report.get("folder", "")} if made else report)
        steps = (*_without_failure(incident, "report"), step)
        changed = replace(incident, steps=steps, report=dict(report) if made else {}, closed_at=self._clock.now())
        return self._store.save(changed, incident.revision)

    def get(self, identity: str) -> Incident:
        """Raises: NotFound."""
        found = self._store.get(identity)
        if found is None:
            raise NotFound(f"there is no incident {identity!r}", hint="`ecosight rollback list` shows them.")
        return found

    def history(self, limit: int = 20) -> list[Incident]:
        """Newest first."""
        return self._store.list(limit)

    def unfinished(self) -> list[Incident]:
        """Those whose rollback is under way, or whose executor died."""
        return [incident for incident in self._store.list(100) if incident.closed_at is None]

    def _step(self, step: str, status: StepStatus, details: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "step": step,
            "at": iso(self._clock.now()),
            "status": status,
            "details": {**details, **({"by": self._writer} if self._writer else {})},
        }


def _without_failure(incident: Incident, step: str) -> tuple[Mapping[str, Any], ...]:
    last = incident.steps[-1] if incident.steps else {}
    failed = last.get("step") == step and last.get("status") == "failed"
    return incident.steps[:-1] if failed else incident.steps
