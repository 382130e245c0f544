"""The error tree: every class has its code, its row in the table, and a place in the drawing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ecosight import errors
from ecosight.errors import EcosightError, NotFound, exit_code, http_status


def tree(root: type[EcosightError] = EcosightError) -> Iterator[type[EcosightError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


@pytest.mark.parametrize("kind", list(tree()))
def test_every_class_has_its_row_in_the_table(kind: type[EcosightError]) -> None:
    error = kind("a sentence", hint="a hint", fact=1)
    assert 400 <= http_status(error) <= 599
    assert 1 <= exit_code(error) <= 130


def test_the_table_has_no_row_too_many() -> None:
    assert set(errors._TABLE) == set(tree())


@pytest.mark.parametrize("kind", list(tree()))
def test_every_class_is_drawn_and_exported(kind: type[EcosightError]) -> None:
    assert errors.__doc__ is not None
    assert kind.__name__ in errors.__doc__
    assert kind.__name__ in errors.__all__


def test_every_class_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in tree()]
    assert len(set(codes)) == len(codes)


def test_a_family_shares_its_exit_code() -> None:
    for family in EcosightError.__subclasses__():
        if family.__module__ == errors.__name__:
            assert {exit_code(kind("x")) for kind in tree(family)} == {exit_code(family("x"))}


def test_an_error_is_a_json_object() -> None:
    error = NotFound("there is no job 'x'", hint="List them.", job_id="x")
    assert json.loads(json.dumps(error.as_dict())) == {
        "code": "not_found",
        "message": "there is no job 'x'",
        "hint": "List them.",
        "context": {"job_id": "x"},
    }
    assert str(error) == "there is no job 'x'"
