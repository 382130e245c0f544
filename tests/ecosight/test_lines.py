"""Records as lines: what was put in comes out, and nothing that a client can send makes one impossible."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecosight.state.lines import from_line, to_line
from ecosight.values import Prediction

ONE = Prediction(
    id="one",
    sample_id="5" * 64,
    model_version="1",
    model_digest="d" * 64,
    variant="champion",
    key="sensor",
    label="dog",
    probabilities={"dog": 1.0},
    latency_ms=4.0,
    made_at=datetime(2026, 5, 1, tzinfo=UTC),
)


@given(key=st.text(st.characters(exclude_categories=())), probability=st.floats(0, 1))
def test_any_key_and_any_probability_makes_one_line_of_utf_8(key: str, probability: float) -> None:
    line = to_line(replace(ONE, key=key, probabilities={"dog": probability}))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    row = from_line(line)
    assert row["probabilities"] == {"dog": probability}
    assert row["key"] == key or any(0xD800 <= ord(each) <= 0xDFFF for each in key)


def test_half_a_character_becomes_the_sign_for_it_and_the_rest_stays() -> None:
    row = from_line(to_line(replace(ONE, key="sen\ud800sor", label="\udcffdog")))
    assert (row["id"], row["key"], row["label"]) == ("one", "sen\ufffdsor", "\ufffddog")


def test_a_moment_keeps_its_zone_and_its_microseconds() -> None:
    made_at = ONE.made_at.replace(microsecond=7)
    assert datetime.fromisoformat(from_line(to_line(replace(ONE, made_at=made_at)))["made_at"]) == made_at


def test_numbers_and_mappings_of_libraries_are_taken_and_what_is_not_finite_is_null() -> None:
    probabilities = MappingProxyType({"dog": np.float32(0.5), "cat": np.float64("nan")})
    row = from_line(to_line(replace(ONE, probabilities=probabilities)))
    assert row["probabilities"] == {"dog": 0.5, "cat": None}


def test_a_line_that_an_earlier_version_left_is_read() -> None:
    row = from_line(json.dumps({"id": "one", "key": "sen\ud800sor"}).encode() + b"\n")
    assert row == {"id": "one", "key": "sen\ud800sor"}


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(TypeError):
        to_line({"id": object()})
    with pytest.raises(ValueError, match="no JSON object"):
        from_line(b"[]\n")
