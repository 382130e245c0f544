"""What a version holds is counted right, what is not known is said, and what to collect follows from arithmetic."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from dataset_kit import BEGIN, id_of, in_memory, sample
from scipy.stats import binomtest

from dataset.describing import (
    agreement_of,
    balance_of,
    describe,
    groups_needed,
    half_width,
    statistics_page,
)
from dataset.describing.tallies import columns_of, spread_of, tally
from dataset.storing.manifests import DatasetVersion
from dataset.storing.rows import entry_schema
from dataset.storing.sequence import EntrySequence
from ecosight.errors import InvalidInput
from ecosight.values import Annotation, DatasetRef


def version_of(table: pa.Table, *, by: str = "stratified", message: str = "") -> DatasetVersion:
    """A version over rows, which no repository had to make first."""
    table = table.sort_by("id")
    labels = {row["values"]: row["counts"] for row in table.column("label").value_counts().to_pylist()}
    return DatasetVersion(
        ref=DatasetRef(name="main", version=1, digest="0" * 64),
        parent=None,
        message=message,
        created_at=BEGIN,
        class_counts=labels,
        part_counts={"train": 0, "val": 0, "test": 0},
        ratios={"train": 0.7, "val": 0.15, "test": 0.15},
        seed=7,
        scheme={"by": by},
        entries=EntrySequence.of(table),
    )


def rows(*given: dict[str, Any]) -> pa.Table:
    first = {"label": "fox", "part": "train", "source": "", "size_bytes": 10}
    made = [{"id": bytes.fromhex(id_of(str(n))), **first, **row} for n, row in enumerate(given)]
    return pa.Table.from_pylist(made, schema=entry_schema())


def test_samples_and_groups_are_counted_by_class_and_part() -> None:
    table = rows(
        {"group": "a", "part": "test"},
        {"group": "a", "part": "test"},
        {"group": "b"},
        {},
        {"label": "owl", "group": "b"},
    )
    fox, owl = tally(columns_of(table), "label")
    assert (fox.value, fox.samples, fox.groups) == ("fox", 4, 3)
    assert fox.part_samples == {"train": 2, "val": 0, "test": 2}
    assert fox.part_groups == {"train": 2, "val": 0, "test": 1}
    assert (owl.value, owl.samples, owl.groups) == ("owl", 1, 1)


def test_the_moment_of_coming_in_is_not_taken_for_an_hour_of_recording() -> None:
    labelled = datetime(2026, 5, 3, 12, tzinfo=UTC)
    table = rows(
        {"captured_at": labelled - timedelta(minutes=10), "labelled_at": labelled},
        {"captured_at": labelled - timedelta(hours=9), "labelled_at": labelled},
        {"captured_at": labelled - timedelta(minutes=10), "labelled_at": labelled},
        {},
    )
    assert [row.value for row in tally(columns_of(table), "hour")] == ["03"]
    by_upload = pa.array(["file", "file", "upload", "unknown"])
    hours = {row.value: row.samples for row in tally(columns_of(table, by_upload), "hour")}
    assert hours == {"03": 1, "11": 1}  # an upload comes in when it is recorded
    told = describe(version_of(table))
    assert told.unknown["hour"] == 3
    assert "3 of 4 samples nothing tells when they were captured" in " ".join(told.notes)


@pytest.mark.parametrize(("right", "of"), [(0, 5), (3, 7), (46, 93), (37, 40)])
def test_the_width_of_an_interval_is_wilsons(right: int, of: int) -> None:
    found = binomtest(right, of).proportion_ci(method="wilson")
    assert half_width(of, right / of) == pytest.approx((found.high - found.low) / 2)


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 0.8, 0.9, 1.0])
def test_the_fewest_groups_are_enough_and_one_less_is_not(accuracy: float) -> None:
    needed = groups_needed(accuracy)
    assert half_width(needed, accuracy) < 0.1 <= half_width(needed - 1, accuracy)
    assert needed <= groups_needed(0.5) == 93


def test_collecting_what_is_asked_for_makes_the_interval_narrow_enough() -> None:
    """Through the real splitter: it gives the test part its share of the new groups."""
    repository = in_memory(ratios={"train": 0.7, "val": 0.1, "test": 0.2})
    kept = [sample(f"{label}{n}", label) for label, many in (("fox", 60), ("owl", 200)) for n in range(many)]
    head = repository.commit(kept, message="first")
    wanted = {each.value: each for each in describe(head, accuracy=0.9).wanted if each.kind == "class"}
    assert wanted["fox"].groups == math.ceil(37 / 0.2) - 60
    assert "owl" not in wanted
    kept += [sample(f"more{n}", "fox") for n in range(wanted["fox"].groups)]
    again = repository.commit(kept, message="more")
    fox = next(row for row in describe(again).tallies["class"] if row.value == "fox")
    assert fox.part_groups["test"] >= 36  # shares hold to within a group


def test_the_worst_known_comes_first_and_says_why() -> None:
    given = [{"label": "fox", "part": part} for part in ["test"] * 30 + ["train"] * 170]
    given += [{"label": "owl", "part": "train"} for _ in range(20)]
    wanted = describe(version_of(rows(*given))).wanted
    assert [each.value for each in wanted] == ["owl", "fox"]
    assert wanted[0].reason == "0 of 93 test groups: nothing can be said about it"
    assert wanted[0].margin is None
    assert wanted[1].reason == "30 of 93 test groups: its interval is ±17 points"
    assert wanted[1].groups == math.ceil(93 / 0.15) - 200


@pytest.mark.parametrize(("by", "kinds"), [("stratified", {"class", "station"}), ("station", {"class"})])
def test_stations_that_are_held_out_on_purpose_are_not_asked_for(by: str, kinds: set[str]) -> None:
    table = rows(*({"station": name} for name in ("north", "creek")))
    assert {each.kind for each in describe(version_of(table, by=by)).wanted} == kinds


def test_balance_is_that_of_equal_classes_where_they_are_equal() -> None:
    even, uneven = balance_of({"a": 5, "b": 5, "c": 5, "d": 0}), balance_of({"a": 90, "b": 10})
    assert (even.classes, even.imbalance) == (3, 1.0)
    assert (even.entropy, even.effective) == (pytest.approx(1), pytest.approx(3))
    assert uneven.entropy == pytest.approx(0.469, abs=1e-3)  # bits of a coin that falls on one side in 9 of 10
    assert uneven.imbalance == 9
    assert balance_of({}).entropy is None
    assert balance_of({"a": 3}).entropy is None


def said(sample_id: str, *labels: str) -> list[Annotation]:
    return [
        Annotation(sample_id=sample_id, label=label, annotator=f"p{n}", made_at=BEGIN) for n, label in enumerate(labels)
    ]


def test_kappa_is_that_of_fleiss_paper() -> None:
    """The worked example that is known from Fleiss (1971): 10 subjects, 14 raters, 5 categories, kappa 0.210."""
    table = """0 0 0 0 14/0 2 6 4 2/0 0 3 5 6/0 3 9 2 0/2 2 8 1 1/7 7 0 0 0/3 2 6 3 0/2 5 3 2 2/6 5 2 1 0/0 2 2 3 7"""
    statements = []
    for subject, counts in enumerate(table.split("/")):
        votes = [str(label) for label, many in enumerate(counts.split()) for _ in range(int(many))]
        statements += said(str(subject), *votes)
    found = agreement_of(statements)
    assert (found.samples, found.annotators) == (10, 14)
    assert found.observed == pytest.approx(0.378, abs=1e-3)
    assert found.kappa == pytest.approx(0.210, abs=1e-3)


def test_agreement_is_unknown_without_two_people_and_counts_a_person_once() -> None:
    assert agreement_of(said("a", "fox")).kappa is None
    twice = [*said("a", "fox"), *said("a", "fox")]
    assert agreement_of(twice).samples == 0
    all_alike = agreement_of(said("a", "fox", "fox"))
    assert (all_alike.unanimous, all_alike.kappa) == (1.0, None)
    assert agreement_of([*said("a", "fox", "fox"), *said("b", "owl", "owl", "owl")]).kappa == pytest.approx(1)


def test_a_histogram_counts_every_value_once() -> None:
    for values in ([1.0, 2.0, 2.5], [0.1, 50.0, 3000.0], [4.0, 4.0], [-1.0, 0.0, 1e6]):
        spread = spread_of(np.array([*values, np.nan]))
        assert spread is not None
        assert sum(spread.counts) == spread.counted == len(values)
        assert len(spread.edges) == len(spread.counts) + 1
    assert spread_of(np.array([np.nan])) is None


def test_whatever_labels_hold_stays_text_on_a_page_without_network() -> None:
    evil = "<script>alert(1)</script>"
    given = {"label": evil, "station": f'"><img src=x onerror={evil}>', "part": "test"}
    page = statistics_page(describe(version_of(rows(given, {"label": "</style>"}), message=evil)))
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("</style>") == 1
    assert "&lt;script&gt;alert(1)" in page
    for outside in ("http:", "https:", "url(", "@import", " src="):
        assert outside not in page.replace("&lt;img src=x", "")
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_an_accuracy_that_is_none_is_refused_in_a_sentence() -> None:
    with pytest.raises(InvalidInput, match="cannot be planned for"):
        describe(version_of(rows({})), accuracy=float("nan"))


def test_a_hundred_thousand_samples_are_counted_in_columns() -> None:
    """The work is in columns: a tenth of a million here, which takes a tenth of the time of one."""
    many = 100_000
    rng = np.random.default_rng(3)
    ids = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), many, [None, pa.py_buffer(rng.bytes(32 * many))])
    pick = lambda names: pa.array(names).take(pa.array(rng.integers(0, len(names), many)))  # noqa: E731
    moments = pa.array(rng.integers(1_700_000_000_000, 1_760_000_000_000, many), pa.timestamp("ms", "UTC"))
    columns = {
        "id": ids,
        "label": pick([f"class {n}" for n in range(50)]),
        "group": pa.nulls(many, pa.string()),
        "part": pick(["train", "val", "test"]),
        "source": pa.array([""] * many),
        "size_bytes": pa.array(rng.integers(1, 10**7, many)),
        "captured_at": moments,
        "station": pick([f"station {n}" for n in range(200)]),
        "annotators": pa.array(np.ones(many, np.int32)),
        "labelled_at": pa.array([1_770_000_000_000] * many, pa.timestamp("ms", "UTC")),
    }
    version = version_of(pa.table(columns, schema=entry_schema()))
    began = time.process_time()
    told = describe(version)
    page = statistics_page(told)
    assert time.process_time() - began < 5  # 0.5 s where nothing else runs
    assert len(told.tallies["hour"]) == 24
    assert sum(row.samples for row in told.tallies["station"]) == many
    assert len(page) < 300_000
