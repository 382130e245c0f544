"""Splits by time and by station: training never sees the future, nor the place that it is tested at."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from dataset_kit import id_of, in_memory, parts_of, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.changes import changes_from_samples, relabelled, removed
from dataset.lines.unversioned import unversioned
from dataset.merging.joining import merge
from dataset.parting.resplitting import begin_set
from dataset.splitting import parse_ratios
from dataset.versions import DatasetRepository
from ecosight.errors import Conflict, InvalidInput, NotEnoughData, Refused

STATIONS = ["north", "creek", "ridge", "marsh", "dune", "pond", "cliff"]


@pytest.fixture
def repository() -> DatasetRepository:
    """Seven stations, ten nights, two classes; a night of a station is a group of two clips an hour apart."""
    made = in_memory()
    made.extend(
        [
            sample(
                f"{station}-{night}-{clip}",
                "fox" if night % 2 else "owl",
                group=f"{station} {night}",
                hours=24 * night + clip,
                station=station,
            )
            for station in STATIONS
            for night in range(10)
            for clip in range(2)
        ],
        message="first",
    )
    return made


def entries(repository: DatasetRepository, branch: str) -> Any:
    return repository.get(branch).entries


def test_by_time_training_ends_before_validation_begins_and_that_before_the_test(repository: DatasetRepository) -> None:
    made, _ = begin_set(repository, "by-time", by="time", ratios=parse_ratios("60/20/20"))
    times: dict[str, list[Any]] = {}
    for entry in entries(repository, "by-time"):
        times.setdefault(entry.part, []).append(entry.captured_at)
    assert max(times["train"]) < min(times["val"])
    assert max(times["val"]) < min(times["test"])
    assert made is not None
    assert dict(made.part_counts) == {"train": 84, "val": 28, "test": 28}
    assert repository.get("main").part_counts != made.part_counts  # main is as it was


def test_by_time_what_comes_later_follows_the_same_cuts(repository: DatasetRepository) -> None:
    begin_set(repository, "by-time", by="time")
    cuts = repository.summary("by-time").scheme["cuts"]
    late = [sample("late", hours=500, station="north"), sample("early", hours=3, station="north")]
    repository.extend(late, message="more", branch="by-time")
    parts = parts_of(repository, "by-time")
    assert (parts["late"], parts["early"]) == ("test", "train")
    assert repository.summary("by-time").scheme["cuts"] == cuts


def test_by_time_a_recording_across_a_cut_is_refused_without_an_override(repository: DatasetRepository) -> None:
    begin_set(repository, "by-time", by="time")
    across = [sample("a", group="long", hours=1), sample("b", group="long", hours=230)]
    with pytest.raises(Refused, match="wrong side of a cut in time: long"):
        repository.extend(across, message="more", branch="by-time")
    version, _ = repository.extend(across, message="more", branch="by-time", overrides={"time": "one long recording"})
    assert [each.name for each in version.overrides] == ["time"]


def test_by_time_without_times_or_gaps_says_what_is_missing() -> None:
    repository = in_memory()
    repository.extend([sample(f"s{n}", group="one" if n % 2 else "two", hours=n) for n in range(10)], message="first")
    with pytest.raises(NotEnoughData, match="cannot be cut into three times"):
        begin_set(repository, "by-time", by="time")


def test_by_station_a_station_is_in_one_part_also_when_it_sends_more(repository: DatasetRepository) -> None:
    begin_set(repository, "by-station", by="station")
    before = {entry.station: entry.part for entry in entries(repository, "by-station")}
    assert set(before.values()) == {"train", "val", "test"}
    more = [sample(f"more-{station}-{n}", "bat", station=station) for station in STATIONS for n in range(3)]
    repository.extend(
        [*more, *(sample(f"new-{n}", station="island") for n in range(4))], message="more", branch="by-station"
    )
    after: dict[str, set[str]] = {}
    for entry in entries(repository, "by-station"):
        after.setdefault(entry.station, set()).add(entry.part)
    assert all(len(each) == 1 for each in after.values())
    assert {station: {part} for station, part in before.items()} == {name: after[name] for name in before}


def test_a_group_that_moves_to_a_station_of_another_part_needs_an_override(repository: DatasetRepository) -> None:
    begin_set(repository, "st", by="station", holdout={"test": ["north"], "train": ["creek"]})
    moved_on = [sample("moved", "bat", group="north 1", station="creek")]
    with pytest.raises(Refused, match="one station is on two sides of a split by station: creek"):
        repository.extend(moved_on, message="more", branch="st")
    version, _ = repository.extend(
        moved_on, message="more", branch="st", overrides={"station": "the recorder was carried over"}
    )
    assert {entry.part for entry in version.entries if entry.group == "north 1"} == {"test"}
    assert version.caveats == ("override of station since v3: 1 on two sides, because: the recorder was carried over",)
    # What is of one station and of a group there needs none.
    repository.extend([sample("more", "bat", group="creek 1", station="creek")], message="more", branch="st")


def test_stations_that_are_named_are_held_out(repository: DatasetRepository) -> None:
    begin_set(repository, "north", by="station", holdout={"test": ["north"], "val": ["creek"]})
    parts = {entry.station: entry.part for entry in entries(repository, "north")}
    assert (parts["north"], parts["creek"]) == ("test", "val")
    assert set(parts) == set(STATIONS)
    with pytest.raises(InvalidInput, match="'north' cannot be held out in two parts"):
        begin_set(repository, "both", by="station", holdout={"test": ["north"], "val": ["north"]})
    with pytest.raises(InvalidInput, match="no part 'dev'"):
        begin_set(repository, "dev", by="station", holdout={"dev": ["north"]})


def test_a_station_is_one_whichever_way_its_accents_are_written() -> None:
    made = in_memory()
    forms = [unicodedata.normalize(form, "forêt") for form in ("NFC", "NFD")]
    rows = [(f"{night}-{form}", station) for night in range(6) for form, station in enumerate(forms)]
    made.extend([sample(name, station=station) for name, station in rows], message="two recorders")
    made.extend([sample(f"c{n}", station=f"c{n % 3}") for n in range(6)], message="others")
    begin_set(made, "places", by="station", holdout={"test": [forms[1]]})
    assert {parts_of(made, "places")[name] for name, _ in rows} == {"test"}
    made.extend([sample(f"{form}_{night}") for night in range(3) for form in forms], message="told by their names")
    with pytest.raises(InvalidInput, match="do not tell their station"):
        begin_set(made, "names", by="station", station_pattern="^(forêt)_")
    begin_set(made, "named", by="station", station_pattern=r"^(\w+?)[_\d.-]", holdout={"val": [forms[1]]})
    assert {parts_of(made, "named")[f"{form}_0"] for form in forms} == {"val"}


def test_a_station_is_found_in_the_file_name_or_asked_for() -> None:
    repository = in_memory()
    repository.extend([sample(f"{s}_{n}") for s in STATIONS for n in range(4)], message="first")
    with pytest.raises(InvalidInput, match="28 groups do not tell their station"):
        begin_set(repository, "by-station", by="station")
    begin_set(repository, "by-station", by="station", station_pattern=r"^(\w+?)_")
    assert {entry.station for entry in entries(repository, "by-station")} == set(STATIONS)


def test_a_set_of_some_classes_is_a_branch_of_its_own(repository: DatasetRepository) -> None:
    made, _ = begin_set(repository, "foxes", labels=["fox"])
    assert made is not None
    assert dict(made.class_counts) == {"fox": 70}
    with pytest.raises(Conflict, match="a branch 'foxes' already"):
        begin_set(repository, "foxes")
    with pytest.raises(InvalidInput, match="no class 'wolf'"):
        begin_set(repository, "wolves", labels=["wolf"])
    with pytest.raises(InvalidInput, match="nothing splits by 'moon'"):
        begin_set(repository, "moon", by="moon")


def test_a_split_keeps_what_was_taken_out_and_what_was_corrected(project: Any) -> None:
    """`commit --all` takes every accepted sample that no version holds, with the label that it came in with."""
    accept, repository = project.intake.accept, project.repository
    labels = ["fox"] * 6 + ["owl"] * 6
    samples = [
        accept(f"note: {number}".encode(), label=label, source=f"{number}.note", origin="upload").sample
        for number, label in enumerate(labels)
    ]
    repository.commit(samples, message="first")
    repository.commit_changes(removed([samples[0].id]), message="noise")
    repository.commit_changes(relabelled({samples[1].id: "owl"}), message="second listening")
    begin_set(repository, "anew")
    begin_set(repository, "foxes", labels=["fox"])
    accept(b"note: late fox", label="fox", source="late", origin="upload")
    accept(b"note: late owl", label="owl", source="late", origin="upload")
    for branch, late, counts in (("anew", 2, {"fox": 5, "owl": 8}), ("foxes", 1, {"fox": 5})):
        waiting = unversioned(repository, project.samples, branch)
        assert len(waiting) == late
        made, _ = repository.extend(waiting, message="every accepted sample", branch=branch)
        assert made.class_counts == counts
        assert unversioned(repository, project.samples, branch) == []
        assert samples[0].id not in repository.labels([samples[0].id], branch)
    repository.commit_changes(changes_from_samples(samples[-1:], explicit=True), message="by name", branch="foxes")
    assert repository.get("foxes").class_counts == {"fox": 5, "owl": 1}


def test_merging_a_set_with_another_split_keeps_our_split(repository: DatasetRepository) -> None:
    begin_set(repository, "by-station", by="station")
    repository.extend([sample("new", "bat", station="north")], message="more", branch="by-station")
    repository.commit_changes(relabelled({id_of("north-1-0"): "wolf"}), message="corrected", branch="by-station")
    before = parts_of(repository, "main")
    report = merge(repository, "by-station")
    assert (report.outcome, report.added, report.moved_groups) == ("merged", 1, ())
    after = parts_of(repository, "main")
    assert {name: after[name] for name in before} == before
    assert repository.get("main").class_counts["wolf"] == 1


def test_a_dry_run_of_a_split_makes_no_branch(repository: DatasetRepository) -> None:
    made, settled = begin_set(repository, "x", by="station", dry_run=True)
    assert made is None
    assert len(settled.snapshot.entries) == 140
    assert list(repository.branches.all()) == ["main"]


def test_a_dry_run_of_a_split_is_refused_as_the_split_is(repository: DatasetRepository) -> None:
    parts = {entry.sample_id: entry.station for entry in entries(repository, "main")}
    north, creek = (next(each for each in parts if parts[each] == name) for name in ("north", "creek"))
    repository.near_duplicates = lambda ids: [(north, creek)]
    holdout = {"test": ["north"], "val": ["creek"]}
    for dry_run in (True, False):
        with pytest.raises(Refused, match=r"(near-duplicates are|one station is) on two sides"):
            begin_set(repository, "x", by="station", holdout=holdout, dry_run=dry_run)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=40), st.integers(0, 9))
def test_stations_and_groups_stay_whole_whatever_comes(rows: list[tuple[int, int]], seed: int) -> None:
    """A group that was moved between stations ties them together."""
    repository = in_memory()
    repository.extend([sample("first", station="s0", group="g0")], message="first")
    begin_set(repository, "st", by="station", seed=seed)
    half = len(rows) // 2
    for some in (rows[:half], rows[half:]):
        samples = [sample(f"x{s}-{g}-{n}", station=f"s{s}", group=f"s{s} g{g}") for n, (s, g) in enumerate(some)]
        repository.extend(samples, message="more", branch="st")
    for column in ("group", "station"):
        parts: dict[str, set[str]] = {}
        for entry in entries(repository, "st"):
            parts.setdefault(getattr(entry, column), set()).add(entry.part)
        assert all(len(each) == 1 for each in parts.values())


@pytest.mark.parametrize("text", ["0.7,0.2,0.1", "70/20/10", "70% 20% 10%", "train=0.7,val=0.2,test=0.1", "70;20;10"])
def test_ratios_are_read_as_people_write_them(text: str) -> None:
    assert parse_ratios(text) == pytest.approx({"train": 0.7, "val": 0.2, "test": 0.1})


@pytest.mark.parametrize("text", ["", "0.7,0.3", "a,b,c", "0.7,0.2,0.2", "train=1,dev=0,test=0", "80,20,0", "nan,1,1"])
def test_ratios_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_ratios(text)


def test_a_station_in_the_file_name_is_found_in_what_is_added_later_too() -> None:
    repository = in_memory()
    repository.extend([sample(f"{s}_{n}") for s in STATIONS for n in range(4)], message="first")
    begin_set(repository, "by-station", by="station", station_pattern=r"^(\w+?)_")
    more = [sample(f"{s}_more{n}") for s in (*STATIONS, "island") for n in range(3)]
    repository.extend(more, message="more", branch="by-station")
    parts: dict[str, set[str]] = {}
    for entry in entries(repository, "by-station"):
        parts.setdefault(str(entry.station), set()).add(entry.part)
    assert parts.keys() == {*STATIONS, "island"}
    assert all(len(each) == 1 for each in parts.values())


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("seed", [2, 8])
def test_a_recorder_that_moves_takes_its_part_to_the_new_station(seed: int, at_once: bool) -> None:
    repository = in_memory(seed=seed)
    others = [sample(f"c{s}{n}", station=f"other {s}") for s in range(6) for n in range(3)]
    repository.extend([*others, sample("a", station="first", group="recorder")], message="x")
    begin_set(repository, "st", by="station", seed=seed)
    moved, more = [sample("b", station="new", group="recorder")], [sample(f"b{n}", station="new") for n in range(5)]
    for some in ([*moved, *more],) if at_once else (moved, more):
        repository.extend(some, message="more", branch="st")
    parts = {entry.part for entry in entries(repository, "st") if entry.station in ("first", "new")}
    assert len(parts) == 1
