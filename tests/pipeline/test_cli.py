"""The command answers quickly, in one sentence, with an exit code that means something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def ecosight(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    script = """
import sys
from pipeline.cli import main
sys.argv = ["ecosight", "--help"]
try:
    main()
except SystemExit:
    pass
heavy = ("numpy", "sqlalchemy", "mlflow", "tensorflow", "pydantic", "fastapi")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "verb",
    [
        "init",
        "ingest",
        "dataset",
        "train",
        "evaluate",
        "compare",
        "errors",
        "register",
        "serve",
        "retrain",
        "label",
        "doctor",
        "demo",
        "rollout",
        "rollback",
    ],
)
def test_every_promised_verb_explains_itself(verb: str, tmp_path: Path) -> None:
    done = ecosight(verb, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_a_truth_for_nothing_is_no_success(tmp_path: Path) -> None:
    assert ecosight("init", cwd=tmp_path).returncode == 0
    done = ecosight("label", "pred_nobody", "owl", cwd=tmp_path)
    assert done.returncode != 0
    assert "there is no prediction 'pred_nobody'" in done.stderr


def test_init_writes_a_file_once(tmp_path: Path) -> None:
    assert ecosight("init", "--dry-run", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "config.yaml").exists()
    assert ecosight("init", cwd=tmp_path).returncode == 0
    again = ecosight("init", cwd=tmp_path)
    assert again.returncode == 5
    assert "exists already" in again.stderr
    assert "Traceback" not in again.stderr


def test_a_wrong_key_is_named_with_its_nearest(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("training: {epoch: 3}\n", "utf-8")
    done = ecosight("doctor", cwd=tmp_path)
    assert done.returncode == 2
    assert "training.epochs" in done.stderr


def test_an_error_with_json_is_json(tmp_path: Path) -> None:
    done = ecosight("--config", "nowhere.yaml", "doctor", "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "config"


def test_an_unknown_verb_is_a_usage_error(tmp_path: Path) -> None:
    done = ecosight("trian", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_dataset_log_of_an_empty_project_says_what_to_do(tmp_path: Path) -> None:
    done = ecosight("dataset", "log", cwd=tmp_path)
    assert done.returncode == 0
    assert "ecosight ingest" in done.stdout


def test_a_file_name_that_is_no_text_is_told_and_ends_no_command(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/clips/fox/"
    os.makedirs(folder)
    for name in (b"a\xff.wav", b"b\xfe.txt"):
        with open(folder + name, "wb") as file:
            file.write(b"no sound")
    done = ecosight("ingest", "clips", cwd=tmp_path, PYTHONIOENCODING="utf-8:strict")
    assert done.returncode == 0
    assert r"refused fox/a\udcff.wav" in done.stdout
    assert r"skipped fox/b\udcfe.txt" in done.stdout


def test_a_shell_variable_that_is_not_set_does_not_take_in_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "fox").mkdir()
    (tmp_path / "fox" / "a.wav").write_bytes(b"no sound")
    done = ecosight("ingest", "", cwd=tmp_path)
    assert done.returncode == 2
    assert "it is empty: name a folder or a file" in done.stderr


def test_init_says_that_there_is_no_such_folder(tmp_path: Path) -> None:
    for more in ((), ("--dry-run",)):
        told = ecosight("init", "nowhere/config.yaml", *more, cwd=tmp_path)
        assert told.returncode == 3
        assert told.stderr.splitlines()[0] == "error: there is no folder 'nowhere'"
