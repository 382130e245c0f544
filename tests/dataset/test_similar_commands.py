"""`ecosight dataset duplicates` and `leak-check`, from files to answers, on sounds."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from project_kit import clip, write_clips


def ecosight(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def answer(folder: Path, *arguments: str) -> dict[str, Any]:
    done = ecosight(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty recordings; a copy of the first of each class under another name: softer, cut, as mp3 and as FLAC."""
    folder = tmp_path_factory.mktemp("project")
    write_clips(folder / "files", each=20)
    wave, rate = soundfile.read(io.BytesIO(clip("low", 0)))
    soundfile.write(folder / "files" / "low" / "softer.wav", 0.5 * wave[rate // 20 :], rate)
    wave, rate = soundfile.read(io.BytesIO(clip("middle", 0)))
    soundfile.write(folder / "files" / "middle" / "same.flac", wave, rate, subtype="PCM_16")
    wave, rate = soundfile.read(io.BytesIO(clip("high", 0)))
    noise = np.random.default_rng(1).normal(0, 0.02, len(wave))
    soundfile.write(folder / "files" / "middle" / "moved.mp3", wave + noise, rate)
    (folder / "files" / "high" / "again.wav").write_bytes(clip("high", 1))
    return folder


def sets(told: dict[str, Any]) -> dict[tuple[str, ...], str]:
    return {tuple(each["source"] for each in found["members"]): found["kind"] for found in told["clusters"]}


def test_copies_are_found_among_files_and_in_a_version(folder: Path) -> None:
    in_files = {
        ("low/000.wav", "low/softer.wav"): "near",
        ("middle/000.wav", "middle/same.flac"): "contents",
        ("high/000.wav", "middle/moved.mp3"): "near",
        ("high/001.wav", "high/again.wav"): "bytes",
    }
    assert sets(answer(folder, "dataset", "duplicates", "--files", "files")) == in_files

    assert ecosight(folder, "ingest", "files").returncode == 0
    told = answer(folder, "dataset", "duplicates")
    assert told["dataset"] == "main@v1"
    assert sorted(sets(told).values()) == ["contents", "near", "near"]  # the same file came in once only
    assert told["redundant"] == 3
    assert answer(folder, "dataset", "duplicates")["computed"] == 0

    text = ecosight(folder, "dataset", "duplicates").stdout
    assert "main@v1: 63 samples" in text
    assert "labels: high, middle" in text

    leaks = answer(folder, "dataset", "leak-check", "--repeats", "3")
    assert [found["labels"] for found in leaks["told_apart"]] == [["high", "middle"]]
    assert leaks["groups_across"] == []
    assert leaks["leaks"] == bool(leaks["clusters_across"])
    assert leaks["gap"]["repeats"] == 3
    assert leaks["gap"]["samples"] == 63
    strict = ecosight(folder, "dataset", "leak-check", "--no-gap", "--strict")
    assert strict.returncode == (8 if leaks["leaks"] else 0)
    assert "main@v1: " in strict.stdout


def test_what_is_not_there_is_said_in_one_sentence(tmp_path: Path) -> None:
    for arguments in (("duplicates",), ("leak-check",), ("duplicates", "--files", "nowhere")):
        done = ecosight(tmp_path, "dataset", *arguments)
        assert done.returncode in (3, 4)
        assert done.stderr.startswith("error: ")
        assert "hint: " in done.stderr
