"""Older versions stay readable, versions are found by every name, and what is staged survives."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dataset_kit import id_of, in_memory, labels_of, parts_of, sample

from dataset.adding import check_known, read_corrections, read_removals, stage_found
from dataset.augmenting.guard import check_backgrounds, train_entries
from dataset.changes import changes_from_samples, relabelled, removed
from dataset.contents import Dataset
from dataset.entries import Entry, encode_entries, encode_groups
from dataset.lines.staging import Stage
from dataset.lines.unversioned import unversioned
from dataset.merging.diffing import compare
from dataset.merging.joining import merge
from dataset.parting.resplitting import begin_set
from dataset.reading import survey
from dataset.versions import DatasetRepository
from ecosight.errors import Conflict, InvalidInput, NotEnoughData, NotFound, Refused
from ecosight.ids import content_digest
from ecosight.progress import NullProgress
from ecosight.values import DatasetRef

Write = Callable[..., Path]


def first_format(repository: DatasetRepository) -> list[Entry]:
    """A version as EcoSight wrote them before chunks: one Parquet file for the entries, one for the groups."""
    entries = [
        Entry(
            sample_id=id_of(f"s{n}"),
            label="fox",
            group="night" if n < 3 else id_of(f"s{n}"),
            part="test" if n < 3 else "train",
            source=f"s{n}.note",
            size_bytes=n,
        )
        for n in range(6)
    ]
    manifest = {
        "format": 1,
        "name": "main",
        "version": 1,
        "parent": None,
        "message": "old",
        "created_at": "2026-01-01T00:00:00.000Z",
        "class_counts": {"fox": 6},
        "part_counts": {"train": 3, "val": 0, "test": 3},
        "ratios": {"train": 0.72, "val": 0.13, "test": 0.15},
        "seed": 7,
        "entries": repository.blobs.put(encode_entries(entries)),
        "groups": repository.blobs.put(encode_groups({entry.group: entry.part for entry in entries} | {"gone": "val"})),
    }
    digest = repository.blobs.put(json.dumps(manifest, indent=1, sort_keys=True).encode())
    assert repository.refs.compare_and_set("dataset/main/head", None, digest)
    return entries


def test_versions_of_the_first_format_are_read_extended_compared_and_merged() -> None:
    repository = in_memory()
    entries = first_format(repository)
    old = repository.get("v1")
    assert old.entries == tuple(sorted(entries, key=lambda entry: entry.sample_id))
    assert (old.parents, old.overrides, dict(old.scheme)) == ((), (), {"by": "stratified"})
    same, created = repository.extend([sample("s9")], message="new")
    assert created
    assert same.parent == old.ref.digest
    repository.extend([sample("t1", group="night"), sample("t2", group="gone")], message="groups keep their part")
    parts = parts_of(repository)
    assert (parts["s0"], parts["t1"], parts["t2"]) == ("test", "test", "val")
    found = compare(
        repository.snapshots.load(old.ref.digest).entries, repository.snapshots.load(same.ref.digest).entries
    )
    assert found.as_dict()["added"] == 1
    assert found.as_dict()["moved"] == 0
    repository.branches.create("old", old.ref.digest)
    repository.commit_changes(relabelled({id_of("s1"): "owl"}), message="x", branch="old")
    merge(repository, "old")
    assert labels_of(repository)["s1"] == "owl"


@pytest.fixture
def repository() -> DatasetRepository:
    made = in_memory()
    for name in "abc":
        made.extend([sample(name)], message=name)
    made.branches.create("night", made.resolve("v1"))
    made.extend([sample("n")], message="n", branch="night")
    made.tags.pin("spring", description="", splits=made.ratios, version=made.resolve("v2"))
    return made


def test_a_version_is_found_by_every_name(repository: DatasetRepository) -> None:
    v1, v2, v3 = (repository.resolve(f"v{n}") for n in (1, 2, 3))
    night = repository.resolve("night")
    names = {v1: ["v3~2", "night~1", "night:v1", v1[:8]], v2: ["spring", "main@v2", "head~1", v2], v3: ["main", "head"]}
    names[night] = ["night:v2", "night:head", night[:12], "main@night"]
    for digest, known in names.items():
        assert [repository.resolve(name) for name in known] == [digest] * len(known)
    for unknown in ("v" + "9" * 5000, "v1" + "~1" * 3000, "night:v3", "v3~5", "v1~1", "dusk", "dusk:v1", "f" * 12):
        with pytest.raises(NotFound):
            repository.resolve(unknown)


def test_every_version_is_shown_by_a_name_that_finds_it(repository: DatasetRepository) -> None:
    repository.branches.create("dusk", repository.resolve("night"))
    merge(repository, "night")
    versions = {each.ref.digest: each for each in (*repository.log(), *repository.log("night"))}
    for branch in ("main", "night"):
        shown = repository.shown(*versions.values(), branch=branch)
        assert all(repository.resolve(name) == digest for digest, name in shown.items())
    assert sorted(shown.values()) == ["main@v1", "main@v2", "main@v3", "main@v4", "night:v2"]
    night = repository.summary("night")
    for branch in ("night", "dusk"):
        repository.branches.delete(branch)
    (name,) = repository.shown(night).values()
    assert repository.resolve(name) == night.ref.digest


def test_every_version_that_is_read_is_called_by_a_name_that_finds_it(repository: DatasetRepository) -> None:
    repository.branches.create("dusk", repository.resolve("night"))
    made, _ = repository.extend([sample("d")], message="d", branch="dusk")
    begun, _ = begin_set(repository, "places", version="night")
    assert begun is not None
    head = repository.head("dusk")
    assert head is not None
    read = [
        made,
        head,
        begun,
        *repository.log(),
        *repository.log("dusk"),
        *map(repository.get, ("v1", "night", "dusk")),
    ]
    read += [repository.summary(name) for name in ("night", made.ref.digest)]
    for each in read:
        assert repository.resolve(str(each.ref)) == each.ref.digest
    assert [str(each.ref) for each in (made, begun)] == ["main@dusk:v3", "main@places:v3"]
    assert [str(each.ref) for each in repository.log("dusk")] == ["main@dusk:v3", "main@dusk:v2", "main@v1"]
    assert Dataset("dusk", head, repository.blobs).statistics()["version"] == "main@dusk:v3"
    assert made.ref == DatasetRef(name="main", version=3, digest=made.ref.digest)
    with pytest.raises(Refused, match=f"the sample {'0' * 12} is not in main@dusk:v3: "):
        train_entries(made, ["0" * 64])
    held = replace(made, entries=[replace(made.entries[0], sample_id=content_digest(b"x"), part="test")])
    with pytest.raises(Refused, match="is a held-out sample of main@dusk:v3"):
        check_backgrounds(held, [b"x"], None)  # type: ignore[arg-type]
    repository.branches.delete("dusk")
    gone = repository.get(made.ref.digest)  # nothing but the whole digest leads there now
    assert str(gone.ref) == f"main@{made.ref.digest}"
    assert repository.resolve(str(gone.ref)) == made.ref.digest
    repository.tags.pin("kept", description="", splits=made.ratios, version=made.ref.digest)
    assert str(repository.get("kept").ref) == f"main@{made.ref.digest[:12]}"


def test_a_damaged_branch_takes_no_other_version_its_name(repository: DatasetRepository) -> None:
    assert repository.refs.compare_and_set("dataset/main/branch/aaa", None, "f" * 64)  # a history that is not there
    assert [str(repository.get(name).ref) for name in ("v2", "night")] == ["main@v2", "main@night:v2"]
    assert repository.refs.compare_and_set("dataset/main/branch/aaa", "f" * 64, "no digest")
    assert not repository.is_held(repository.resolve("night:v2"))  # nobody knows; then it is looked at whole
    night = repository.get("night:v2").ref
    assert str(night) == f"main@{night.digest}"
    assert repository.resolve(str(night)) == night.digest


def test_nothing_is_added_to_a_branch_that_nobody_made(repository: DatasetRepository) -> None:
    with pytest.raises(NotFound, match="there is no branch 'nihgt'") as caught:
        repository.extend([sample("d")], message="d", branch="nihgt")
    assert caught.value.hint == "Known: main, night. `ecosight dataset branch nihgt` makes it."
    with pytest.raises(NotFound, match="there is no branch 'nihgt'"):
        Stage(repository).add(changes_from_samples([sample("d")]), "nihgt")
    assert list(repository.branches.all()) == ["main", "night"]


def test_a_deleted_branch_is_gone_and_can_be_brought_back(repository: DatasetRepository) -> None:
    night = repository.resolve("night")
    repository.branches.create("night", night)
    with pytest.raises(Conflict, match="a branch 'night' already"):
        repository.branches.create("night", repository.resolve("v3"))
    repository.branches.delete("night")
    assert list(repository.branches.all()) == ["main"]
    with pytest.raises(NotFound):
        repository.resolve("night")
    repository.branches.create("night", repository.resolve(night))
    assert repository.resolve("night:v2") == night
    with pytest.raises(Conflict, match="'main' cannot be deleted"):
        repository.branches.delete("main")
    with pytest.raises(NotFound, match="no branch 'dusk'"):
        repository.branches.delete("dusk")


@pytest.mark.parametrize("name", ["v3", "12", "head", "a/b", "", "f" * 64, "../x"])
def test_names_that_mean_something_else_name_no_branch(repository: DatasetRepository, name: str) -> None:
    with pytest.raises(InvalidInput):
        repository.branches.create(name, repository.resolve())


def test_a_name_is_a_branch_or_a_tag_whichever_comes_first(repository: DatasetRepository) -> None:
    given: dict[str, Any] = {"description": "", "splits": repository.ratios, "version": repository.resolve("v1")}
    for name in ("night", "main"):
        for tag in (repository.tags.pin, repository.tags.create):
            with pytest.raises(Conflict, match=f"there is a branch '{name}' already"):
                tag(name, **given)
    with pytest.raises(Conflict, match="there is a tag 'spring' already"):
        repository.branches.create("spring", given["version"])
    with pytest.raises(Conflict, match="there is a tag 'spring' already"):
        begin_set(repository, "spring")
    repository.branches.delete("night")
    repository.tags.pin("night", **given)
    assert repository.resolve("night") == given["version"]


def test_a_name_that_has_become_both_is_never_guessed(repository: DatasetRepository) -> None:
    branch, tagged = repository.resolve("night"), repository.resolve("spring")
    record = repository.refs.get("dataset/main/tag/spring")
    assert repository.refs.compare_and_set("dataset/main/tag/night", None, str(record))  # as a pull would
    for asked in ("night", "main@night", "night~1"):
        with pytest.raises(Conflict, match="'night' is a branch and a tag") as caught:
            repository.resolve(asked)
    with pytest.raises(Conflict, match="'night' is a branch and a tag"):
        merge(repository, "night")
    assert caught.value.hint == f"night:head is the branch; {tagged[:12]} is the version with the tag."
    assert (repository.resolve("night:head"), repository.resolve(tagged[:12])) == (branch, tagged)


def test_a_pinned_tag_opens_nothing_and_never_moves(repository: DatasetRepository) -> None:
    assert repository.tags.opened() is None
    again = repository.tags.pin("spring", description="", splits=repository.ratios, version=repository.resolve("v2"))
    assert again.version == repository.resolve("v2")
    with pytest.raises(Conflict, match="stands for another one"):
        repository.tags.pin("spring", description="", splits=repository.ratios, version=repository.resolve("v3"))


def test_entries_are_a_sequence_that_is_read_when_it_is_needed(repository: DatasetRepository) -> None:
    version = repository.get()
    entries = list(version.entries)
    assert version.entries[0] == entries[0]
    assert version.entries[-1] == entries[-1]
    assert list(version.entries[1:]) == entries[1:]
    assert version.entries == entries
    assert entries[0] in version.entries
    assert version.entries == repository.get().entries
    assert version.entries != repository.get("v1").entries
    with pytest.raises(IndexError):
        version.entries[3]
    assert [part for entry in version.entries for part in [entry.part]] == [entry.part for entry in entries]


# -- staging -----------------------------------------------------------------------------------------------


def test_what_is_staged_is_committed_once(repository: DatasetRepository) -> None:
    stage = Stage(repository)
    with pytest.raises(NotEnoughData, match="nothing is staged"):
        stage.commit(message="x")
    stage.add(changes_from_samples([sample("d"), sample("e", "owl")]))
    stage.add(relabelled({id_of("a"): "owl", id_of("d"): "owl"}))
    stage.add(removed([id_of("b"), id_of("e")]))
    assert stage.counts().as_dict() == {"added": 1, "changed": 1, "removed": 1}
    version, created = Stage(repository).commit(message="all of it")
    assert created
    assert labels_of(repository) == {"a": "owl", "c": "fox", "d": "owl"}
    assert len(stage.changes()) == 0
    assert version.message == "all of it"


def test_what_is_staged_meanwhile_stays_for_the_next_commit(repository: DatasetRepository) -> None:
    stage = Stage(repository)
    stage.add(changes_from_samples([sample("d")]))
    real = repository.branches.move

    def move(*arguments: Any) -> bool:
        repository.branches.move = real  # type: ignore[method-assign]
        Stage(repository).add(changes_from_samples([sample("e")]))
        return real(*arguments)

    repository.branches.move = move  # type: ignore[method-assign]
    stage.commit(message="d")
    assert "e" not in labels_of(repository)
    assert stage.counts().as_dict() == {"added": 1, "changed": 0, "removed": 0}


def test_what_was_removed_comes_back_only_when_it_is_added_again(repository: DatasetRepository) -> None:
    repository.commit_changes(removed([id_of("a")]), message="noise")
    version, created = repository.extend([sample("a")], message="every accepted sample")
    assert not created
    assert "a" not in labels_of(repository)
    repository.commit_changes(changes_from_samples([sample("a")], explicit=True), message="it was none")
    assert "a" in labels_of(repository)
    assert version.ref.version == 4


def test_a_label_for_a_sample_that_is_not_there_is_refused(repository: DatasetRepository) -> None:
    with pytest.raises(NotFound, match="1 samples are not in the dataset"):
        repository.commit_changes(relabelled({id_of("nobody"): "owl"}), message="x")


def test_files_are_staged_and_known_files_are_relabelled_when_asked(project: Any, write_notes: Write) -> None:
    def add(source: Path, **options: Any) -> Any:
        return stage_found(
            survey(source, {".note"}).found,
            intake=project.intake,
            samples=project.samples,
            repository=project.repository,
            stage=Stage(project.repository),
            progress=NullProgress(),
            base=source,
            **options,
        )

    source = write_notes({"fox": ["1", "2", "3"]})
    report = add(source)
    assert (report.accepted, report.created, report.version) == (3, False, None)
    assert len(unversioned(project.repository, project.samples)) == 3
    Stage(project.repository).commit(message="first")
    assert unversioned(project.repository, project.samples) == []
    (source / "fox").rename(source / "owl")
    assert len(add(source).conflicts) == 3
    assert add(source, relabel=True).conflicts == []
    Stage(project.repository).commit(message="they were owls")
    assert project.repository.get().class_counts == {"owl": 3}


def test_adding_known_files_again_keeps_corrections_committed_and_staged(project: Any, write_notes: Write) -> None:
    def add(**options: Any) -> None:
        found = survey(source, {".note"}).found
        rooms = {"intake": project.intake, "samples": project.samples, "repository": project.repository}
        stage_found(found, **rooms, stage=stage, progress=NullProgress(), **options)

    source, stage = write_notes({"fox": ["1", "2", "3"]}), Stage(project.repository)
    add()
    first, second, third = (each.id for each in project.samples.all())
    stage.add(relabelled({first: "owl"}))
    add()
    stage.commit(message="one was corrected before it was committed")
    stage.add(relabelled({second: "owl"}))
    stage.add(removed([third]))
    add()
    assert stage.counts().as_dict() == {"added": 0, "changed": 1, "removed": 0}
    stage.commit(message="another one since; the third was taken out, and is there again")
    assert project.repository.get().class_counts == {"fox": 1, "owl": 2}
    add(relabel=True)
    stage.commit(message="the folder is right")
    assert project.repository.get().class_counts == {"fox": 3}


def test_uploads_are_seen_as_unversioned_until_a_version_holds_them(project: Any) -> None:
    accept = project.intake.accept
    first = accept(b"note: one", label="fox", source="1", origin="upload").sample
    project.repository.commit([first], message="first")
    assert unversioned(project.repository, project.samples) == []
    second = accept(b"note: two", label="fox", source="2", origin="upload").sample
    assert unversioned(project.repository, project.samples) == [second]
    project.repository.commit([second], message="second")
    project.repository.commit_changes(removed([first.id]), message="noise")
    assert unversioned(project.repository, project.samples) == []
    with pytest.raises(NotEnoughData):
        project.repository.commit_changes(removed([second.id]), message="nothing would be left")
    project.repository.commit(project.samples.all(), message="all")
    assert unversioned(project.repository, project.samples) == []


def test_tables_of_corrections_are_told_what_is_wrong_with_them(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"sample_id,label,annotators\n{id_of('a')},owl,3\n")
    assert read_corrections(file).to_pylist()[0]["annotators"] == 3
    assert read_removals(file).to_pylist()[0]["action"] == "remove"
    file.write_text(f"sample_id,label,annotators,part\n{id_of('a')},,1,\n{id_of('b')},x,many,\n{id_of('c')},x,1,dev\n")
    with pytest.raises(InvalidInput, match=r"line 2: .*line 3: .*line 4: "):
        read_corrections(file)
    file.write_text("id,label\n")
    with pytest.raises(InvalidInput, match="no column sample_id") as caught:
        read_corrections(file)
    assert "`ecosight dataset checkout` writes" in str(caught.value.hint)
    file.write_text(f'sample_id,label,note\n{id_of("a")},fox,"loud\n{id_of("b")},owl,\n')
    with pytest.raises(InvalidInput, match=r"labels.csv: line 3: unexpected end of data"):
        read_corrections(file)
    file.write_text("sample_id,label\nabc,fox\n")
    with pytest.raises(InvalidInput, match="'abc' is no sample id"):
        read_corrections(file)
    with pytest.raises(NotFound):
        read_removals(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sample_id,label\nA,owl\nA,bat\n", r"line 3: the sample .* is corrected otherwise in line 2"),
        ("sample_id,label\nA,owl, tawny\n", "line 2: more fields than columns"),
        ("sample_id,label,label\nA,owl,bat\n", "several columns 'label'"),
        ("sample_id,label,annotators\nA,owl," + "9" * 5000, "is no number of annotators"),
        ("sample_id,label\n,owl\n", "line 2: '' is no sample id"),
    ],
)
def test_a_correction_that_says_two_things_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(text.replace("A", id_of("a")))
    with pytest.raises(InvalidInput, match=told):
        read_corrections(file)


def test_corrections_may_say_the_same_twice_in_either_case_and_in_utf_16(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"sample_id,label\n{id_of('a')},owl\n{id_of('a').upper()},owl\n", "utf-16")
    assert read_corrections(file).column("label").to_pylist() == ["owl"]
    assert len(read_removals(file)) == 1
    file.write_text("sample_id,label\n,owl\n")
    with pytest.raises(InvalidInput, match="line 2: '' is no sample id"):
        read_removals(file)


def test_a_correction_of_a_sample_that_is_nowhere_is_refused_before_it_stops_every_commit(project: Any) -> None:
    stage, accept = Stage(project.repository), project.intake.accept
    first, upload = (accept(b"note: " + note, label="fox", source="1", origin="upload").sample for note in (b"1", b"2"))
    project.repository.commit([first], message="first")
    check_known(relabelled({first.id: "owl", upload.id: "owl"}), stage=stage, samples=project.samples)
    check_known(removed([id_of("nobody")]), stage=stage, samples=project.samples)
    with pytest.raises(NotFound, match="1 samples are not in the dataset"):
        check_known(relabelled({first.id: "owl", id_of("nobody"): "owl"}), stage=stage, samples=project.samples)
