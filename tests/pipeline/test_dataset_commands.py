"""`ecosight dataset …` as a user types it: a folder becomes versions, which branch, merge and travel."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from project_kit import Project, write_clips
from typer import BadParameter

from dataset.ingest import IngestReport
from ecosight.errors import Conflict, InvalidInput, NotFound
from ecosight.progress import NullProgress
from pipeline.assess import find_data
from pipeline.commands.data import report_lines
from pipeline.wiring import open_workbench

CHANGING = ("create", "add", "commit", "branch", "tag", "checkout", "merge", "split", "push", "pull", "gc")
LOOKING = ("status", "log", "show", "stats", "diff", "fsck")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    write_clips(tmp_path / "clips", each=4)
    (tmp_path / "config.yaml").write_text("project: {name: kit}\n", "utf-8")
    return Project(tmp_path)


class Here:
    """The verbs in this process: a process for each would take long."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def __call__(self, *arguments: str) -> Any:
        from pipeline.cli import app

        self._capsys.readouterr()
        app(["dataset", *arguments, "--json"], standalone_mode=False)
        return json.loads(self._capsys.readouterr().out)


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    monkeypatch.chdir(project.folder)
    yield Here(project.folder, capsys)
    structlog.reset_defaults()


UNSEARCHED = ("--override", "unsearched=made by synthesis")


def dataset(project: Project, *arguments: str, expect: int = 0) -> Any:
    return project.run("dataset", *arguments, expect=expect)


def corrections(project: Project, name: str, labels: dict[str, str]) -> str:
    with (project.folder / name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("sample_id", "label"))
        writer.writerows(labels.items())
    return name


def test_a_correction_that_would_be_refused_is_refused_by_a_dry_run_too(project: Project) -> None:
    for more in ((), ("--dry-run",)):
        told = dataset(project, "add", "--labels", corrections(project, "a.csv", {"0" * 64: "hum"}), *more, expect=4)
        assert told["error"]["message"] == "1 samples are not in the dataset: 000000000000"


def test_a_folder_becomes_versions_that_branch_merge_and_travel(project: Project) -> None:
    commit = ("commit", *UNSEARCHED, "-m")
    assert dataset(project, "create", "v1.0.0", "--splits", "70/20/10")["splits"]["train"] == 0.7
    assert dataset(project, "add", "clips", "--dry-run")["files"] == 12
    assert dataset(project, "add", "clips")["staged"] == {"added": 12, "changed": 0, "removed": 0}
    assert dataset(project, "status")["unversioned"] == 12
    first = dataset(project, *commit, "first")
    assert (first["version"], first["created"]) == (1, True)
    state = dataset(project, "status")
    assert (state["unversioned"], state["staged"]["added"], state["open"]) == (0, 0, "v1.0.0")
    assert dataset(project, *commit, "again", expect=10)["error"]["code"] == "not_enough_data"
    assert dataset(project, "commit", "--dry-run", expect=10)["error"]["code"] == "not_enough_data"

    report = dataset(project, "checkout", "v1.0.0", "out")
    assert (report["written"], report["linked"]) == (13, 12)
    with (project.folder / "out" / "samples.csv").open() as file:
        ids = [row["sample_id"] for row in csv.DictReader(file)]
    (project.folder / "out" / "samples.csv").write_text("mine")
    assert dataset(project, "checkout", "v1", "out", expect=5)["error"]["code"] == "conflict"

    dataset(project, "branch", "night")
    dataset(project, "add", "--labels", corrections(project, "a.csv", {ids[0]: "hum", ids[1]: "hum"}))
    dataset(project, *commit, "hums")
    dataset(project, "add", "--branch", "night", "--labels", corrections(project, "b.csv", {ids[0]: "buzz"}))
    dataset(project, "commit", *UNSEARCHED, "--branch", "night", "-m", "buzz")
    assert dataset(project, "diff", "v1", "v2")["relabelled"] == 2
    merged = dataset(project, "merge", "night", *UNSEARCHED, "--conflicts", "conflicts.csv", expect=5)
    assert (merged["outcome"], len(merged["conflicts"])) == ("conflicts", 1)
    text = (project.folder / "conflicts.csv").read_text()
    (project.folder / "conflicts.csv").write_text(text.rstrip("\r\n") + "buzz\r\n")
    assert dataset(project, "merge", "night", *UNSEARCHED, "--resolve", "conflicts.csv")["outcome"] == "merged"
    shown = dataset(project, "show")
    assert (shown["version"], shown["class_counts"]["buzz"], shown["class_counts"]["hum"]) == (3, 1, 1)
    assert [row["version"] for row in dataset(project, "log")] == [3, 2, 2, 1]

    dataset(project, "tag", "spring", "v2")
    assert dataset(project, "push", "store")["versions"] == 4
    assert dataset(project, "push", "store")["blobs"] == 0
    assert dataset(project, "fsck", "--read-samples")["ok"] is True
    other = Project(project.folder / "other")
    other.folder.mkdir()
    assert other.run("dataset", "pull", "../store")["moved"] is True
    assert other.run("dataset", "show")["digest"] == shown["digest"]
    assert other.run("dataset", "stats", "spring")["samples"] == 12


