"""A version laid out as files: byte for byte what came in, and nobody else's file is touched."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dataset_kit import in_memory, on_disk, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.changes import removed
from dataset.folders.checkout import CheckoutReport, checkout
from dataset.folders.file_names import file_names
from dataset.versions import DatasetRepository
from ecosight.errors import AlreadyRunning, Conflict, IntegrityError, InvalidInput
from ecosight.ids import content_digest
from ecosight.progress import NullProgress


def fill(repository: DatasetRepository, names: list[str], label: str = "fox") -> None:
    for name in names:
        repository.blobs.put(f"note: {name}".encode())
    repository.extend([sample(name, label) for name in names], message="more")


@pytest.fixture
def repository(tmp_path: Path) -> DatasetRepository:
    made = on_disk(tmp_path / "project")
    fill(made, [f"s{number}" for number in range(20)])
    return made


def lay_out(repository: DatasetRepository, folder: Path, version: str | None = None, **options: Any) -> CheckoutReport:
    return checkout(repository.get(version), folder, repository.blobs, NullProgress(), **options)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".ecosight" not in path.parts
    }


def assert_is(repository: DatasetRepository, folder: Path, version: str | None = None) -> None:
    found = files(folder)
    found.pop("samples.csv")
    expected = {path: digest for digest, path in file_names(repository.get(version)).items()}
    assert {path: content_digest(data) for path, data in found.items()} == expected


def test_every_version_is_laid_out_byte_for_byte(repository: DatasetRepository, tmp_path: Path) -> None:
    fill(repository, ["owl"], "owl")
    for version, written in (("v1", 21), ("v2", 2), ("v1", 1)):
        report = lay_out(repository, tmp_path / "out", version)
        assert report.written == written
        assert_is(repository, tmp_path / "out", version)
    assert lay_out(repository, tmp_path / "out", "v1").kept == 21
    with (tmp_path / "out" / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["path"] for row in rows} == files(tmp_path / "out").keys() - {"samples.csv"}
    assert {row["label"] for row in rows} == {"fox"}


def test_files_are_links_that_nobody_can_write_or_copies(repository: DatasetRepository, tmp_path: Path) -> None:
    linked = lay_out(repository, tmp_path / "links")
    assert (linked.linked, linked.written) == (20, 21)
    path = next((tmp_path / "links" / "train" / "fox").iterdir())
    assert path.stat().st_nlink == 2
    assert path.stat().st_mode & 0o222 == 0
    assert lay_out(repository, tmp_path / "copies", copy=True).linked == 0
    assert_is(repository, tmp_path / "copies")


@pytest.mark.parametrize("verify", [True, False])
def test_copies_take_the_place_of_links_that_were_there(
    repository: DatasetRepository, tmp_path: Path, verify: bool
) -> None:
    lay_out(repository, tmp_path / "out")
    assert lay_out(repository, tmp_path / "out", copy=True, verify=verify, dry_run=True).written == 20
    again = lay_out(repository, tmp_path / "out", copy=True, verify=verify)
    assert (again.written, again.linked, again.kept) == (20, 0, 1)
    path = next((tmp_path / "out" / "train" / "fox").iterdir())
    digest = content_digest(path.read_bytes())
    assert path.stat().st_nlink == 1
    path.write_text("edited")
    assert content_digest(repository.blobs.get(digest)) == digest
    path.unlink()
    assert lay_out(repository, tmp_path / "out", copy=True, verify=verify).written == 1


def test_a_store_without_files_is_copied(tmp_path: Path) -> None:
    made = in_memory()
    fill(made, ["a", "b", "c"])
    assert lay_out(made, tmp_path / "out").linked == 0
    assert_is(made, tmp_path / "out")


def test_somebody_else_s_file_is_never_overwritten(repository: DatasetRepository, tmp_path: Path) -> None:
    folder, path = tmp_path / "out", next(iter(file_names(repository.get()).values()))
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_text("mine")
    with pytest.raises(Conflict, match="holds files that this did not write"):
        lay_out(repository, folder)
    assert files(folder) == {path: b"mine"}
    assert lay_out(repository, folder, force=True).written == 21
    assert_is(repository, folder)


def test_a_folder_in_the_place_of_a_file_is_told_and_never_deleted(
    repository: DatasetRepository, tmp_path: Path
) -> None:
    folder, path = tmp_path / "out", next(iter(file_names(repository.get()).values()))
    (folder / path / "mine").mkdir(parents=True)
    with pytest.raises(Conflict, match="a folder stands where a file of the version belongs"):
        lay_out(repository, folder, force=True)
    assert (folder / path / "mine").is_dir()


def test_a_file_that_was_changed_afterwards_stays(repository: DatasetRepository, tmp_path: Path) -> None:
    fill(repository, ["owl"], "owl")
    folder = tmp_path / "out"
    lay_out(repository, folder, copy=True)
    path = next(path for path in file_names(repository.get()).values() if "/owl/" in path)
    (folder / path).write_text("edited")
    with pytest.raises(Conflict):
        lay_out(repository, folder, "v1")
    assert (folder / path).read_text() == "edited"
    (folder / "notes.txt").write_text("not ours, and not in the way")
    lay_out(repository, folder, "v1", force=True)
    assert (folder / "notes.txt").exists()
    assert not (folder / path).exists()


def test_a_link_out_of_the_folder_is_not_followed(repository: DatasetRepository, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict):
        lay_out(repository, tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_samples_that_went_go_from_the_folder(repository: DatasetRepository, tmp_path: Path) -> None:
    lay_out(repository, tmp_path / "out")
    gone = repository.get().part("val")
    repository.commit_changes(removed([entry.sample_id for entry in gone]), message="noise")
    assert lay_out(repository, tmp_path / "out").removed == len(gone)
    assert not (tmp_path / "out" / "val").exists()


def test_a_damaged_blob_is_not_laid_out(repository: DatasetRepository, tmp_path: Path) -> None:
    entry = repository.get().entries[0]
    (path,) = (tmp_path / "project" / "blobs").rglob(entry.sample_id)
    path.write_bytes(b"x" * entry.size_bytes)
    for copy in (False, True):
        with pytest.raises(IntegrityError):
            lay_out(repository, tmp_path / "out", copy=copy)


@pytest.mark.parametrize("note", ["", "[]", "null", '{"a": 1}', '{"a": {}}', '{"a": {"digests": 1}}', "\0"])
def test_a_damaged_note_is_told_and_nothing_is_changed(
    repository: DatasetRepository, tmp_path: Path, note: str
) -> None:
    lay_out(repository, tmp_path / "out")
    before = files(tmp_path / "out")
    (tmp_path / "out" / ".ecosight" / "files.json").write_text(note)
    with pytest.raises(InvalidInput, match=r"files\.json is damaged"):
        lay_out(repository, tmp_path / "out")
    assert files(tmp_path / "out") == before


def test_a_dry_run_writes_nothing(repository: DatasetRepository, tmp_path: Path) -> None:
    assert lay_out(repository, tmp_path / "out", dry_run=True).written == 21
    assert not (tmp_path / "out").exists()


def test_two_checkouts_do_not_meet_in_one_folder(repository: DatasetRepository, tmp_path: Path) -> None:
    class Meet(NullProgress):
        def checkpoint(self) -> None:
            with pytest.raises(AlreadyRunning):
                lay_out(repository, tmp_path / "out")

    checkout(repository.get(), tmp_path / "out", repository.blobs, Meet())


def test_names_of_clients_lead_nowhere() -> None:
    made = in_memory()
    evil = [sample("x"), sample("y"), sample("z")]
    evil_names = ["../../etc/passwd", "..", "é" * 300 + ".wav"]
    made.extend([replace(each, source=name) for each, name in zip(evil, evil_names, strict=True)], message="evil")
    for path in file_names(made.get()).values():
        assert path.count("/") == 2
        assert not path.rsplit("/", 1)[1].startswith(".")
        assert len(path.rsplit("/", 1)[1].encode()) < 255


@pytest.mark.parametrize("label", ["\U0001f438" * 64, "../../../etc", "/etc", "..", ".", "a\\b/c"])
def test_a_label_that_no_folder_can_have_is_a_folder_of_its_own_inside(tmp_path: Path, label: str) -> None:
    """64 characters may be more bytes than a name may have; a label that was fetched from elsewhere may be a path."""
    made = on_disk(tmp_path / "project")
    fill(made, ["x"], label)
    fill(made, ["y"], label[:-1] + "z")
    (tmp_path / "out").mkdir()
    lay_out(made, tmp_path / "out")
    assert_is(made, tmp_path / "out")
    assert {each.name for each in tmp_path.iterdir()} == {"project", "out"}
    folders = {path.rsplit("/", 1)[0].partition("/")[2] for path in file_names(made.get()).values()}
    assert len(folders) == 2
    assert not any("/" in each for each in folders)
    assert label in (tmp_path / "out" / "samples.csv").read_text("utf-8")


names = st.text(st.characters(exclude_categories=("C",), exclude_characters="/\\"), min_size=1, max_size=20)


@settings(max_examples=40)
@given(st.dictionaries(st.binary(min_size=1, max_size=50), st.tuples(names, names), min_size=1, max_size=8))
def test_whatever_the_names_and_the_bytes_every_version_comes_out_byte_for_byte(
    clips: dict[bytes, tuple[str, str]],
) -> None:
    repository = in_memory()
    with tempfile.TemporaryDirectory() as folder:
        for data, (label, source) in clips.items():
            if label.startswith(".") or not label.strip():
                continue  # no label: `check_label` refuses it
            digest = repository.blobs.put(data)
            made = replace(sample("x", label.strip()), id=digest, group=digest, source=source, size_bytes=len(data))
            repository.extend([made], message="more")
        for each in [*repository.log(), *repository.log()[::-1]]:
            lay_out(repository, Path(folder), each.ref.digest)
            assert_is(repository, Path(folder), each.ref.digest)


def check_out_alone(project: str, folder: str) -> None:
    lay_out(on_disk(Path(project)), Path(folder))


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_9_during_a_checkout_and_the_next_one_ends_it(tmp_path: Path, kills: int) -> None:
    repository = on_disk(tmp_path / "project")
    fill(repository, [f"s{number}" for number in range(400)])
    code = "import runpy,sys; runpy.run_path(sys.argv[1])['check_out_alone'](*sys.argv[2:])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    dice, stopped = random.Random(3), 0
    for _ in range(kills):
        arguments = [sys.executable, "-c", code, __file__, str(tmp_path / "project"), str(tmp_path / "out")]
        with subprocess.Popen(arguments, env=environment) as child:
            deadline = time.monotonic() + 60
            while not (tmp_path / "out" / ".ecosight" / "pending.json").exists() and time.monotonic() < deadline:
                if child.poll() is not None:
                    break
                time.sleep(0.001)
            time.sleep(dice.uniform(0, 0.05))
            stopped += child.poll() is None
            child.kill()
        for path, data in files(tmp_path / "out").items():
            assert path == "samples.csv" or data.startswith(b"note: s")
        if (tmp_path / "out" / ".ecosight" / "files.json").exists():
            (tmp_path / "out" / ".ecosight" / "files.json").rename(tmp_path / "out" / ".ecosight" / "pending.json")
            for path in list((tmp_path / "out" / "train").rglob("*.note"))[: dice.randrange(200)]:
                path.unlink()
    assert stopped
    lay_out(repository, tmp_path / "out")
    assert_is(repository, tmp_path / "out")
    assert list((tmp_path / "out" / ".ecosight" / "writing").iterdir()) == []
