"""What a person says on a command line can be stored, sent and shown on one line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ecosight.text import one_line

anything = st.text(st.characters(exclude_categories=())) | st.binary().map(
    lambda raw: raw.decode("utf-8", "surrogateescape")
)


@given(anything)
def test_anything_becomes_one_line_of_utf_8_that_no_terminal_obeys(text: str) -> None:
    line = one_line(text)
    line.encode("utf-8")
    assert len(line.splitlines()) <= 1
    assert not any(ord(each) < 0x20 or 0x7F <= ord(each) < 0xA0 for each in line)
    assert one_line(line) == line


def test_what_was_meant_can_still_be_read() -> None:
    assert one_line("Füchse sind weg: 狐\n") == "Füchse sind weg: 狐"
    assert one_line("red\x1b[31malarm\r\nat three") == "red [31malarm at three"
    assert one_line("bad\udcff model") == "bad\ufffd model"
