"""Owns reading CSV and tab-separated tables of others, row by row with their lines."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from dataset.readers.encoded import encoding_of
from ecosight.errors import InvalidInput

__all__ = ["SURPLUS", "columns_of", "parted_otherwise", "table_rows"]

SURPLUS = "\0"
"""The key of what a row has behind its last column, where that is anything; no column is called so."""

_QUOTING: dict[str, Literal[0, 3]] = {",": csv.QUOTE_MINIMAL, "\t": csv.QUOTE_NONE}


def parted_otherwise(columns: Iterable[str]) -> str:
    """A hint where the columns of a table with commas seem to be parted by something else; else empty."""
    joined = "".join(columns)
    other = next((name for sign, name in ((";", "semicolons"), ("\t", "tabs")) if sign in joined), "")
    return other and f"Its columns seem to be parted by {other}, as some spreadsheets write them: save it with commas."


def columns_of(line: str, delimiter: str = ",") -> list[str]:
    """The column names in a first line."""
    return [name.strip().strip('"') for name in line.strip("\ufeff\r\n").split(delimiter)]


def table_rows(
    path: Path,
    needed: Sequence[str],
    *,
    delimiter: str = ",",
    columns: Sequence[str] | None = None,
    hint: str = "Was the first line lost, or is it another format? --format names it.",
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows below the header, trimmed, each with its line (1 is the first of the file). Empty lines are left out.

    Args:
        needed: columns that must be there. columns: their names, where no line of the file tells them; lines that
            begin with # are passed over then.
        hint: what to do where a column is missing.
    Raises: InvalidInput: not UTF-8, a column is missing or there twice, or the quoting is broken.
    """
    try:
        with path.open(newline="", encoding=encoding_of(path)) as file:
            lines: Iterator[str] = iter(file)
            if columns is not None:
                lines = ("\n" if line.startswith("#") else line for line in file)
            reader = csv.reader(
                lines, delimiter=delimiter, quoting=_QUOTING[delimiter], strict=True, skipinitialspace=True
            )
            try:
                names = list(columns) if columns is not None else [name.strip() for name in next(reader, [])]
                if missing := [name for name in needed if name not in names]:
                    raise InvalidInput(
                        f"{path.name} has no column {' and no column '.join(missing)} (it has: {', '.join(names)})",
                        hint=(delimiter == "," and parted_otherwise(names)) or hint,
                    )
                if twice := [name for name in needed if names.count(name) > 1]:
                    raise InvalidInput(f"{path.name} has several columns {twice[0]!r}", hint="Which one counts?")
                for row in reader:
                    cells = [cell.strip() for cell in row]
                    if any(cells):
                        cells += [""] * (len(names) - len(cells))
                        found = dict(zip(names, cells, strict=False))
                        if any(cells[len(names) :]):
                            found[SURPLUS] = cells[len(names)]
                        yield reader.line_num, found
            except csv.Error as error:
                raise InvalidInput(
                    f"{path.name}: line {reader.line_num}: {error}", hint="Is a quotation mark missing?"
                ) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name} is not UTF-8 text", hint="Save it as UTF-8.") from error
    except OSError as error:
        raise InvalidInput(
            f"{path.name} cannot be read: {error.strerror or error}", hint="Is it a file, and may you read it?"
        ) from error
