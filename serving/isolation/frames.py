"""How server and worker process talk: frames of a JSON header and raw bytes over a socket pair. No pickle."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

__all__ = ["MOST_BYTES", "read_frame", "write_frame"]

_SIZES = struct.Struct("<II")
MOST_BYTES = 1 << 30


def write_frame(connection: socket.socket, header: Mapping[str, Any], body: bytes = b"") -> None:
    """Blocks until all is handed over. Raises: OSError: the other side is gone."""
    # An error's facts may hold anything; as text they still tell something.
    told = json.dumps(header, separators=(",", ":"), default=str).encode()
    connection.sendall(_SIZES.pack(len(told), len(body)) + told + body)


def read_frame(connection: socket.socket, *, most_bytes: int = MOST_BYTES) -> tuple[dict[str, Any], bytes] | None:
    """The next frame; None at the end, also one in the middle of a frame.

    Args:
        most_bytes: a frame that announces more is not read: nobody makes this side hold what it did not ask for.
    Raises: OSError: as the socket does. ValueError: what comes is no frame.
    """
    sizes = _exactly(connection, _SIZES.size)
    if sizes is None:
        return None
    told, size = _SIZES.unpack(sizes)
    if told + size > most_bytes:
        raise ValueError(f"a frame of {told} and {size} bytes")
    text, body = _exactly(connection, told), _exactly(connection, size)
    if text is None or body is None:
        return None
    try:
        header = json.loads(text)
    except RecursionError as error:
        raise ValueError("a header that is nested too deeply") from error
    if not isinstance(header, dict):
        raise ValueError("a header that is no object")
    return header, body


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    parts, left = [], size
    while left:
        part = connection.recv(min(left, 1 << 20))
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
