from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from dataset.entries import Entry, decode_entries, decode_groups, encode_entries, encode_groups
from dataset.versions import DatasetRepository
from ecosight.clock import SystemClock
from ecosight.errors import IntegrityError, InvalidInput, NotEnoughData, NotFound
from ecosight.values import Sample

RATIOS = {"train": 0.72, "val": 0.13, "test": 0.15}


def take(project: Any, *names: str, label: str = "fox", group: str | None = None) -> list[Sample]:
    return [
        project.intake.accept(
            f"note: {label} {name}".encode(), label=label, source=f"{name}.note", group=group, origin="ingest"
        ).sample
        for name in names
    ]


def test_the_first_version_holds_its_samples_and_their_parts(project: Any) -> None:
    assert project.repository.head() is None
    version = project.repository.commit(take(project, *"abcdefghij"), message="first")
    assert (str(version.ref), version.parent, version.message, version.labels) == ("main@v1", None, "first", ("fox",))
    assert version.part_counts == {"train": 7, "val": 1, "test": 2}
    assert {part: len(version.part(part)) for part in version.part_counts} == version.part_counts
    assert version.ratios == RATIOS
    assert version.seed == 7
    with pytest.raises(NotFound, match="no part 'holdout'"):
        version.part("holdout")


def test_a_version_is_its_parent_and_the_new_samples(project: Any) -> None:
    first = project.repository.commit(take(project, "a", "b", "c"), message="first")
    second = project.repository.commit(take(project, "d", label="owl"), message="owls")
    assert second.parent == first.ref.digest
    assert second.ref.version == 2
    assert second.sample_ids > first.sample_ids
    kept = {entry.sample_id: entry for entry in second.entries}
    assert all(kept[entry.sample_id] == entry for entry in first.entries)
    assert project.repository.get(1) == first  # immutable


def test_the_same_contents_are_no_new_version(project: Any) -> None:
    samples = take(project, "a", "b", "c")
    version = project.repository.commit(samples, message="first")
    again, created = project.repository.extend(reversed(samples[1:]), message="again")
    assert (again, created) == (version, False)
    assert project.repository.extend([], message="nothing")[0] == version


def test_a_group_keeps_its_part_for_ever_even_when_the_ratios_change(open_project: Callable[..., Any]) -> None:
    project = open_project()
    take(project, *"abcdef")
    first = project.repository.commit(project.samples.all(), message="first")
    other = open_project(ratios={"train": 0.1, "val": 0.1, "test": 0.8})
    take(other, *"ghijklmnopqrst")
    second = other.repository.commit(other.samples.all(), message="more")
    parts = {entry.group: entry.part for entry in second.entries}
    assert all(parts[entry.group] == entry.part for entry in first.entries)
    assert second.part_counts["test"] > 10


def test_a_recording_stays_together_over_versions(project: Any) -> None:
    take(project, *"abcdef")
    (part,) = {
        entry.part
        for name in ("1", "2", "3")
        for entry in project.repository.commit(
            [*project.samples.all(), *take(project, name, group="night 1")], message=name
        ).entries
        if entry.group == "night 1"
    }
    assert part in ("train", "val", "test")


def test_a_corrected_label_makes_a_new_version_and_leaves_the_old(project: Any) -> None:
    (sample,) = take(project, "a")
    project.repository.commit([sample], message="first")
    second = project.repository.commit([replace(sample, label="owl", group="elsewhere")], message="corrected")
    assert [(entry.label, entry.group) for entry in second.entries] == [("owl", sample.group)]
    assert project.repository.get("v1").labels == ("fox",)


def test_versions_are_found_by_number_name_and_digest(project: Any) -> None:
    versions = [project.repository.commit(take(project, name), message=name) for name in "abc"]
    for wanted in (2, "2", "v2", "main@v2", versions[1].ref.digest):
        assert project.repository.get(wanted) == versions[1]
    for wanted in (None, "head", "main@latest", 3):
        assert project.repository.get(wanted) == versions[2]
    assert [row.ref for row in project.repository.log()] == [version.ref for version in reversed(versions)]
    assert [row.class_counts for row in project.repository.log()] == [{"fox": 3}, {"fox": 2}, {"fox": 1}]
    for unknown in (4, "v0", "other@v1", "spring", "f" * 64):
        with pytest.raises(NotFound, match="no version"):
            project.repository.get(unknown)


def test_an_empty_dataset_says_so(project: Any) -> None:
    assert project.repository.log() == []
    with pytest.raises(NotFound, match="no version yet"):
        project.repository.get()
    with pytest.raises(NotEnoughData):
        project.repository.commit([], message="nothing")
    with pytest.raises(InvalidInput, match="1 samples have no label"):
        project.repository.commit([replace(take(project, "a")[0], label=None)], message="unlabelled")