def test_what_is_broken_on_purpose_is_shown_and_what_is_gone_is_found(project: Project) -> None:
    dataset(project, "add", "clips")
    dataset(project, "commit", *UNSEARCHED)
    dataset(project, "checkout", "v1", "out")
    with (project.folder / "out" / "samples.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["part"] == "train")
    (project.folder / "c.csv").write_text(f"sample_id,label,part\n{row['sample_id']},{row['label']},test\n")
    dataset(project, "add", "--labels", "c.csv")
    refused = dataset(project, "commit", *UNSEARCHED, expect=8)
    assert refused["error"]["context"]["rule"] == "group"
    made = dataset(project, "commit", *UNSEARCHED, "--override", "group=the official split")
    assert made["overrides"] == [
        {"name": "unsearched", "reason": "made by synthesis", "version": 1, "count": 12},
        {"name": "group", "reason": "the official split", "version": 2, "count": 1},
    ]
    process = project.start("dataset", "status")
    assert "override of group since v2: 1 on two sides, because: the official split" in process.communicate()[0]

    before = dataset(project, "gc", "--grace", "0", "--dry-run")
    assert before["dry_run"] is True
    assert dataset(project, "gc", "--grace", "0")["deleted"] == before["deleted"]
    assert dataset(project, "fsck")["ok"] is True
    blob = project.folder / "ecosight_data" / "blobs" / row["sample_id"][:2] / row["sample_id"]
    blob.unlink()
    report = dataset(project, "fsck", expect=7)
    assert [fault["where"] for fault in report["faults"]] == [row["sample_id"]]


def test_held_out_stations_may_be_told_in_several_options_and_a_name_that_is_none_is_noticed(project: Project) -> None:
    dataset(project, "add", "clips")
    dataset(project, "commit", *UNSEARCHED)
    station = ("--by", "station", "--station-pattern", r"^\d\d(\d)")
    held = ("--hold-out", "test=0", "--hold-out", "test=1, nroth", "--hold-out", "val=2")
    made = dataset(project, "split", "places", *UNSEARCHED, *station, *held)
    assert made["scheme"]["holdout"] == {"test": ["0", "1", "nroth"], "val": ["2"]}
    assert made["part_counts"] == {"train": 3, "val": 3, "test": 6}
    assert made["stations_without_samples"] == ["nroth"]
    refused = dataset(project, "split", "none", *station, "--hold-out", "test= ,", expect=3)
    assert "--hold-out needs a part and stations" in refused["error"]["message"]


def test_a_split_by_time_tells_how_many_samples_have_only_the_moment_of_coming_in(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline.cli import app

    clips = sorted(path.relative_to(project.folder) for path in (project.folder / "clips").glob("*/*.wav"))
    rows = [
        f"{clip},{clip.parent.name},{f'2026-05-{place + 1:02}T04:30Z' if place < 8 else ''}"
        for place, clip in enumerate(clips)
    ]
    (project.folder / "clips.csv").write_text("\n".join(["path,label,captured_at", *rows]) + "\n")
    monkeypatch.chdir(project.folder)
    for arguments in (["ingest", "clips.csv"], ["dataset", "split", "by-time", "--by", "time"]):
        app([*arguments, *UNSEARCHED, "--json"], standalone_mode=False)  # here: two processes would take long
        told = json.loads(capsys.readouterr().out)
    structlog.reset_defaults()
    assert told["times_not_told"] == len(clips) - 8


def test_every_verb_names_a_version_of_a_branch_as_show_finds_it(here: Here) -> None:
    here("add", "clips")
    here("commit", *UNSEARCHED)
    here("branch", "night")
    for mistyped in (["commit", "-m", "x"], ["add", "clips"], ["add", "clips", "--dry-run"], ["status"], ["log"]):
        with pytest.raises(NotFound, match="there is no branch 'nihgt'"):
            here(*mistyped, "-b", "nihgt")
    (here.folder / "low.csv").write_text("path,label\nclips/low/000.wav,hum\n")
    here("add", "low.csv", "--relabel", "-b", "night")
    made = here("commit", *UNSEARCHED, "-b", "night")
    assert (made["ref"], made["digest"]) == ("night:v2", here("show", "night:v2")["digest"])
    here("add", "low.csv", "--relabel")
    assert here("commit", *UNSEARCHED)["ref"] == "main@v2"
    assert [row["ref"] for row in here("log", "-b", "night")] == ["night:v2", "main@v1"]
    assert here("status", "-b", "night")["version"]["ref"] == "night:v2"
    assert {name: row["ref"] for name, row in here("branch").items()} == {"main": "main@v2", "night": "night:v2"}
    told = here("diff", "v1", "night")
    assert (told["before"], told["after"]) == ("main@v1", "night:v2")
    assert here("stats", "night")["version"] == "night:v2"
    laid = [here("checkout", name) for name in ("night", "main")]
    assert [each["version"] for each in laid] == ["night:v2", "main@v2"]
    assert [Path(each["folder"]).name for each in laid] == ["main@night@v2", "main@v2"]
    with open_workbench() as bench:
        assert find_data(bench, "night/test", NullProgress()).name == "main@night:v2/test"
    assert here("leak-check", "night", "--no-gap")["dataset"] == "main@night:v2"
    assert here("merge", "main", "--into", "night", "--rule", "theirs", *UNSEARCHED)["version"] == "night:v3"


@pytest.mark.parametrize("verb", [*CHANGING, *LOOKING])
def test_every_verb_explains_itself(verb: str, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from pipeline.cli import app

    told = CliRunner().invoke(app, ["dataset", verb, "--help"])
    assert told.exit_code == 0
    assert "--json" in told.output
    assert ("--dry-run" in told.output) == (verb in CHANGING)


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", ""],
        ["add", "clips", "--labels", ""],
        ["add", "--remove", ""],
        ["checkout", "v1", ""],
        ["merge", "night", "--conflicts", " "],
        ["stats", "--report", ""],
        ["duplicates", "--files", ""],
    ],
)
def test_an_empty_name_is_a_variable_that_is_not_set_and_never_the_current_folder(
    arguments: list[str], here: Here
) -> None:
    with pytest.raises(BadParameter, match="it is empty: name a folder or a file"):
        here(*arguments)
    assert sorted(path.name for path in here.folder.iterdir()) == ["clips", "config.yaml"]


def test_a_slip_is_told_and_leaves_nothing_behind(here: Here) -> None:
    here("add", "clips")
    here("commit", *UNSEARCHED)
    here("branch", "night")
    with pytest.raises(NotFound, match="there is no folder 'nowhere'"):
        here("pull", "nowhere")
    assert not (here.folder / "nowhere").exists()
    with pytest.raises(Conflict, match=r"config\.yaml cannot be a folder: config\.yaml is a file"):
        here("checkout", "v1", "config.yaml")
    with pytest.raises(InvalidInput, match="there is no rule 'thiers' for conflicts"):
        here("merge", "night", "--rule", "thiers")
    with pytest.raises(BadParameter):
        here("log", "-n", "-3")


def test_a_deleted_branch_comes_back_whole_or_not_at_all(here: Here) -> None:
    here("add", "clips")
    here("commit", *UNSEARCHED)
    here("branch", "night")
    (here.folder / "low.csv").write_text("path,label\nclips/low/000.wav,hum\n")
    here("add", "low.csv", "--relabel", "-b", "night")
    here("commit", *UNSEARCHED, "-b", "night")
    digest = here("branch", "night", "--delete")["digest"]
    assert here("branch", "night", "--at", digest)["digest"] == digest
    here("branch", "night", "--delete")
    with open_workbench() as bench:
        gone = bench.datasets.snapshots.manifest(digest)["entries"]
        bench.blobs.delete(gone)  # as a collection that was stopped leaves it
    for verb in ("branch", "tag"):
        with pytest.raises(NotFound, match="is not whole any more"):
            here(verb, "back", *(["--at"] if verb == "branch" else []), digest)
    assert here("fsck")["ok"] is True


def test_a_file_name_cannot_write_a_line_of_its_own() -> None:
    refused = [{"path": "fox/a\nmade main@v9\x1b[2J é.wav", "error": {"message": "it is empty"}}]
    report = IngestReport(version=None, created=False, accepted=0, duplicates=0, refused=refused)
    assert report_lines(report)[-1] == r"refused fox/a\nmade main@v9\x1b[2J é.wav: it is empty"
