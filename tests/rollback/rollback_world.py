"""A world that rollbacks act on: a folder. What was done there outlives the process that did it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ecosight.clock import SystemClock
from ecosight.rollouts import Incident, Rollout
from rollback.actions import Alert, ProbeReport
from rollback.publishing import publish_report
from rollback.report import Material, build_report

NOTHING: Callable[[], None] = lambda: None  # noqa: E731


class World:
    """Rollback actions over a folder. ``passed_by`` is called before and after each effect."""

    def __init__(self, folder: Path, passed_by: Callable[[], None] = NOTHING) -> None:
        self.folder, self._passed_by = folder, passed_by
        folder.mkdir(exist_ok=True)

    def stop(self, rollout: Rollout, incident: Incident) -> Mapping[str, Any]:
        self._set("stopped", True)
        return {}

    def restore(self, rollout: Rollout, incident: Incident, percent: float) -> Mapping[str, Any]:
        assert self.read("stopped"), "stopped before it is restored"
        self._set("percent", percent)
        return {}

    def probe(self, rollout: Rollout, incident: Incident) -> ProbeReport:
        self._passed_by()
        assert self.read("percent") == 0, "restored before it is verified"
        return ProbeReport(sent=3, answered=3, restored=3, slowest_ms=2.0)

    def alert(self, rollout: Rollout, incident: Incident, alert: Alert) -> Mapping[str, Any]:
        self._set(f"alert-{alert.key}", {"severity": alert.severity, "title": alert.title, "text": alert.text})
        return {"channels": ["folder"]}

    def report(self, rollout: Rollout, incident: Incident) -> Mapping[str, Any]:
        self._passed_by()
        report = build_report(Material(incident=incident, rollout=rollout), made_at=SystemClock().now())
        published = publish_report(report, self.folder / "reports")
        self._passed_by()
        return published

    def read(self, name: str) -> Any:
        file = self.folder / f"{name}.json"
        return json.loads(file.read_text()) if file.exists() else None

    def _set(self, name: str, value: Any) -> None:
        self._passed_by()
        (self.folder / f"{name}.json").write_text(json.dumps(value))
        self._passed_by()
