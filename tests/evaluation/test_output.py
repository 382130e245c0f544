"""The folder that results are written into."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ecosight.errors import InvalidInput
from evaluation.output import require_writable, writing


def test_a_folder_that_cannot_be_is_refused_with_a_sentence_and_a_missing_one_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nothing")):
        with pytest.raises(InvalidInput, match="cannot be written into: "):
            require_writable(folder)
    assert (tmp_path / "file").read_text() == "mine"
    require_writable(tmp_path / "a" / "b")
    assert not list((tmp_path / "a" / "b").iterdir())
    require_writable(None)


def test_a_disk_that_fills_up_while_writing_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No space left on device"), writing(tmp_path):
        Path("/dev/full").write_text("x")


@pytest.mark.parametrize("verb", ["evaluate", "compare a b", "errors"])
def test_a_command_refuses_a_folder_it_cannot_write_into_before_it_looks_for_a_model(verb: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *verb.split(), "--output", "file"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "error: the folder 'file' cannot be written into: File exists" in done.stderr
