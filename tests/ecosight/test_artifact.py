"""The servable artifact: sealed once, and no byte of it changes unnoticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecosight.artifact import DESCRIPTION_FILE, open_artifact, seal_artifact
from ecosight.errors import IntegrityError

DESCRIPTION = {"labels": ["dog", "gun"], "temperature": 1.25, "facts": {"seed": 7}}


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(b"weights")
    (tmp_path / "runtime.py").write_text("def load(folder): ...\n", "utf-8")
    seal_artifact(tmp_path, DESCRIPTION)
    return tmp_path


def test_what_was_sealed_is_what_is_opened(artifact: Path) -> None:
    opened = open_artifact(artifact)
    assert DESCRIPTION.items() <= opened.items()
    assert set(opened["files"]) == {"model.onnx", "runtime.py"}


def test_sealing_returns_the_digest_and_the_same_content_has_the_same(artifact: Path) -> None:
    digest = open_artifact(artifact)["digest"]
    assert seal_artifact(artifact, DESCRIPTION) == digest
    assert seal_artifact(artifact, DESCRIPTION | {"temperature": 1.5}) != digest
    (artifact / "model.onnx").write_bytes(b"weightz")
    assert seal_artifact(artifact, DESCRIPTION) != digest


@pytest.mark.parametrize("name", ["model.onnx", "runtime.py"])
def test_a_changed_or_missing_file_is_refused(artifact: Path, name: str) -> None:
    (artifact / name).write_bytes(b"other")
    with pytest.raises(IntegrityError, match=name):
        open_artifact(artifact)
    (artifact / name).unlink()
    with pytest.raises(IntegrityError, match=name):
        open_artifact(artifact)


def rewrite(folder: Path, **changes: object) -> None:
    file = folder / DESCRIPTION_FILE
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changes), "utf-8")


def test_a_changed_description_is_refused(artifact: Path) -> None:
    rewrite(artifact, labels=["gun", "dog"])
    with pytest.raises(IntegrityError, match="changed after"):
        open_artifact(artifact)


def test_a_newer_format_says_to_upgrade(artifact: Path) -> None:
    rewrite(artifact, format=2)
    with pytest.raises(IntegrityError) as caught:
        open_artifact(artifact)
    assert "Upgrade" in caught.value.hint


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"files": 1}'])
def test_what_is_no_artifact_is_told_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(IntegrityError, match="no servable model"):
        open_artifact(tmp_path)
    (tmp_path / DESCRIPTION_FILE).write_text(text, "utf-8")
    with pytest.raises(IntegrityError):
        open_artifact(tmp_path)


def test_a_file_list_cannot_reach_out_of_the_folder(artifact: Path) -> None:
    outside = artifact.parent / "outside"
    outside.write_bytes(b"x")
    from ecosight.artifact import _digest, _file_digest

    description = json.loads((artifact / DESCRIPTION_FILE).read_text("utf-8"))
    description["files"]["../outside"] = _file_digest(outside)
    rewrite(artifact, files=description["files"], digest=_digest(description))
    with pytest.raises(IntegrityError, match="outside"):
        open_artifact(artifact)


def test_a_number_that_json_cannot_hold_is_refused_when_sealing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        seal_artifact(tmp_path, {"temperature": float("nan")})