def test_two_datasets_in_one_store_do_not_meet(project: Any) -> None:
    version = project.repository.commit(take(project, "a"), message="first")
    other = DatasetRepository(project.blobs, project.refs, name="other", ratios=RATIOS, seed=7, clock=SystemClock())
    assert other.head() is None
    assert str(other.commit(take(project, "b"), message="first").ref) == "other@v1"
    assert project.repository.head() == version


def test_the_same_entries_are_the_same_bytes() -> None:
    entries = [
        Entry(
            sample_id=f"{n:064x}", label="f\u00fc" * (n % 3), group="g", part="val", source="\U0001f98a", size_bytes=n
        )
        for n in range(50)
    ]
    data = encode_entries(reversed(entries))
    assert data == encode_entries(entries)
    assert decode_entries(data) == tuple(entries)
    groups = {f"g{n}": "test" for n in range(5)}
    assert decode_groups(encode_groups(groups)) == groups
    assert encode_groups(groups) == encode_groups(dict(reversed(groups.items())))
    assert decode_entries(encode_entries([])) == ()


@pytest.mark.parametrize("which", ["entries", "groups", "manifest"])
def test_a_changed_byte_is_noticed(open_project: Callable[..., Any], tmp_path: Path, which: str) -> None:
    project = open_project()
    version = project.repository.commit(take(project, "a", "b"), message="first")
    digest = version.ref.digest
    if which != "manifest":
        digest = json.loads(project.blobs.get(digest))[which]
    (path,) = (tmp_path / "project" / "blobs").rglob(digest)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    other = open_project()  # another process: what this one has read it need not read again
    with pytest.raises(IntegrityError):
        other.repository.commit(take(other, "c"), message="second")


def test_two_writers_never_lose_each_other_s_samples(open_project: Callable[..., Any]) -> None:
    projects = [open_project() for _ in range(4)]
    barrier = Barrier(4)

    def write(which: int) -> list[str]:
        project, mine = projects[which], []
        barrier.wait()
        for n in range(5):
            samples = take(project, f"{which}-{n}", group=f"night {n}")
            version = project.repository.commit(samples, message=f"{which}")
            mine += [sample.id for sample in samples]
            assert set(mine) <= version.sample_ids
        return mine

    with ThreadPoolExecutor(4) as pool:
        written = {id for mine in pool.map(write, range(4)) for id in mine}
    log = projects[0].repository.log()
    assert projects[0].repository.head().sample_ids == written
    assert [row.ref.version for row in log] == list(range(20, 0, -1))
    parts = {(entry.group, entry.part) for row in log for entry in projects[0].repository.get(row.ref.version).entries}
    assert len(parts) == 5  # each night in one part, in all twenty versions


class _Crash(BaseException):
    """What a kill looks like from inside: nothing handles it."""


@pytest.mark.parametrize("step", range(1, 7))
def test_a_crash_at_any_step_of_a_commit_leaves_the_old_version_and_the_next_try_works(
    project: Any, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    old = project.repository.commit(take(project, "a", "b", "c"), message="first")
    new = take(project, "d", "e")
    left = step

    def dies(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise _Crash
            return real(*arguments)

        return call

    with monkeypatch.context() as patch:  # five blobs, then the ref
        patch.setattr(project.blobs, "put", dies(project.blobs.put))
        patch.setattr(project.refs, "compare_and_set", dies(project.refs.compare_and_set))
        with pytest.raises(_Crash):
            project.repository.commit(new, message="second")
    assert project.repository.head() == old
    assert project.repository.commit(new, message="second").part_counts["train"] >= 2
    assert [row.ref.version for row in project.repository.log()] == [2, 1]


def _commit_alone(folder: str, name: str) -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    from conftest import Project

    project = Project(Path(folder))
    project.repository.commit(take(project, *(f"{name}{n}" for n in range(3))), message=name)


def test_two_processes_commit_at_once(open_project: Callable[..., Any], tmp_path: Path) -> None:
    project = open_project()
    code = "import runpy,sys; runpy.run_path(sys.argv[1])['_commit_alone'](*sys.argv[2:])"
    children = [
        subprocess.Popen([sys.executable, "-c", code, __file__, str(tmp_path / "project"), name]) for name in "xy"
    ]
    assert [child.wait(60) for child in children] == [0, 0]
    assert project.repository.head().class_counts == {"fox": 6}
    assert len(project.repository.log()) == 2
