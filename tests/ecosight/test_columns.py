"""What goes into a column is what both databases can keep, and what comes out is what went in."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from ecosight.state.columns import PlainText, to_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_json_is_such_that_every_parser_reads_it(value: object) -> None:
    words_of_python: list[str] = []  # NaN and Infinity: Python reads them, nobody else has to
    json.loads(to_json(value), parse_constant=words_of_python.append)
    assert words_of_python == []


@given(st.recursive(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists))
def test_json_of_finite_values_loses_nothing(value: object) -> None:
    assert json.loads(to_json(value)) == value


def test_what_is_not_finite_becomes_null_and_nothing_else_changes() -> None:
    assert to_json({"loss": (1.0, math.nan, -math.inf), "n": 2}) == '{"loss": [1.0, null, null], "n": 2}'


def test_what_json_has_no_form_for_is_refused() -> None:
    with pytest.raises(TypeError):
        to_json({"labels": {1, 2}})


@given(st.text(st.characters()) | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_any_text_becomes_one_that_can_be_stored(text: str) -> None:
    stored = PlainText().process_bind_param(text, sqlite.dialect())
    assert stored is not None
    stored.encode("utf-8")
    assert "\0" not in stored
    assert PlainText().process_bind_param(stored, sqlite.dialect()) == stored


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert PlainText().process_bind_param(text, sqlite.dialect()) == text
