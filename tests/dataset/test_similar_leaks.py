"""What lies on two sides of a split is named, and what a random split would pretend is measured."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dataset.entries import Entry
from dataset.similar import find_duplicates, gap, leak_check, split_gap, units
from dataset.similar.gap import SplitGap
from ecosight.errors import NotEnoughData
from ecosight.progress import NullProgress

RATIOS = {"train": 0.6, "val": 0.1, "test": 0.3}


def row(digest: str, group: str, part: str, label: str = "a", source: str = "") -> Entry:
    return Entry(sample_id=digest, label=label, group=group, part=part, source=source or digest, size_bytes=1)


def test_groups_and_copies_on_two_sides_are_named() -> None:
    rows = [
        row("1", "x", "train"),
        row("2", "x", "test"),
        row("3", "y", "train", source="first"),
        row("3", "z", "test", "b", source="second"),
        row("4", "w", "val"),
    ]
    report = leak_check("main@v1", rows, find_duplicates(rows, None, NullProgress()))
    assert report.leaks
    assert report.groups_across == ("x",)
    assert [cluster.parts for cluster in report.clusters_across] == [("test", "train")]
    assert report.copied_tests == 1
    assert [cluster.labels for cluster in report.told_apart] == [("a", "b")]
    assert report.as_dict()["leaks"] is True


def test_a_clean_split_has_no_leak() -> None:
    rows = [row("1", "x", "train"), row("2", "x", "train"), row("3", "y", "test"), row("3", "y", "test")]
    report = leak_check("main@v1", rows, find_duplicates(rows, None, NullProgress()))
    assert not report.leaks
    assert report.copied_tests == 0


def test_groups_that_copies_bridge_stay_together() -> None:
    rows = [row("1", "a", ""), row("1", "b", ""), row("2", "b", ""), row("2", "c", ""), row("3", "d", "")]
    together = units(rows, find_duplicates(rows, None, NullProgress()))
    assert len(set(together[:4])) == 1
    assert together[4] != together[0]


def recordings(own: float, classes: float) -> tuple[NDArray[np.float32], list[str], list[str]]:
    """24 groups of 8 samples: vectors of a class's mark, a group's own mark, and a little noise."""
    rng = np.random.default_rng(4)
    features, labels, groups = [], [], []
    marks = {label: rng.normal(0, 1, 32) * classes for label in "abc"}
    for number in range(24):
        label, mark = "abc"[number % 3], rng.normal(0, 1, 32) * own
        for _ in range(8):
            features.append(marks[label] + mark + rng.normal(0, 0.3, 32))
            labels.append(label)
            groups.append(str(number))
    return np.array(features, np.float32), labels, groups


def measure(own: float, classes: float) -> SplitGap:
    features, labels, groups = recordings(own, classes)
    parts = ["test" if int(group) >= 18 else "train" for group in groups]
    return split_gap(features, labels, groups, parts, ratios=RATIOS, seed=1, progress=NullProgress(), repeats=8)


def test_where_recordings_are_recognised_a_random_split_flatters() -> None:
    measured = measure(own=1.0, classes=0.2)
    assert measured.gap > 0.2
    assert 0 < measured.low < measured.gap < measured.high
    assert measured.own is not None
    assert measured.as_dict()["repeats"] == 8
    assert measure(own=1.0, classes=0.2) == measured  # the seed decides all of it


def test_where_recordings_are_alike_both_splits_say_the_same() -> None:
    measured = measure(own=0.0, classes=0.12)
    assert measured.low <= 0.03
    assert abs(measured.gap) < 0.05


def test_a_large_dataset_is_measured_on_some_of_its_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gap, "_MOST_SAMPLES", 100)
    measured = measure(own=1.0, classes=0.2)
    assert 90 < measured.samples <= 100
    assert measured.gap > 0


def test_too_few_groups_to_hold_one_out_are_said() -> None:
    features, labels, _ = recordings(1.0, 1.0)
    with pytest.raises(NotEnoughData, match="two groups"):
        split_gap(features, labels, labels, labels, ratios=RATIOS, seed=1, progress=NullProgress())
