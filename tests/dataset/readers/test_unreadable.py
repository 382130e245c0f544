"""What a user may not read is told with its name and what to do; a class is never missing without a word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataset.readers.readable import readable_bytes
from ecosight.errors import UnreadableMedia

ASK = """
import importlib.metadata, json, os, sys
from pathlib import Path
from dataset.reading import survey
from ecosight.errors import EcosightError
for point in importlib.metadata.entry_points(group="ecosight.readers"):
    point.load()  # as a user who may not read this project, either
os.chdir(sys.argv[1])
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
told = {}
for name in sys.argv[2:]:
    source, _, format = name.partition(":")
    try:
        found = survey(Path(source), {".wav"}, format=format)
        told[name] = {"found": len(found.found), "skipped": [[str(s.path), s.reason] for s in found.skipped]}
    except EcosightError as error:
        told[name] = error.as_dict()
print(json.dumps(told))
"""

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Sources as a user sees them who has no rights to what was locked."""
    tmp_path.chmod(0o755)

    def asked(*sources: str) -> dict[str, Any]:
        made = subprocess.run(
            [sys.executable, "-c", ASK, tmp_path, *sources],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        assert made.returncode == 0, made.stderr
        return dict(json.loads(made.stdout))

    return asked


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_source_that_may_not_be_read_is_told_in_a_sentence(ask: Ask, tmp_path: Path) -> None:
    write(tmp_path / "labels.csv", "path,label\nfox/a.wav,fox\n").chmod(0)
    write(tmp_path / "boxes.json", "{}").chmod(0)
    write(tmp_path / "beside" / "labels.csv", "path,label\na.wav,fox\n").chmod(0)
    write(tmp_path / "locked" / "fox" / "a.wav")
    (tmp_path / "locked").chmod(0)
    told = ask("labels.csv", "labels.csv:csv", "labels.csv:raven", "boxes.json:coco", "locked", "locked/fox", "beside")
    (tmp_path / "locked").chmod(0o755)
    user = 65534 if os.getuid() == 0 else os.getuid()
    for name, each in told.items():
        file = name.partition(":")[0] if name != "beside" else "beside/labels.csv"
        assert (each["code"], each["message"]) == ("invalid_input", f"{file} cannot be read: Permission denied")
        assert each["hint"].startswith(f"Let user {user} read it, such as: chmod")


def test_a_class_whose_folder_may_not_be_read_is_listed_as_skipped(ask: Ask, tmp_path: Path) -> None:
    write(tmp_path / "clips" / "fox" / "a.wav")
    (tmp_path / "clips" / "owl").mkdir()
    (tmp_path / "clips" / "owl").chmod(0)
    told = ask("clips")["clips"]
    (tmp_path / "clips" / "owl").chmod(0o755)
    assert told == {"found": 1, "skipped": [["clips/owl", "cannot be read: Permission denied"]]}


def test_a_file_that_went_away_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMedia, match=r"gone\.wav cannot be read: No such file"):
        readable_bytes(tmp_path / "gone.wav")
