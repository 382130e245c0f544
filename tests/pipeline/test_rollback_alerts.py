"""Alerts of rollbacks in ``alerts.jsonl``: each once, whatever stands in the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecosight.config import load_config
from pipeline.rollback_actions import live_actions
from pipeline.wiring import open_workbench
from rollback.actions import Alert


@pytest.mark.parametrize("torn", ["", '{"at": "2026-05-01T03:12:00Z", "ke', '[1]\n{"title": "of another"}\n\x00\n'])
def test_a_torn_or_foreign_line_keeps_no_alert_from_being_told(tmp_path: Path, torn: str) -> None:
    file = tmp_path / "root" / "alerts.jsonl"
    with open_workbench(load_config(project={"root": str(tmp_path / "root")})) as bench:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(torn, "utf-8")
        tell = live_actions(bench).tell
        alerts = [Alert(key=f"incident_{n}", severity="critical", title="gone", text="") for n in (1, 2, 1)]
        assert all(list(tell(alert)) == ["log", "alerts.jsonl"] for alert in alerts)
    assert [json.loads(line)["key"] for line in file.read_text("utf-8").splitlines()[-2:]] == [
        "incident_1",
        "incident_2",
    ]
