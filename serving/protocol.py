"""The HTTP/1.1 protocol of the server: uvicorn's, with limits on clients that never get to the point.

uvicorn waits for ever for the head of a request, however large or slow. Here a head has a size and a time, and
what a refused client still sends has a time too. Bodies that are being read are limited in ``limits``.
"""

from __future__ import annotations

import asyncio
import json
import resource

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["LimitedProtocol"]


def max_connections() -> int:
    """Half of the files that this process may open, so that stores can still be opened."""
    return min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    head_s = 10.0
    """Time for the whole head of a request."""
    head_bytes = 64 * 1024
    """Size of the head, and of what one piece of data may add to it."""
    rest_s = 15.0
    """Time for the rest of a body whose request was answered already."""
    max_connections = max_connections()

    _timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_received = 0
    _message_open = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._refuse(503, "there are too many connections")
        else:
            self._arm(self.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_received += len(data)
            if self._timer is None:
                self._arm(self.head_s)
        super().data_received(data)
        if self._in_head and self._head_received > self.head_bytes and not self.transport.is_closing():
            self._refuse(431, f"the head of the request is larger than {self.head_bytes} bytes")

    def on_message_begin(self) -> None:
        self._in_head, self._message_open = True, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_received = False, 0
        self._disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head, self._message_open = True, False
        self._disarm()
        if self.cycle.response_complete:  # answered before the body was in, so nobody waits for the next request yet
            self._arm(self.timeout_keep_alive)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._message_open and not self.transport.is_closing():
            self._arm(self.rest_s)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is no valid HTTP request")

    def _refuse(self, status: int, message: str) -> None:
        error = {"code": "bad_request", "message": message, "hint": "", "context": {}}
        body = json.dumps({"success": False, "error": error}).encode()
        head = f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._out_of_time)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _out_of_time(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
