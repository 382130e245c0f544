from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dataset.changes import relabelled
from dataset.ingest import IngestReport, ingest, ingest_found
from dataset.reading import Found
from ecosight.errors import Cancelled, NotFound
from ecosight.progress import NullProgress

Write = Callable[..., Path]


def run(project: Any, source: Path, progress: Any = None) -> IngestReport:
    return ingest(
        source,
        intake=project.intake,
        repository=project.repository,
        message="first light",
        progress=progress or NullProgress(),
        extensions=project.modality.extensions,
    )


def test_a_folder_becomes_a_version(project: Any, write_notes: Write) -> None:
    report = run(project, write_notes({"fox": ["1", "2", "3"], "owl": ["1"]}))
    assert (report.accepted, report.duplicates, report.created, str(report.version)) == (4, 0, True, "main@v1")
    version = project.repository.head()
    assert version.message == "first light"
    assert version.class_counts == report.class_counts == {"fox": 3, "owl": 1}
    assert {entry.part for entry in version.entries if entry.label == "fox"} == {"train", "val", "test"}
    assert report.sentence == "made main@v1: 4 samples in 2 classes"


def test_nothing_new_makes_no_version_and_says_so(project: Any, write_notes: Write) -> None:
    source = write_notes({"fox": ["1", "2"]})
    run(project, source)
    again = run(project, source)
    assert (again.accepted, again.duplicates, again.created, str(again.version)) == (0, 2, False, "main@v1")
    assert again.sentence.startswith("nothing new, main@v1 stays the newest version")
    assert len(project.repository.log()) == 1


def test_taking_in_a_folder_again_takes_no_correction_back(project: Any, write_notes: Write) -> None:
    source = write_notes({"fox": ["1", "2", "3"]})
    run(project, source)
    wrong = project.repository.head().entries[0].sample_id
    project.repository.commit_changes(relabelled({wrong: "owl"}, annotators={wrong: 3}), message="second listening")
    assert not run(project, source).created
    write_notes({"fox": ["4"]})
    assert run(project, source).class_counts == {"fox": 3, "owl": 1}
    assert {each.annotators for each in project.repository.head().entries if each.label == "owl"} == {3}


def test_a_bad_file_is_told_and_stops_nobody(project: Any, write_notes: Write) -> None:
    source = write_notes({"fox": ["1", "2"], "a\x07b": ["3"]})
    (source / "fox" / "bad.note").write_bytes(b"\x00\x01")
    (source / "fox" / "huge.note").write_bytes(b"note: " + b"x" * 5000)
    (source / "fox" / "readme.md").write_text("x")
    report = run(project, source)
    assert report.accepted == 2
    assert [(row["path"], row["error"]["code"]) for row in report.refused] == [
        ("a\x07b/3.note", "invalid_input"),
        ("fox/bad.note", "unsupported_media"),
        ("fox/huge.note", "media_too_large"),
    ]
    assert report.skipped == [{"path": "fox/readme.md", "reason": "not one of .note"}]


def test_only_bad_files_make_no_version(project: Any, write_notes: Write) -> None:
    source = write_notes({"fox": ["1"]})
    (source / "fox" / "1.note").write_bytes(b"")
    report = run(project, source)
    assert report.version is None
    assert report.sentence == "nothing was accepted, so there is no version"


def test_bytes_with_two_labels_are_a_conflict_and_the_first_path_wins(project: Any, write_notes: Write) -> None:
    source = write_notes({"fox": [str(n) for n in range(30)], "owl": ["x"]})
    for n in range(30):
        (source / "owl" / f"{n}.note").write_bytes((source / "fox" / f"{n}.note").read_bytes())
    report = run(project, source)
    assert (report.accepted, len(report.conflicts), report.class_counts) == (31, 30, {"fox": 30, "owl": 1})
    assert report.conflicts[0]["path"] == "owl/0.note"
    assert "known as 'fox' already" in report.conflicts[0]["error"]["message"]


def test_copies_in_one_folder_are_counted_as_duplicates(project: Any, write_notes: Write) -> None:
    source = write_notes({"fox": ["1"]})
    (source / "fox" / "copy.note").write_bytes((source / "fox" / "1.note").read_bytes())
    report = run(project, source)
    assert (report.accepted, report.duplicates, report.class_counts) == (1, 1, {"fox": 1})


def test_files_that_the_pattern_misses_are_counted(open_project: Callable[..., Any], write_notes: Write) -> None:
    project = open_project(pattern=r"^(\d+)-")
    report = run(project, write_notes({"fox": ["1-A", "1-B", "x"]}))
    assert report.unmatched == 1
    assert len({entry.group for entry in project.repository.head().entries}) == 2


def test_an_ingest_that_is_stopped_goes_on_where_it_was(project: Any, write_notes: Write) -> None:
    class Stop(NullProgress):
        left = 5

        def checkpoint(self) -> None:
            self.left -= 1
            if self.left == 0:
                raise Cancelled("stopped")

    source = write_notes({"fox": [str(n) for n in range(40)]})
    with pytest.raises(Cancelled):
        run(project, source, Stop())
    assert project.samples.count() == 5
    report = run(project, source)
    assert (report.accepted, report.duplicates, report.class_counts) == (35, 5, {"fox": 40})


def test_progress_counts_every_file(project: Any, write_notes: Write) -> None:
    seen: dict[str, Any] = {}

    class Count(NullProgress):
        @contextmanager
        def task(self, name: str, total: int, unit: str) -> Any:
            seen.update(total=total, done=0)
            yield self

        def advance(self, units: int = 1, **figures: Any) -> None:
            seen.update(done=seen["done"] + units, **figures)

    run(project, write_notes({"fox": ["1", "2", "3"]}), Count())
    assert seen == {"total": 3, "done": 3, "accepted": 3, "duplicates": 0, "refused": 0}


def test_a_source_that_is_not_there_is_not_found(project: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        run(project, tmp_path / "nowhere")


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_at_any_moment_loses_nothing_and_doubles_nothing(
    open_project: Callable[..., Any], write_notes: Write, tmp_path: Path, kills: int
) -> None:
    source = write_notes({label: [str(n) for n in range(100)] for label in ("fox", "owl", "bat")})
    folder = tmp_path / "project"
    folder.mkdir()
    script = Path(__file__).with_name("ingest_killed.py")
    dice, entered = random.Random(9), 0
    for _ in range(kills):
        with subprocess.Popen([sys.executable, script, source, folder], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(dice.uniform(0.02, 0.25))
            child.kill()
        project = open_project()
        now = project.samples.count()
        assert now >= entered
        assert all(project.blobs.has(sample.id) for sample in project.samples.all())
        entered = now
    assert entered > 0
    report = run(project, source)
    assert report.accepted + report.duplicates == 300
    assert project.samples.counts_by_label() == report.class_counts == {"bat": 100, "fox": 100, "owl": 100}
    assert len(project.repository.head().sample_ids) == 300


def test_a_name_that_no_file_can_have_is_refused_and_stops_nobody(project: Any, write_notes: Write) -> None:
    source = write_notes({"fox": ["1"]})
    found = [Found(path=Path("a\0b"), label="fox"), Found(path=source / "fox" / "1.note", label="fox")]
    rooms = {"intake": project.intake, "repository": project.repository}
    report = ingest_found(found, **rooms, message="x", progress=NullProgress())
    assert (report.accepted, [row["error"]["code"] for row in report.refused]) == (1, ["unreadable_media"])
