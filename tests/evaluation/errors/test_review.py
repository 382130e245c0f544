"""The review list: each sample once, the most useful first, never more than asked for, the same as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecosight.errors import InvalidInput, NotEnoughData
from evaluation.errors import ErrorAnalyzer, analyse_errors, error_lines
from evaluation.errors.review import KINDS, review_csv


def hostile(say: Any) -> Any:
    """A part with everything in it, whose names would like to be markup, formulas and cursor movements."""
    rng = np.random.default_rng(4)
    names = ["<script>alert(1)</script>", "=1+1", 'owl "x" {{main}} </script>']
    truth = np.repeat([0, 1, 2], 40)
    odds = rng.normal(0, 1, (120, 3))
    odds[np.arange(120), truth] += 4
    odds[:20] = [0, 5, 0]  # one station, where the first class is heard as the second
    table = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    return say(
        [names[k] for k in truth],
        table,
        known=names,
        sources=[f"<img src=x onerror=alert({k})>\x1b[2J.wav" for k in range(120)],
        facts={"station": ["<b>7</b>" if k < 20 else "1" for k in range(120)]},
    )


def test_each_sample_is_listed_once_the_most_useful_first(say: Any) -> None:
    told = analyse_errors(hostile(say), seed=0)
    ids = [item.sample_id for item in told.review]
    assert len(ids) == len(set(ids)) == min(50, told.errors)
    assert [item.priority for item in told.review] == sorted((item.priority for item in told.review), reverse=True)
    assert all(item.kinds and set(item.kinds) <= set(KINDS) and item.why for item in told.review)
    assert {kind for item in told.review for kind in item.kinds} == set(KINDS)
    suspected = {each.sample_id for each in told.label_errors.suspects}
    assert all(bool(item.suggested) == (item.sample_id in suspected) for item in told.review)


@pytest.mark.parametrize("most", [0, 1, 7])
def test_never_more_than_asked_for(say: Any, most: int) -> None:
    every = analyse_errors(hostile(say), seed=0).review
    assert analyse_errors(hostile(say), seed=0, most=most).review == every[:most]


def test_further_samples_of_one_recording_come_later(say: Any) -> None:
    groups = ["one"] * 5 + [f"g{k}" for k in range(55)]
    table = [[0.05, 0.95]] * 5 + [[0.2, 0.8]] * 2 + [[0.9, 0.1]] * 53
    told = analyse_errors(say(["c0"] * 60, table, groups=groups), seed=0)
    assert [item.sample_id for item in told.review[:3]] == ["s0000", "s0005", "s0006"]


def test_the_table_and_the_json_hold_the_same(say: Any, tmp_path: Path) -> None:
    ErrorAnalyzer(hostile(say)).write(tmp_path)
    listed = json.loads((tmp_path / "review.json").read_text("utf-8"))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "review.csv").read_text("utf-8"))))
    assert [row["sample_id"] for row in rows] == [item["sample_id"] for item in listed]
    assert list(rows[0]) == list(listed[0])
    whole = json.loads((tmp_path / "errors.json").read_text("utf-8"))
    assert whole["review"] == listed
    assert whole["kind"] == "errors"


def test_a_spreadsheet_computes_nothing_of_it(say: Any) -> None:
    told = analyse_errors(hostile(say), seed=0)
    cells = [cell for row in csv.reader(io.StringIO(review_csv(told.review))) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_lines_for_a_terminal_move_no_cursor(say: Any) -> None:
    lines = error_lines(analyse_errors(hostile(say), seed=0))
    assert all(line.isprintable() for line in lines)
    assert lines[0].startswith(f"{analyse_errors(hostile(say), seed=0).errors} mistakes in 120 samples of 120 groups")
    assert any("station <b>7</b>: 20 of 20 wrong" in line for line in lines)


def test_a_perfect_model_leaves_nothing_to_review(say: Any) -> None:
    part = say(["c0"] * 15 + ["c1"] * 15, [[0.9, 0.1]] * 15 + [[0.1, 0.9]] * 15)
    told = analyse_errors(part, seed=0)
    assert (told.errors, told.review, told.mistakes) == (0, (), ())
    assert "Bad parts: not searched, as there are no mistakes" in error_lines(told)


def test_wrong_requests_are_refused_in_a_sentence(say: Any) -> None:
    with pytest.raises(NotEnoughData, match="no answers"):
        analyse_errors(say([], np.zeros((0, 2))), seed=0)
    with pytest.raises(InvalidInput, match="cannot hold -1 samples"):
        analyse_errors(hostile(say), seed=0, most=-1)
    with pytest.raises(TypeError, match="foo"):
        ErrorAnalyzer(hostile(say), foo=1)
