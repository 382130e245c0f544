"""What a run says about the code and the machine behind it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from mlflow_integration.environment import Revision, describe_environment, source_revision


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_the_commit_is_that_of_the_tracked_file(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("one")
    git(tmp_path, "init")
    assert source_revision(tmp_path / "code.py").commit == "unknown", "not tracked yet"
    git(tmp_path, "add", "code.py")
    assert "no commit yet" in source_revision(tmp_path / "code.py").note
    git(tmp_path, "commit", "-m", "first")
    clean = source_revision(tmp_path / "code.py")
    assert (len(clean.commit), clean.dirty) == (40, False)
    (tmp_path / "code.py").write_text("two")
    assert source_revision(tmp_path / "code.py") == Revision(commit=clean.commit, dirty=True)


def test_an_installed_copy_inside_a_work_tree_is_no_part_of_it(tmp_path: Path) -> None:
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "first")
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "code.py").write_text("")
    found = source_revision(tmp_path / "site-packages" / "code.py")
    assert (found.commit, found.note) == ("unknown", "the code does not lie in a git work tree")


def test_the_packages_can_be_installed_again() -> None:
    environment = describe_environment(seed=0)
    lines = environment.requirements().splitlines()
    assert f"mlflow=={environment.packages['mlflow']}" in lines
    assert len(lines) == len(environment.packages) > 50
    assert environment.tags()["ecosight.seed"] == "0", "seed 0 is a seed"
    assert "ecosight.seed" not in describe_environment(seed=None).tags()
