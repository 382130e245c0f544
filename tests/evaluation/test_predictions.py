"""What a model answered, beside the truth and what else is known of the samples."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from dataset.entries import Entry
from ecosight.errors import InvalidInput
from evaluation.facts import facts_of
from evaluation.page import report_page
from evaluation.predictions import Predictions
from evaluation.report import read_report, report_lines, write_report


def entry(name: str, label: str, **more: object) -> Entry:
    known = {"group": name, "part": "test", "source": f"{name}.wav", "size_bytes": 1, **more}
    return Entry(sample_id=name, label=label, **known)  # type: ignore[arg-type]


def predictions(order: list[int]) -> Predictions:
    ids, labels = ["a", "b", "c"], ["owl", "fox", "toad"]
    answers = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    return Predictions.of(
        sample_ids=[ids[i] for i in order],
        labels=[labels[i] for i in order],
        groups=[ids[i] for i in order],
        sources=["" for _ in order],
        answers=answers[order],
        known_labels=["owl", "fox"],
        model_digest="m",
        facts={"hour": [f"0{i}" for i in order]},
    )


def test_answers_are_put_beside_the_truth_whatever_the_order_of_the_samples() -> None:
    told = predictions([0, 1, 2])
    assert told.labels == ("fox", "owl", "toad")
    assert told.correct.tolist() == [True, True, False]  # toad is not known to the model
    assert told.probabilities[:, 2].tolist() == [0, 0, 0]
    again = predictions([2, 0, 1])
    assert again.sample_ids == told.sample_ids == ("a", "b", "c")
    assert again.facts == told.facts == {"hour": ("00", "01", "02")}
    assert again.test_digest == told.test_digest
    assert (again.probabilities == told.probabilities).all()
    report = told.report(bootstrap_samples=100, seed=1)
    assert report.accuracy.value == pytest.approx(2 / 3)


def test_a_sample_that_is_there_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="the sample a is there twice"):
        predictions([0, 1, 0])


def test_answers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput, match="do not fit 1 samples"):
        Predictions.of(
            sample_ids=["a"],
            labels=["owl"],
            groups=["a"],
            sources=[""],
            answers=np.ones((1, 2)),
            known_labels=["owl"],
            model_digest="m",
        )


def test_facts_are_told_where_they_are_known_and_left_out_where_nothing_is() -> None:
    night = datetime(2026, 1, 31, 23, 5, tzinfo=UTC)
    entries = [entry("a", "owl", captured_at=night, station="north"), entry("b", "fox")]
    facts = facts_of(entries, {"quality": {"b": "clipped"}, "unknown": {}})
    assert facts == {
        "station": ("north", ""),
        "hour": ("23", ""),
        "month": ("01", ""),
        "season": ("winter", ""),
        "annotators": ("1", "1"),
        "quality": ("", "clipped"),
    }


def test_what_is_wrong_on_purpose_with_the_samples_is_told_with_every_figure(tmp_path: Path) -> None:
    told = replace(predictions([0, 1, 2]), caveats=("override of group since v2: 1 on two sides, because: published",))
    report = told.report(bootstrap_samples=100, seed=1)
    assert read_report(write_report(report, tmp_path)).caveats == report.caveats == told.caveats
    assert "  ! override of group since v2: 1 on two sides, because: published" in report_lines(report)
    assert "because: published" in report_page(report)


@pytest.mark.parametrize("answer", [[float("nan"), 0.5], [float("inf"), 0.0]])
def test_an_answer_that_is_no_number_is_refused_by_the_name_of_its_sample(answer: list[float]) -> None:
    with pytest.raises(InvalidInput, match=r"ecosight/3 answered night\.wav with what is no number"):
        Predictions.of(
            sample_ids=["a", "b"],
            labels=["owl", "fox"],
            groups=["a", "b"],
            sources=["", "night.wav"],
            answers=np.array([[0.5, 0.5], answer]),
            known_labels=["owl", "fox"],
            model_digest="m",
            model="ecosight/3",
        )
