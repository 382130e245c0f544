"""Datasets of pictures by the command: boxes become samples, measured, searched for copies, and laid out again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PICTURES = 12


def ecosight(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=120, check=False)


def answer(folder: Path, *arguments: str) -> dict[str, Any]:
    done = ecosight(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (data := os.environ.get("ECOSIGHT_DATA")):
        pytest.skip("ECOSIGHT_DATA names no folder of real pictures")
    folder, real = tmp_path_factory.mktemp("pictures"), Path(data) / "images" / "raccoon" / "dev"
    for kind in ("images", "annotations"):
        (folder / "field" / kind).mkdir(parents=True)
        for path in sorted((real / kind).iterdir())[:PICTURES]:
            shutil.copy(path, folder / "field" / kind)
    (folder / "config.yaml").write_text("project: {root: ./project, modality: image}\n")
    return folder


def test_pictures_with_boxes_become_a_dataset(folder: Path) -> None:
    taken = answer(folder, "ingest", "field")
    assert taken["format"] == "voc"
    assert taken["accepted"] >= PICTURES
    told = answer(folder, "dataset", "stats", "--quality", "--report", "page.html")
    assert told["samples"] == taken["accepted"]
    assert "raccoon" in (folder / "page.html").read_text("utf-8")
    answer(folder, "dataset", "checkout", "v1", "out")
    assert len(list((folder / "out").glob("*/raccoon/*.png"))) == taken["accepted"]


def test_who_wants_a_model_of_pictures_is_told_that_there_is_none_yet(folder: Path) -> None:
    done = ecosight(folder, "train")
    assert done.returncode != 0
    assert "no model can be trained on pictures or served yet" in done.stderr
