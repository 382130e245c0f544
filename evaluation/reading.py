"""Owns reading a report back from its JSON: what every kind of report holds in the same form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TypeVar

from ecosight.errors import InvalidInput
from evaluation.curves import ClassCurve
from evaluation.estimates import UNDEFINED, Estimate

__all__ = ["checked", "reading"]

R = TypeVar("R")


@contextmanager
def reading(
    plain: Mapping[str, Any], *, kind: str, told: str, formats: Sequence[int], estimates: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """The fields of a report, with estimates, labels, caveats and curves as a report holds them.

    Args:
        told: the kind for people. formats: those that can be read, the newest last.
        estimates: names of the figures over all classes; those that an old format did not have are undefined.
    Raises: InvalidInput: it is no such report, or of another format; also for what the block around it misses.
    """
    try:
        fields = dict(plain)
        found = fields.pop("format"), fields.pop("kind", "classification")
        if found[0] not in formats or found[1] != kind:
            raise InvalidInput(
                f"this is a report of {found[1]} in format {found[0]}, not of {kind} in format {formats[-1]}"
            )
        fields |= {name: Estimate(**fields[name]) if name in fields else UNDEFINED for name in estimates}
        fields["labels"] = tuple(fields["labels"])
        fields["caveats"] = tuple(fields.get("caveats", ()))
        fields["curves"] = tuple(ClassCurve.from_dict(each) for each in fields.get("curves", ()))
        yield fields
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"this is no {told}: {error!r}") from error
    except ValueError as error:
        raise InvalidInput(f"this is no {told}: {error}") from error


def checked(report: R) -> R:
    """A report that was read, if every field is of the type that it is declared with.

    Raises: ValueError: one is not, or is no finite number; the sentence names it.
    """
    from pydantic import TypeAdapter, ValidationError

    plain: Any = report
    try:
        read: R = TypeAdapter(type(report)).validate_json(json.dumps(asdict(plain), allow_nan=False), strict=True)
        return read
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place} is {first['input']!r:.60}; {first['msg']}") from error
