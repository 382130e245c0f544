"""From a dataset version to a candidate: what is enough, and which examples are compared."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from dataset.versions import DatasetVersion, Entry
from ecosight.errors import NotEnoughData
from ecosight.values import DatasetRef
from training.candidate import _examples, check_enough


def version(**parts: str) -> DatasetVersion:
    """Parts by name, each a string of one-letter classes."""
    entries = tuple(
        Entry(sample_id=f"{part}{n}", label=label, group=f"{part}{n}", part=part, source="", size_bytes=1)
        for part, labels in parts.items()
        for n, label in enumerate(labels)
    )
    return DatasetVersion(
        ref=DatasetRef(name="main", version=3, digest="d"),
        parent=None,
        message="",
        created_at=datetime(2026, 5, 1, tzinfo=UTC),
        class_counts=Counter(entry.label for entry in entries),
        part_counts=Counter(entry.part for entry in entries),
        ratios={},
        seed=1,
        entries=entries,
    )


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "main@v3 has no classes, two are needed"),
        ({"train": "aaa", "val": "a", "test": "a"}, "main@v3 has only the class a, two are needed"),
        ({"train": "aabb", "test": "ab"}, "main@v3 has no val sample at all"),
        ({"train": "aab", "val": "a"}, "main@v3 has no test sample at all"),
        ({"train": "aab", "val": "c", "test": "ab"}, "main@v3 has no train sample of c"),
        ({"train": "aa", "test": "b"}, "main@v3 has no val sample at all, no train sample of b"),
    ],
)
def test_what_is_missing_is_told_in_one_sentence(parts, message):
    with pytest.raises(NotEnoughData) as caught:
        check_enough(version(**parts))
    assert caught.value.message == message
    assert caught.value.hint


def test_a_class_that_is_not_validated_or_tested_is_a_warning():
    assert check_enough(version(train="aabb", val="ab", test="ab")) == []
    assert check_enough(version(train="aabbc", val="a", test="ab")) == [
        "b has no validation sample",
        "c has no validation sample",
        "c has no test sample",
    ]


def test_examples_take_turns_between_the_classes():
    entries = version(test="aaaaaaaabbbc").part("test")
    assert "".join(entry.label for entry in _examples(entries, 6)) == "abcaba"
    assert len(_examples(entries, 100)) == 12
