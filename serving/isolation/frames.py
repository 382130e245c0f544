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
    told = json.dumps(header, separators=(",", ":")).encode()
    connection.sendall(_SIZES.pack(len(told), len(body)) + told + body)


def read_frame(connection: socket.socket) -> tuple[dict[str, Any], bytes] | None:
    """The next frame; None at the end. Raises: OSError, ValueError: what comes is no frame."""
    sizes = _exactly(connection, _SIZES.size)
    if sizes is None:
        return None
    told, size = _SIZES.unpack(sizes)
    if told > MOST_BYTES or size > MOST_BYTES:
        raise ValueError(f"a frame of {told} and {size} bytes")
    header, body = _exactly(connection, told), _exactly(connection, size)
    if header is None or body is None:
        return None
    return json.loads(header), body


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    parts, left = [], size
    while left:
        part = connection.recv(min(left, 1 << 20))
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
