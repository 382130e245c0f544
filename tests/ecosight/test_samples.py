"""Sample rows: known by content, never changed by a second arrival, kept in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ecosight.ids import content_digest
from ecosight.state import Database, SampleStore
from ecosight.values import Sample


def sample(number: int, label: str | None = "dog", **changes: object) -> Sample:
    values = {
        "id": content_digest(str(number).encode()),
        "medium": "sound",
        "captured_at": datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC),
        "source": f"station/{number}.wav",
        "group": f"take {number}",
        "size_bytes": 2**33 + number,
        "label": label,
        "details": {"duration_s": 1.5, "channels": 2},
    }
    return Sample(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def store(database: Database) -> SampleStore:
    return SampleStore(database)


def test_a_sample_comes_back_as_it_was(store: SampleStore) -> None:
    one = sample(1)
    assert store.add(one, origin="ingest")
    assert store.get(one.id) == one


def test_a_time_of_another_zone_comes_back_as_the_same_moment_in_utc(store: SampleStore) -> None:
    there = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    store.add(sample(1, captured_at=there), origin="ingest")
    found = store.get(sample(1).id)
    assert found is not None
    assert found.captured_at == there
    assert found.captured_at.utcoffset() == timedelta(0)


def test_a_known_id_changes_nothing(store: SampleStore) -> None:
    store.add(sample(1, "dog"), origin="ingest")
    assert not store.add(sample(1, "gun"), origin="upload")
    assert store.get(sample(1).id) == sample(1, "dog")
    assert store.count() == 1


def test_a_known_sample_learns_what_it_does_not_have_and_keeps_what_it_has(store: SampleStore) -> None:
    store.add(sample(1), origin="ingest")
    learned = store.learn(sample(1).id, {"boxes": [{"x0": 1.5}], "channels": 9})
    assert learned == store.get(sample(1).id)
    assert learned is not None
    assert learned.details == {"duration_s": 1.5, "channels": 2, "boxes": [{"x0": 1.5}]}
    assert store.learn(sample(1).id, {"boxes": []}) == learned
    assert store.learn("unknown", {"boxes": []}) is None


def test_many_keeps_the_order_of_the_ids_and_leaves_out_the_unknown(store: SampleStore) -> None:
    for number in range(3):
        store.add(sample(number), origin="ingest")
    assert store.many([sample(2).id, "unknown", sample(0).id]) == [sample(2), sample(0)]
    assert store.many([]) == []


def test_many_takes_more_ids_than_one_query_can_hold(store: SampleStore) -> None:
    store.add(sample(1), origin="ingest")
    assert store.many([f"unknown {number}" for number in range(40_000)] + [sample(1).id]) == [sample(1)]


def test_all_is_in_order_of_arrival(store: SampleStore) -> None:
    for number in (3, 1, 2):
        store.add(sample(number), origin="ingest")
    assert store.all() == [sample(3), sample(1), sample(2)]


def test_counts_tell_labels_and_leave_out_the_unlabelled(store: SampleStore) -> None:
    for number, label in enumerate(["gun", "dog", None, "dog"]):
        store.add(sample(number, label), origin="upload")
    assert store.count() == 4
    assert store.counts_by_label() == {"dog": 2, "gun": 1}


def test_an_unknown_sample_is_none(store: SampleStore) -> None:
    assert store.get("unknown") is None


@pytest.mark.parametrize("name", ["a\0b.wav", "undecodable \udcff.wav", "鳥/🐦.wav", "x" * 10_000])
def test_no_file_name_is_too_strange(store: SampleStore, name: str) -> None:
    assert store.add(sample(1, source=name), origin="upload")
    found = store.get(sample(1).id)
    assert found is not None
    assert found.source == name.replace("\0", "\ufffd").replace("\udcff", "\ufffd")


def test_a_naive_time_is_refused_before_it_is_stored(store: SampleStore) -> None:
    with pytest.raises(Exception, match="without a zone"):
        store.add(sample(1, captured_at=datetime(2026, 5, 1)), origin="ingest")  # noqa: DTZ001
    assert store.count() == 0
