"""Truths that come later are read as every other table, and checked as every other label."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecosight.errors import InvalidInput
from pipeline.truths import read_truths


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_in_every_encoding_that_datasets_come_in(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "truths.csv"
    file.write_text("prediction_id, true_label\npred_1, Ele\u0301phant\n\npred_2,owl\n", encoding)
    assert read_truths(str(file), "") == [("pred_1", "El\u00e9phant"), ("pred_2", "owl")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"prediction_id,true_label\npred_1,\xe9l\xe9phant\n", "truths.csv is not UTF-8 text"),
        (b"prediction_id,true_label\n" + b"x" * 200_000 + b",owl\n", "line 2: field larger than field limit"),
        (b"prediction_id,label\npred_1,owl\n", "has no column true_label"),
        (b"prediction_id,true_label\n", "there is no row below the names of the columns"),
        (
            b"prediction_id,true_label\n,owl\npred_2,\npred_3,a/b\n",
            "line 2: .*; line 3: .*; line 4: .* looks like a path",
        ),
    ],
)
def test_a_table_that_cannot_be_read_is_told_in_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "truths.csv"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        read_truths(str(file), "")


def test_what_is_no_label_is_no_truth() -> None:
    assert read_truths("pred_1", " owl ") == [("pred_1", "owl")]
    for label in ("   ", "a/b", "x" * 65):
        with pytest.raises(InvalidInput):
            read_truths("pred_1", label)
