"""Reads a multipart form into memory: named files and short text fields, each within its limit, nothing on disk.

The client's file name is data: it is cleaned for showing and never becomes a path.
"""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from dataset.labels import shown_name
from ecosight.errors import InputError, InvalidInput, MediaTooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["Form", "FormFile", "read_form"]

MAX_FIELDS = 16
MAX_FIELD_BYTES = 4096


@dataclass(slots=True)
class FormFile:
    """One file of a form; ``fault`` says why it must not be used, and then there are no bytes.

    Attributes:
        name: what the client calls it, cleaned for showing.
    """

    name: str
    data: bytes = b""
    fault: InputError | None = None


@dataclass(slots=True)
class Form:
    """What a form held."""

    files: list[FormFile] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    def only_file(self, field_name: str = "file") -> FormFile:
        """The one file of a form.

        Raises: InvalidInput: none, or several. MediaTooLarge: it is.
        """
        if len(self.files) != 1:
            said = "there is no file" if not self.files else f"there are {len(self.files)} files"
            raise InvalidInput(
                f"{said} in the form field {field_name!r}", hint=f"Send one: curl -F {field_name}=@recording.wav …"
            )
        if self.files[0].fault is not None:
            raise self.files[0].fault
        return self.files[0]


async def read_form(request: Request, *, file_field: str, max_files: int, max_file_bytes: int) -> Form:
    """Read the whole form.

    Args:
        file_field: parts of this name are files, whether or not they carry a file name.
    Raises: InvalidInput: no form, a broken one, or too many parts. Fault: from the limits on the body.
    """
    parser = _Parser(file_field, max_files, max_file_bytes)
    return await parser.parse(request.headers.get("content-type", ""), request.stream())


class _Parser:
    """Turns the events of python-multipart into a form."""

    def __init__(self, file_field: str, max_files: int, max_file_bytes: int) -> None:
        self._file_field, self._max_files, self._max_file_bytes = file_field, max_files, max_file_bytes
        self._form = Form()
        self._header_name = self._header_value = b""
        self._disposition = b""
        self._pieces: list[bytes] = []
        self._size, self._limit = 0, 0
        self._file: FormFile | None = None
        self._name = ""
        self._ended = False

    async def parse(self, content_type: str, stream: AsyncIterator[bytes]) -> Form:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidInput(
                f"the body is not a multipart form but {content_type[:100] or 'of no stated type'}",
                hint=f"Send it as curl does: -F {self._file_field}=@recording.wav",
            )
        try:
            parser = MultipartParser(boundary, self._callbacks())
            async for chunk in stream:
                parser.write(chunk)
            parser.finalize()
        except (FormParserError, ValueError) as error:
            raise InvalidInput(f"the multipart form is malformed: {error}") from error
        if not self._ended:
            raise InvalidInput("the multipart form breaks off before its end", hint="Send it again, whole.")
        return self._form

    def _callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_header_name,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._end,
            "on_end": self._on_end,
        }

    def _begin(self) -> None:
        self._disposition, self._pieces, self._size, self._file = b"", [], 0, None

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = _text(options.get(b"name", b""), "the name of a field")
        if self._name == self._file_field:
            self._file = FormFile(shown_name(options.get(b"filename", b"").decode("utf-8", "replace")))
            self._form.files.append(self._file)
            self._limit = self._max_file_bytes
            if len(self._form.files) > self._max_files:
                raise InvalidInput(
                    f"there are more than {self._max_files} files in the form",
                    hint="/predict/batch takes several files in the field files." if self._max_files == 1 else
                    "Send them in several requests.",
                )  # fmt: skip
        else:
            self._limit = MAX_FIELD_BYTES
            if len(self._form.fields) >= MAX_FIELDS:
                raise InvalidInput(f"there are more than {MAX_FIELDS} fields in the form")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size <= self._limit:
            self._pieces.append(data[start:end])
        elif self._file is None:
            raise InvalidInput(f"the field {self._name!r} is longer than {MAX_FIELD_BYTES} bytes")
        elif self._file.fault is None:
            self._pieces.clear()
            self._file.fault = MediaTooLarge(
                f"the file is larger than {self._limit} bytes",
                hint="Send shorter recordings, or compressed ones.",
                limit_bytes=self._limit,
            )

    def _end(self) -> None:
        whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        if self._file is None:
            self._form.fields[self._name] = _text(whole, f"the field {self._name!r}")
        elif self._file.fault is None:
            self._file.data = whole

    def _on_end(self) -> None:
        self._ended = True


def _text(raw: bytes, what: str) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{what} is not UTF-8") from error
    if any(unicodedata.category(each)[0] == "C" for each in text):
        raise InvalidInput(f"{what} holds control characters")
    return text
