"""`ecosight compare`, as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from project_kit import Project, write_clips


def test_one_model_alone_is_answered_with_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "compare", "champion"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.splitlines()[-2:] == [
        "error: a comparison needs at least two models",
        "hint: Such as: ecosight compare champion 4",
    ]


@pytest.mark.slow
def test_two_trained_models_are_compared_on_the_test_part(tmp_path: Path) -> None:
    project = Project(
        tmp_path, {"ECOSIGHT__EVALUATION__BOOTSTRAP_SAMPLES": "100", "ECOSIGHT__DATASET__AUGMENTATION": "0"}
    )
    write_clips(tmp_path / "clips", each=12)
    project.run("ingest", "clips")
    for epochs in ("1", "12"):
        project.run("train", "--epochs", epochs)
    told = project.run("compare", "1", "2", "--data", "main@v1/test", "--output", "out", "--correction", "bonferroni")
    assert {model["name"] for model in told["models"]} == {"ecosight/1", "ecosight/2"}
    assert (told["data"], told["correction"], len(told["pairs"])) == ("main@v1/test", "bonferroni", 1)
    evaluated = project.run("evaluate", "--model", "2", "--data", "main@v1/test")["report"]["accuracy"]
    assert next(each for each in told["models"] if each["name"] == "ecosight/2")["figures"]["accuracy"] == evaluated
    assert json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8"))["n"] == told["n"]
    assert (tmp_path / "out" / "comparison.html").is_file()
