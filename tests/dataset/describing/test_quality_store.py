"""Quality is measured once for each sample, kept, and told as facts; a bad sample costs the others nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dataset_kit import MemoryBlobs, in_memory, sample

from dataset.changes import joined, relabelled
from dataset.describing import QualityStore, describe, quality_facts, read_store_facts, summarise_quality
from dataset.describing.summary import entries_table
from dataset.intake import Intake
from ecosight.errors import Cancelled, UnreadableMedia
from ecosight.ports import QualityMeter
from ecosight.progress import NullProgress
from evaluation.facts import facts_of


class NoteQuality:
    """The quality of a note: how long it is."""

    name = "notes"
    units: Mapping[str, str] = {"words": "number of words"}
    rules: Mapping[str, str] = {"short": "fewer than three words", "empty": "no word"}

    def __init__(self, digest: str = "notes 1") -> None:
        self.digest = digest
        self.measured: list[bytes] = []

    def quality(self, data: bytes) -> Mapping[str, float]:
        self.measured.append(data)
        if data.startswith(b"torn"):
            raise UnreadableMedia("the note is torn")
        return {"words": float(len(data.split()))}

    def flags(self, figures: Mapping[str, float]) -> tuple[str, ...]:
        return tuple(flag for flag, most in (("short", 2), ("empty", 0)) if figures["words"] <= most)


class Stops(NullProgress):
    """Cancels at the fifth sample."""

    def __init__(self) -> None:
        self.left = 5

    def checkpoint(self) -> None:
        self.left -= 1
        if not self.left:
            raise Cancelled("enough")


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


def test_flags_become_facts_that_slices_are_made_of(tmp_path: Path, blobs: MemoryBlobs) -> None:
    meter: QualityMeter = NoteQuality()
    good, short, empty, torn = (blobs.put(each) for each in (b"one two three", b"one", b"", b"torn one"))
    found = QualityStore(tmp_path / "cache", meter, blobs).collect([good, short, empty, torn, "0" * 64], NullProgress())
    facts = quality_facts(found, meter)
    assert facts["quality"] == {
        good: "good",
        short: "short",
        empty: "short, empty",
        torn: "unreadable",
        "0" * 64: "unreadable",
    }

    class Asked:
        sample_id = short

    assert facts_of([Asked()], more=facts)["quality"] == ("short",)
    told = summarise_quality(dict.fromkeys([good, short, empty, torn, "0" * 64], "fox"), found, meter, of=9)
    assert (told.looked_at, told.of, told.good) == (5, 9, 1)
    assert told.flags == {"short": 2, "empty": 1, "unreadable": 2}
    assert told.by_class == {"fox": (5, 4)}
    assert told.unreadable[torn] == "the note is torn"
    assert told.quantiles["words"][1] == 1


def test_a_sample_is_measured_once_until_the_measure_changes(tmp_path: Path, blobs: MemoryBlobs) -> None:
    ids = [blobs.put(f"note {n}".encode()) for n in range(100)]
    first = NoteQuality()
    assert QualityStore(tmp_path / "cache", first, blobs).collect(ids, NullProgress()).computed == 100
    again = QualityStore(tmp_path / "cache", first, blobs).collect(ids, NullProgress())
    assert (again.computed, again.cached, len(first.measured)) == (0, 100, 100)
    other = NoteQuality("notes 2")
    assert QualityStore(tmp_path / "cache", other, blobs).collect(ids, NullProgress()).computed == 100


def test_what_was_measured_before_a_stop_stays_and_a_damaged_row_is_made_again(
    tmp_path: Path, blobs: MemoryBlobs
) -> None:
    ids = [blobs.put(f"note {n}".encode()) for n in range(50)]
    store = QualityStore(tmp_path / "cache", NoteQuality(), blobs, workers=1)
    with pytest.raises(Cancelled):
        store.collect(ids, Stops())
    whole = store.collect(ids, NullProgress())
    assert whole.cached >= 4
    assert whole.computed + whole.cached == 50
    (file,) = (tmp_path / "cache").glob("*.sqlite")
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("UPDATE quality SET figures = '{\"words\": 77}' WHERE id = ?", (ids[7],))
    connection.close()
    mended = store.collect(ids, NullProgress())
    assert (mended.computed, mended.figures) == (1, whole.figures)
    file.write_bytes(b"no database any more" * 100)
    assert store.collect(ids, NullProgress()).figures == whole.figures


def test_the_store_tells_where_labels_are_from_and_what_was_measured(project: Any) -> None:
    intake: Intake = project.intake
    taken = [
        intake.accept(f"note: {name}".encode(), label="fox", source=name, origin=origin).sample
        for name, origin in (("a", "ingest"), ("b b", "upload"), ("c", "ingest"), ("d", "ingest"))
    ]
    project.repository.commit(taken, message="first")
    changed = relabelled({taken[2].id: "owl", taken[3].id: "owl"}, annotators={taken[3].id: 3})
    version, _ = project.repository.commit_changes(joined([changed]), message="second listening")
    table = entries_table(version)
    facts = read_store_facts(table, project.db)
    by_id = dict(zip(version.entries.sample_ids, facts.sources.to_pylist(), strict=True))
    assert [by_id[each.id] for each in taken] == ["file", "upload", "corrected", "annotators"]
    told = describe(version, facts=facts)
    assert told.annotators == {1: 3, 3: 1}
    assert told.spreads["words"].counted == 4
    assert told.spreads["words"].most == 2
    some = read_store_facts(table, project.db, most=2)
    assert (some.asked, len(some.measured["words"])) == (2, 2)
    assert "2 samples, as good as drawn by lot" in " ".join(describe(version, facts=some).notes)


def test_samples_that_the_store_does_not_know_are_of_unknown_source(project: Any) -> None:
    elsewhere = in_memory().commit([sample("far away")], message="pulled")
    assert read_store_facts(entries_table(elsewhere), project.db).sources.to_pylist() == ["unknown"]
