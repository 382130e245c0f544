"""From what a user already has to versions, through the command: ESC-50's own folds, and Raven's selections."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from verbs import Command, verbs

from ecosight.errors import Refused

FOLDS = ("--test-fold", "1", "--val-fold", "2")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    (tmp_path / "config.yaml").write_text("project: {name: kit}\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    with verbs(capsys) as run:
        yield run


def test_published_folds_and_selections_become_versions_that_do_not_change(command: Command, esc50: Any) -> None:
    seen = command("ingest", "source", "--dry-run", *FOLDS)
    assert (seen["format"], seen["recordings"]) == ("esc-50", 18)
    assert seen["part_counts"] == {"test": 6, "train": 6, "val": 6}
    made = command("ingest", "source", *FOLDS)
    assert (made["format"], made["accepted"], made["created"]) == ("esc-50", 18, True)
    again = command("ingest", "source", *FOLDS)
    assert (again["accepted"], again["duplicates"], again["created"]) == (0, 18, False)
    # Other folds would move what a model may have learned: refused, and nothing is changed.
    with pytest.raises(Refused, match="is on two sides"):
        command("ingest", "source", "--test-fold", "2", "--val-fold", "1")

    clip = next((esc50.root / "audio").glob("3-*.ogg"))
    Path(clip.name).symlink_to(clip.resolve())
    header = "Selection\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin File\tAnnotation\n"
    rows = f"1\t0.0\t0.4\t100\t900\t{clip.name}\tcall\n2\t9\t9.5\t100\t900\t{clip.name}\tcall\n"
    Path("night.selections.txt").write_text(header + rows)
    staged = command("dataset", "add", "night.selections.txt")
    assert (staged["format"], staged["accepted"], staged["staged"]["added"]) == ("raven", 1, 1)
    assert "reaches over the end of the recording" in staged["refused"][0]["error"]["message"]
    command("dataset", "commit", "--override", "unsearched=pieces of what is there", "-m", "calls")
    # Read again, nothing is new: the same piece is the same bytes.
    assert command("ingest", "night.selections.txt")["created"] is False

    command("dataset", "checkout", "main", "out")
    with Path("out/samples.csv").open(newline="") as file:
        parts = {Path(row["path"]).name: row["part"] for row in csv.DictReader(file)}
    of_fold = {"1": "test", "2": "val", "3": "train"}
    clips = {name: part for name, part in parts.items() if name.endswith(".ogg")}
    assert len(clips) == 18
    assert all(part == of_fold[name[0]] for name, part in clips.items())
    assert sum(name.startswith(f"{clip.stem} 0.000-0.400s.") for name in parts) == 1
