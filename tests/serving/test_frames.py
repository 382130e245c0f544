"""Frames over a real socket pair: what goes in comes out, and what is no frame costs nothing."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.isolation.frames import read_frame, write_frame

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
HEADERS = st.dictionaries(st.text(), JSON, max_size=5)


@given(st.lists(st.tuples(HEADERS, st.binary(max_size=2000)), max_size=5))
def test_frames_come_out_as_they_went_in_and_then_the_end(frames):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for header, body in frames:
            write_frame(ours, header, body)
        ours.close()
        for frame in frames:
            assert read_frame(theirs) == frame
        assert read_frame(theirs) is None


def test_a_large_body_comes_through_whole():
    body = bytes(range(256)) * (3 << 15)  # 24 MiB, far more than a socket holds
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = threading.Thread(target=write_frame, args=(ours, {"id": 1}, body))
        writer.start()
        assert read_frame(theirs) == ({"id": 1}, body)
        writer.join()


@given(st.binary(max_size=200))
def test_bytes_that_are_no_frame_give_an_error_or_the_end_and_nothing_else(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.close()
        try:
            while (frame := read_frame(theirs, most_bytes=1000)) is not None:
                assert isinstance(frame[0], dict)
        except ValueError:
            pass


@pytest.mark.parametrize(
    "data",
    [
        b"\x02\0\0\0\0\0\0\0[]",
        b"\x02\0\0\0\0\0\0\0{]",
        b"\x01\0\0\0\0\0\0\0\xff",
        (100_000).to_bytes(4, "little") + bytes(4) + b"[" * 100_000,
    ],
    ids=["a list", "no JSON", "no text", "nested without end"],
)
def test_a_header_that_is_no_object_is_an_error(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        with pytest.raises(ValueError):
            read_frame(theirs)


def test_a_frame_that_announces_too_much_is_refused_before_it_is_read():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall((8).to_bytes(4, "little") + (1 << 29).to_bytes(4, "little"))
        with pytest.raises(ValueError, match="536870912 bytes"):
            read_frame(theirs, most_bytes=1 << 20)


def test_facts_that_json_does_not_know_go_as_text():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        write_frame(ours, {"context": {"path": object}})
        assert read_frame(theirs) == ({"context": {"path": "<class 'object'>"}}, b"")
