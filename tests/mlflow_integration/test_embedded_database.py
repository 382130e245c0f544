"""The embedded database appears whole, and never over one that is there."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from mlflow_integration.embedded_database import ensure_database


def made(file: Path) -> bool:
    with sqlite3.connect(file) as database:
        return bool(database.execute("SELECT count(*) FROM experiments").fetchone()[0])


def test_it_is_made_with_its_folder_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a folder" / "mlflow.db"
    ensure_database(file, artifact_root=(tmp_path / "files").as_uri())
    assert made(file)
    assert [path.name for path in file.parent.iterdir()] == ["mlflow.db"]


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    ensure_database(tmp_path / "mlflow.db", artifact_root=tmp_path.as_uri())
    assert made(tmp_path / "mlflow.db")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_bytes(b"whatever it is")
    ensure_database(file, artifact_root=tmp_path.as_uri())
    assert file.read_bytes() == b"whatever it is"


def test_leftovers_of_processes_killed_long_ago_are_swept(tmp_path: Path) -> None:
    old, young = tmp_path / ".mlflow.db.1-aa.new", tmp_path / ".mlflow.db.2-bb.new"
    for leftover in (old, young):
        leftover.write_bytes(b"half a database")
    long_ago = time.time() - 7200
    os.utime(old, (long_ago, long_ago))
    ensure_database(tmp_path / "mlflow.db", artifact_root=tmp_path.as_uri())
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", young.name}
