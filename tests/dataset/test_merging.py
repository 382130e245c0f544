"""Two lines of a dataset come together: nobody's samples and nobody's corrections are lost, and no test leaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dataset_kit import id_of, in_memory, labels_of, parts_of, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.changes import relabelled, removed
from dataset.entries import PARTS
from dataset.merging.conflicts import deciding_rules, read_decisions, write_conflicts
from dataset.merging.joining import merge
from dataset.versions import DatasetRepository
from ecosight.errors import InvalidInput, NotFound, Refused

NAMES = [f"s{number}" for number in range(12)]


@pytest.fixture
def forked() -> DatasetRepository:
    """Twelve foxes on main, and a branch ``night`` at the same version."""
    made = in_memory()
    made.extend([sample(name) for name in NAMES], message="first")
    made.branches.create("night", made.resolve())
    return made


def relabel(repository: DatasetRepository, branch: str, **labels: str) -> None:
    changes = relabelled({id_of(name): label for name, label in labels.items()})
    repository.commit_changes(changes, message="corrected", branch=branch)


def test_a_branch_that_only_grew_is_taken_over_without_a_merge(forked: DatasetRepository) -> None:
    relabel(forked, "night", s1="owl")
    forked.extend([sample("late", "bat")], message="bats", branch="night")
    forked.commit_changes(removed([id_of("s2")]), message="noise", branch="night")
    planned, report = merge(forked, "night", dry_run=True), merge(forked, "night")
    assert report.outcome == "fast-forward"
    assert (report.added, report.changed, report.removed) == (1, 1, 1)
    assert (planned.added, planned.changed, planned.removed) == (1, 1, 1)
    assert forked.resolve("main") == forked.resolve("night")
    assert merge(forked, "night").outcome == "up to date"


def test_changes_of_both_sides_come_together(forked: DatasetRepository) -> None:
    forked.extend([sample("new1", "bat")], message="bats")
    relabel(forked, "main", s1="owl")
    forked.extend([sample("new2", "owl")], message="owls", branch="night")
    relabel(forked, "night", s2="bat", s3="bat")
    forked.commit_changes(removed([id_of("s4")]), message="noise", branch="night")
    report = merge(forked, "night", message="the night's work")
    assert (report.outcome, report.added, report.changed, report.removed) == ("merged", 1, 2, 1)
    labels = labels_of(forked)
    assert {name: labels[name] for name in ("s0", "s1", "s2", "s3", "new1", "new2")} == {
        "s0": "fox",
        "s1": "owl",
        "s2": "bat",
        "s3": "bat",
        "new1": "bat",
        "new2": "owl",
    }
    assert "s4" not in labels
    head = forked.summary()
    assert (head.message, len(head.parents), head.ref.version) == ("the night's work", 2, 5)
    assert dict(head.class_counts) == {"bat": 3, "fox": 8, "owl": 2}
    assert len(forked.log()) == 7


def test_the_same_correction_on_both_sides_is_no_conflict(forked: DatasetRepository) -> None:
    relabel(forked, "main", s1="owl")
    relabel(forked, "night", s1="owl")
    assert merge(forked, "night").conflicts == ()
    assert labels_of(forked)["s1"] == "owl"


def test_a_conflict_is_listed_and_changes_nothing(forked: DatasetRepository) -> None:
    relabel(forked, "main", s1="owl")
    relabel(forked, "night", s1="bat", s2="bat")
    before = forked.resolve()
    report = merge(forked, "night")
    assert report.outcome == "conflicts"
    (conflict,) = report.unresolved
    assert (conflict.sample_id, conflict.source) == (id_of("s1"), "s1.note")
    assert (conflict.base, conflict.ours, conflict.theirs) == ("fox", "owl", "bat")
    assert forked.resolve() == before


@pytest.mark.parametrize(
    ("rules", "label"),
    [(["ours"], "owl"), (["theirs"], "bat"), (["newest"], "bat"), (["most-annotators", "newest"], "owl")],
)
def test_a_rule_decides(forked: DatasetRepository, rules: list[str], label: str) -> None:
    changes = relabelled({id_of("s1"): "owl"}, annotators={id_of("s1"): 3})
    forked.commit_changes(changes, message="three agree")
    relabel(forked, "night", s1="bat")
    report = merge(forked, "night", rules=rules)
    assert report.outcome == "merged"
    assert labels_of(forked)["s1"] == label
    with pytest.raises(InvalidInput, match="no rule 'loudest'"):
        merge(in_forked_again(forked), "night", rules=["loudest"])


def test_only_rules_that_would_decide_all_conflicts_are_proposed(forked: DatasetRepository) -> None:
    relabel(forked, "main", s1="owl")
    relabel(forked, "night", s1="bat")
    report = merge(forked, "night")
    assert deciding_rules(report.unresolved) == ["newest", "ours", "theirs"]
    forked.commit_changes(removed([id_of("s1")]), message="noise")
    report = merge(forked, "night", rules=["newest"])
    assert deciding_rules(report.unresolved) == ["keep", "ours", "theirs"]


def in_forked_again(repository: DatasetRepository) -> DatasetRepository:
    relabel(repository, "main", s5="owl")
    relabel(repository, "night", s5="bat")
    return repository


def test_a_tie_is_left_to_a_person(forked: DatasetRepository) -> None:
    relabel(forked, "main", s1="owl")
    relabel(forked, "night", s1="bat")
    assert len(merge(forked, "night", rules=["most-annotators"]).unresolved) == 1


def test_removed_here_and_corrected_there_is_a_conflict_that_keep_decides(forked: DatasetRepository) -> None:
    forked.commit_changes(removed([id_of("s1")]), message="noise")
    relabel(forked, "night", s1="bat")
    (conflict,) = merge(forked, "night").unresolved
    assert (conflict.ours, conflict.theirs) == (None, "bat")
    merge(forked, "night", rules=["newest", "keep"])
    assert labels_of(forked)["s1"] == "bat"


def test_decisions_by_hand_go_before_rules(forked: DatasetRepository, tmp_path: Path) -> None:
    relabel(forked, "main", s1="owl", s2="owl", s3="owl")
    relabel(forked, "night", s1="bat", s2="bat", s3="bat")
    file = tmp_path / "conflicts.csv"
    write_conflicts(merge(forked, "night").unresolved, file)
    lines = file.read_text().splitlines()
    assert lines[0] == "sample_id,source,base,ours,theirs,label"
    filled = [
        line + {"s1.note": "wolf", "s2.note": "-"}.get(line.split(",")[1], "") if number else line
        for number, line in enumerate(lines)
    ]
    file.write_text("\n".join(filled))
    decisions = read_decisions(file)
    assert decisions == {id_of("s1"): "wolf", id_of("s2"): "-"}
    assert [each.source for each in merge(forked, "night", by_hand=decisions).unresolved] == ["s3.note"]
    assert merge(forked, "night", by_hand=decisions, rules=["theirs"]).outcome == "merged"
    labels = labels_of(forked)
    assert (labels["s1"], labels["s3"], "s2" in labels) == ("wolf", "bat", False)
    # What a person took out does not come back with the next retraining.
    assert "s2" not in {entry.source for entry in forked.extend([sample("s2")], message="again")[0].entries}


def test_a_decision_that_decides_nothing_is_not_passed_over(forked: DatasetRepository, tmp_path: Path) -> None:
    relabel(forked, "main", s1="owl")
    relabel(forked, "night", s1="wolf")
    before = forked.resolve("main")
    with pytest.raises(InvalidInput, match="1 decisions are of samples in no conflict"):
        merge(forked, "night", by_hand={id_of("s1"): "bat", id_of("s2"): "bat"})
    assert forked.resolve("main") == before
    file = tmp_path / "decisions.csv"
    file.write_text(f"sample_id,label\n{id_of('s1').upper()},bat\n")
    assert merge(forked, "night", by_hand=read_decisions(file)).outcome == "merged"
    with pytest.raises(InvalidInput, match="cannot be written to"):
        write_conflicts([], tmp_path / "no" / "such.csv")


def test_a_bad_file_of_decisions_is_told_whole(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="cannot be read"):
        read_decisions(tmp_path / "nowhere.csv")
    file = tmp_path / "decisions.csv"
    file.write_text("id,label\n")
    with pytest.raises(InvalidInput, match="no columns sample_id and label"):
        read_decisions(file)
    file.write_text("sample_id,label\nx,../etc\ny,.z\n")
    with pytest.raises(InvalidInput, match=r"line 2: .*line 3: "):
        read_decisions(file)
    file.write_text('label,sample_id\n"owl,x\nowl,y\n')
    with pytest.raises(InvalidInput, match="line 3: unexpected end of data"):
        read_decisions(file)
    file.write_text("sample_id,label\nx,owl\nx,bat\ny,owl,tawny\ny,-\nz,-\nz,-\n")
    with pytest.raises(InvalidInput, match=r"line 3: the sample x is decided otherwise.*line 4: more fields"):
        read_decisions(file)
    file.write_text("sample_id,label,label\nx,owl,bat\n")
    with pytest.raises(InvalidInput, match="several columns 'label'"):
        read_decisions(file)
    file.write_bytes("sample_id,label\nx,Häher\n".encode("cp1252"))
    with pytest.raises(InvalidInput, match="is not UTF-8 text"):
        read_decisions(file)


def test_a_group_that_one_side_trained_on_is_tested_on_by_nobody(forked: DatasetRepository) -> None:
    """Both sides meet the same new recordings, and place them apart."""
    one = [sample(f"a{n}", group=f"night {n}") for n in range(12)]
    forked.extend(one, message="here", ratios={"train": 0.1, "val": 0.1, "test": 0.8})
    two = [sample(f"b{n}", group=f"night {n}") for n in range(12)]
    forked.extend(two, message="there", branch="night", ratios={"train": 0.8, "val": 0.1, "test": 0.1})
    here, there = parts_of(forked, "main"), parts_of(forked, "night")
    report = merge(forked, "night")
    merged = parts_of(forked)
    assert report.moved_groups
    order = ("train", "val", "test")
    for n in range(12):
        most_trained = min(here[f"a{n}"], there[f"b{n}"], key=order.index)
        assert merged[f"a{n}"] == merged[f"b{n}"] == most_trained


@pytest.mark.parametrize("named_on", ["main", "night"])
def test_files_that_one_side_took_in_without_their_recordings_go_where_these_were_trained_on(
    forked: DatasetRepository, named_on: str
) -> None:
    for branch in ("main", "night"):
        groups = [f"recording {n // 4}" if branch == named_on else None for n in range(40)]
        new = [sample(f"x{n}", group=group) for n, group in enumerate(groups)]
        forked.extend(new, message="the same files", branch=branch)
    before = [parts_of(forked, branch) for branch in ("main", "night")]
    assert merge(forked, "night").outcome == "merged"
    merged = parts_of(forked)
    for n in range(40):
        members = [f"x{4 * (n // 4) + each}" for each in range(4)]
        trained = min((side[name] for side in before for name in members), key=PARTS.index)
        assert merged[f"x{n}"] == trained


def test_near_duplicates_from_two_sides_are_refused_without_an_override(forked: DatasetRepository) -> None:
    forked.extend([sample(f"a{n}") for n in range(9)], message="here")
    forked.extend([sample(f"b{n}") for n in range(9)], message="there", branch="night")
    here, there = parts_of(forked, "main"), parts_of(forked, "night")
    one = next(name for name in here if name.startswith("a") and here[name] == "train")
    two = next(name for name in there if name.startswith("b") and there[name] == "test")
    forked.near_duplicates = lambda ids: [(id_of(one), id_of(two))]
    with pytest.raises(Refused, match="near-duplicates are on two sides"):
        merge(forked, "night", dry_run=True)
    with pytest.raises(Refused, match="near-duplicates are on two sides") as refused:
        merge(forked, "night")
    assert "--override near-duplicates" in refused.value.hint
    assert f"{one}.note ({id_of(one)[:12]}, train)" in refused.value.message
    assert f"{two}.note ({id_of(two)[:12]}, test)" in refused.value.message
    assert refused.value.context["examples"] == [" ".join(sorted((id_of(one), id_of(two))))]
    given, before = {"near-duplicates": "other animals"}, sorted(forked.blobs.digests())
    assert merge(forked, "night", overrides=given, dry_run=True).outcome == "would merge"
    assert sorted(forked.blobs.digests()) == before
    report = merge(forked, "night", overrides=given)
    assert report.version is not None
    assert [(each.name, each.reason, each.count) for each in report.version.overrides] == [
        ("near-duplicates", "other animals", 1)
    ]


def test_a_dry_run_tells_and_changes_nothing(forked: DatasetRepository) -> None:
    relabel(forked, "main", s1="owl")
    relabel(forked, "night", s2="bat")
    before = (forked.resolve("main"), sorted(forked.blobs.digests()))
    report = merge(forked, "night", dry_run=True)
    assert (report.outcome, report.changed) == ("would merge", 1)
    assert (forked.resolve("main"), sorted(forked.blobs.digests())) == before


def test_another_dataset_is_merged_and_later_only_what_it_changed(forked: DatasetRepository) -> None:
    other = in_memory("coast", blobs=forked.blobs, refs=forked.refs)
    other.extend([sample(f"c{n}", "seal") for n in range(6)], message="seals")
    assert merge(forked, "coast@v1").added == 6
    assert merge(forked, "coast@").outcome == "up to date"
    relabel(forked, "main", c1="otter")
    relabel(other, "main", c2="gull")
    report = merge(forked, "coast@")
    assert (report.outcome, report.conflicts) == ("merged", ())
    labels = labels_of(forked)
    assert (labels["c1"], labels["c2"], labels["c3"]) == ("otter", "gull", "seal")
    with pytest.raises(NotFound, match="no dataset 'inland'"):
        merge(forked, "inland@v1")


def test_lines_that_were_merged_crosswise_merge_again(forked: DatasetRepository) -> None:
    relabel(forked, "main", s1="owl")
    relabel(forked, "night", s2="bat")
    main, night = forked.resolve("main"), forked.resolve("night")
    merge(forked, night)
    merge(forked, main, into="night")
    relabel(forked, "main", s3="owl")
    relabel(forked, "night", s4="bat")
    assert merge(forked, "night").conflicts == ()
    labels = labels_of(forked)
    assert [labels[name] for name in ("s1", "s2", "s3", "s4")] == ["owl", "bat", "owl", "bat"]


# -- laws --------------------------------------------------------------------------------------------------

sides = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["fox", "owl", "bat", "-"]), max_size=6)
more = st.sets(st.integers(0, 8), max_size=4)


def change(
    repository: DatasetRepository, branch: str, labels: dict[str, str], new: set[int], *, dens: bool = True
) -> None:
    put = {id_of(name): label for name, label in labels.items() if label != "-"}
    if put:
        repository.commit_changes(relabelled(put), message="labels", branch=branch)
    gone = [id_of(name) for name, label in labels.items() if label == "-"]
    if gone:
        repository.commit_changes(removed(gone), message="gone", branch=branch)
    if new:
        samples = [sample(f"n{number}", "wolf", group=f"den {number % 3}" if dens else None) for number in sorted(new)]
        repository.extend(samples, message="new", branch=branch)


def contents(repository: DatasetRepository, branch: str) -> Any:
    return [
        (entry.sample_id, entry.label, entry.group, entry.part, entry.source)
        for entry in repository.get(branch).entries
    ]


@settings(max_examples=60)
@given(sides, sides, more, more, st.booleans())
def test_merging_is_commutative_where_there_is_no_conflict_and_idempotent(
    one: dict[str, str], two: dict[str, str], new_one: set[int], new_two: set[int], dens: bool
) -> None:
    repository = in_memory()
    repository.extend([sample(name) for name in NAMES], message="first")
    start = repository.resolve()
    for branch, labels, new in (("a", one, new_one), ("b", two, new_two)):
        repository.branches.create(branch, start)
        change(repository, branch, labels, new, dens=dens or branch == "a")
    repository.branches.create("a2", repository.resolve("a"))
    first = merge(repository, "b", into="a", rules=["theirs"])
    if not first.conflicts:
        merge(repository, "a2", into="b")
        assert contents(repository, "a") == contents(repository, "b")
    merged = contents(repository, "a")
    parts: dict[str, set[str]] = {}
    for _, _, group, part, _ in merged:
        parts.setdefault(group, set()).add(part)
    assert all(len(each) == 1 for each in parts.values())
    assert merge(repository, "a", into="a").outcome == "up to date"
    merge(repository, "b", into="a", rules=["ours"])
    assert contents(repository, "a") == merged
    # Three-way, sample by sample, against the plainest way to say it.
    labels = dict.fromkeys(NAMES, "fox")
    now = {entry.source.removesuffix(".note"): entry.label for entry in repository.get("a").entries}
    for name in NAMES:
        ours, theirs = one.get(name, "fox"), two.get(name, "fox")
        assert now.get(name, "-") == (theirs if theirs != labels[name] else ours)


@settings(max_examples=30)
@given(sides, more)
def test_merging_what_one_side_alone_changed_gives_that_side(labels: dict[str, str], new: set[int]) -> None:
    repository = in_memory()
    repository.extend([sample(name) for name in NAMES], message="first")
    repository.branches.create("a", repository.resolve())
    change(repository, "a", labels, new)
    merge(repository, "a")
    assert contents(repository, "main") == contents(repository, "a")
