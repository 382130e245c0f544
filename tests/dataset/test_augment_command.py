"""``ecosight dataset augment`` as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from augment_kit import contents, noise, write_recordings
from project_kit import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    write_recordings(tmp_path / "source", groups=4)
    made = Project(tmp_path, {"ECOSIGHT__DATASET__GROUP_PATTERN": r"^(.+)-t\d"})
    made.run("ingest", "source")
    return made


def test_a_dry_run_says_what_the_run_then_does(project: Project) -> None:
    planned = project.run("dataset", "augment", "--out", "out", "--dry-run")
    assert not (project.folder / "out").exists()
    assert planned["to_make"] == 6 * planned["samples"]
    done = project.run("dataset", "augment", "--out", "out")
    assert (done["written"], done["files"], done["recipe"]) == (planned["to_make"], planned["files"], planned["recipe"])
    again = project.run("dataset", "augment", "--out", "out", "--dry-run")
    assert (again["to_make"], again["kept"], again["techniques"]) == (0, planned["files"], planned["techniques"])


def test_the_number_of_variants_and_the_techniques_are_chosen(project: Project) -> None:
    (project.folder / "stations").mkdir()
    (project.folder / "stations" / "a.wav").write_bytes(noise(1))
    chosen = ("--techniques", "pitch_up,background", "--background", "stations", "--snr", "10:12")
    done = project.run("dataset", "augment", "v1", "-o", "out", "--variants", "3", "--no-originals", *chosen)
    assert done["files"] == 3 * done["samples"]
    names = {Path(file).stem.split("_", 1)[1] for file in contents(project.folder / "out") if file.endswith(".wav")}
    assert names == {"pitch_up", "background", "pitch_up_2"}
    manifest = (project.folder / "out" / "augmented.csv").read_text()
    assert '""snr_db"": 1' in manifest


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--techniques", "pitch_upp"), 4, "no technique 'pitch_upp'"),
        (("--variants", "-1"), 3, "not possible"),
        (("--snr", "loud"), 3, "no range"),
        (("--background", "nowhere"), 4, "no folder"),
        (("--background", "."), 8, "held-out"),
        (("--out", "source"), 5, "not empty"),
    ],
)
def test_bad_wishes_get_one_sentence(project: Project, arguments: tuple[str, ...], code: int, says: str) -> None:
    answer = project.run("dataset", "augment", "--out", "out", *arguments, expect=code)
    assert says in answer["error"]["message"]
    assert answer["error"]["hint"]
    assert not (project.folder / "out").exists()


def test_help_stays_quick(tmp_path: Path) -> None:
    script = """
import sys
from pipeline.cli import main
sys.argv = ["ecosight", "dataset", "augment", "--help"]
try:
    main()
except SystemExit:
    pass
print([name for name in ("numpy", "scipy", "soundfile", "soxr", "dataset.augmenting") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"
