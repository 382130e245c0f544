"""Configured gates in the loop: a trained model is judged by them, and what they found is kept where people look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from training_kit import Project, open_project

from evaluation.gates import replay_gate

GATES = [
    {"kind": "test_size", "samples": 6, "per_class": 1},
    {"kind": "margin", "by": 0.2, "confident": True},
    {"kind": "slice_floor", "fact": "month", "at_least": 0.2, "min_samples": 2},
    {"kind": "latency", "at_most_ms": 60000},
]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, template: Path) -> tuple[Project, Any]:
    """A project whose first training was judged by configured gates."""
    evaluation = {"gates": GATES, "generate_plots": True, "speed_seconds": 0.1}
    made = open_project(tmp_path_factory.mktemp("judged"), template, evaluation=evaluation)
    made.accept(12)
    return made, made.retrain("job_first")


def files_of(project: Project, run_id: str) -> dict[str, Path]:
    (folder,) = (project.parts.config.root / "mlartifacts").rglob(f"{run_id}/artifacts")
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def test_the_run_keeps_decision_speed_figures_and_the_page(judged: tuple[Project, Any]) -> None:
    project, record = judged
    assert record.verdict == "promoted", record.reasons
    assert any(reason.startswith("p99 latency is ") for reason in record.reasons)
    (run,) = project.runs()
    assert run.metrics["speed/latency_p99_ms"] > 0
    files = files_of(project, run.run_id)
    wanted = {"confusion", "reliability", "per_class", "roc", "precision_recall", "learning_curves"}
    assert {f"figures/{name}.png" for name in wanted} <= set(files)
    assert {"decisions/gate.json", "evaluation/report.json", "evaluation/speed.json", "figures/report.html"} <= set(
        files
    )
    decision = json.loads(files["decisions/gate.json"].read_text())["decision"]
    assert [each["rule"]["kind"] for each in decision["verdicts"]] == [rule["kind"] for rule in GATES]
    assert replay_gate(decision["evidence"]).as_dict() == decision
    page = files["figures/report.html"].read_text()
    assert '"promote":true' in page
    assert "p99 latency is" in page
    assert '"fps":' in page


def test_the_command_measures_speed_and_asks_the_gates(judged: tuple[Project, Any], tmp_path: Path) -> None:
    """The champion beside itself: equal bytes are equal; one rule is not kept, and the exit code says so."""
    project, _ = judged
    rules = [*GATES, {"kind": "test_size", "samples": 1000}]
    settings = {"PROJECT__ROOT": str(project.parts.config.root), "EVALUATION__SPEED_SECONDS": "0.1"}
    settings["EVALUATION__GATES"] = json.dumps(rules)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "evaluate", "--speed", "--gates", "--json", "--output", "out"],
        cwd=tmp_path,
        env={**os.environ, **{f"ECOSIGHT__{name}": value for name, value in settings.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 8, done.stderr
    told = json.loads(done.stdout)
    assert told["speed"]["engine"] == "onnxruntime"
    assert {"out/report.json", "out/speed.json", "out/gate.json", "out/report.html"} <= set(told["files"])
    assert [each["outcome"] for each in told["gates"]["verdicts"]] == ["passed"] * 4 + ["failed"]
    assert "95% interval [+0.000, +0.000]" in told["gates"]["verdicts"][1]["sentence"]
    assert "required are 1000 samples" in told["gates"]["reasons"][0]
