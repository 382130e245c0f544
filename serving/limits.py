"""How much a client may send, how slowly, and how much may be in the house at once.

Every body is counted while it streams in, whatever its headers claim. A body is held in memory only, so nothing
can be left on disk; what all requests hold together is bounded too.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecosight.errors import EcosightError, MediaTooLarge, Overloaded
from serving.errors import Fault, error_response, status_response

__all__ = ["Admission", "BodyLimits", "Limits", "Memory"]

MIB = 2**20
_FORM_ALLOWANCE = 64 * 1024
"""What a multipart form may add to the file itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one server.

    Attributes:
        file_bytes: one uploaded file.
        batch_bytes: the whole body of /predict/batch.
        other_bytes: the body of every route that takes no file.
        total_bytes: the bodies of all requests that are being answered.
        idle_s: longest pause of a client in the middle of its body.
        grace_s, bytes_per_s: a body of n bytes may take grace_s + n / bytes_per_s.
        linger_s: how long a refused client may go on sending before its connection is closed.
    """

    file_bytes: int
    batch_bytes: int
    other_bytes: int = 64 * 1024
    total_bytes: int
    idle_s: float = 10.0
    grace_s: float = 20.0
    bytes_per_s: float = 8 * 1024
    linger_s: float = 10.0

    @classmethod
    def for_files_of(cls, file_bytes: int) -> Limits:
        """The limits that follow from the largest file a modality accepts."""
        return cls(
            file_bytes=file_bytes,
            batch_bytes=max(2 * file_bytes, 32 * MIB),
            total_bytes=max(4 * file_bytes, 128 * MIB),
        )

    def of(self, path: str) -> int:
        """The largest body of a route."""
        if path in ("/predict", "/upload"):
            return self.file_bytes + _FORM_ALLOWANCE
        return self.batch_bytes if path == "/predict/batch" else self.other_bytes


class Memory:
    """Bytes of request bodies that are held now. Used on the event loop only, so it needs no lock."""

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes, self.held_bytes = total_bytes, 0

    def take(self, count: int) -> None:
        """Raises: Overloaded: it would be more than the total."""
        if self.held_bytes + count > self.total_bytes:
            raise Overloaded("too many bytes are being uploaded at once", hint="Try again shortly.", retry_after_s=2)
        self.held_bytes += count

    def give_back(self, count: int) -> None:
        self.held_bytes -= count


class Admission:
    """Places for files that wait or are being answered. Used on the event loop only, so it needs no lock.

    Args:
        limit: how many places there are.
        seconds_per_file: what one file costs at the moment; tells a refused client when to come back.
    """

    def __init__(self, limit: int, seconds_per_file: Callable[[], float]) -> None:
        self.limit, self.taken, self.refused = limit, 0, 0
        self._seconds_per_file = seconds_per_file

    def enter(self, places: int = 1) -> None:
        """Take places; a request that is alone may take more than there are.

        Raises: Overloaded: too few are free.
        """
        if self.taken and self.taken + places > self.limit:
            self.refused += 1
            wait_s = min(60, math.ceil(self.taken * self._seconds_per_file()) or 1)
            raise Overloaded(
                f"{self.taken} of {self.limit} places are taken",
                hint=f"Try again in {wait_s} s.",
                retry_after_s=wait_s,
                queue_limit=self.limit,
            )
        self.taken += places

    def widen(self, places: int) -> None:
        """More places for a request that has one. Alone, it may take more than there are. Raises: Overloaded."""
        self.taken -= 1
        try:
            self.enter(places + 1)
        except Overloaded:
            self.taken += 1
            raise

    def leave(self, places: int = 1) -> None:
        self.taken -= places


class BodyLimits:
    """ASGI middleware: refuses what is too large, too slow or too much at once, so that the client gets the answer."""

    def __init__(self, app: ASGIApp, limits: Limits, memory: Memory) -> None:
        self._app, self._limits, self._memory = app, limits, memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, send, self._limits, self._memory, self._limits.of(scope["path"]))
        declared = _content_length(scope)
        try:
            if declared is not None and declared > body.limit:
                body.refused = True
                await error_response(body.too_large(declared))(scope, body.receive, body.send)
            else:
                await self._app(scope, body.receive, body.send)
        finally:
            body.close()


class _Body:
    """One request's body on its way in, and its answer on its way out."""

    def __init__(self, receive: Receive, send: Send, limits: Limits, memory: Memory, limit: int) -> None:
        self.limit, self.refused = limit, False
        self._receive, self._send, self._limits, self._memory = receive, send, limits, memory
        self._received, self._ended, self._linger_s = 0, False, limits.linger_s
        self._began = time.monotonic()

    def too_large(self, size: int | None = None) -> MediaTooLarge:
        said = f"the body of {size} bytes" if size is not None else "the body"
        return MediaTooLarge(
            f"{said} is larger than {self.limit} bytes",
            hint="Send shorter recordings, or compressed ones.",
            limit_bytes=self.limit,
        )

    async def receive(self) -> Message:
        """The next piece, counted. Raises Fault: too large, too slow, or too much at once."""
        if self._ended:
            return await self._receive()
        allowed_s = self._began + self._limits.grace_s + self._received / self._limits.bytes_per_s - time.monotonic()
        try:
            async with asyncio.timeout(min(self._limits.idle_s, allowed_s)):
                message = await self._receive()
        except TimeoutError:
            self.refused, self._linger_s = True, 0.0
            slow = status_response(408, "the body came in too slowly", "Send it again over a better line.")
            raise Fault(slow) from None
        if message["type"] == "http.disconnect":
            self._ended = True
            return message
        self._ended = not message.get("more_body", False)
        self._count(len(message.get("body", b"")))
        return message

    async def send(self, message: Message) -> None:
        """Pass the answer on. After a refusal, read on for a moment before closing: a connection that is reset
        while the client still sends would take the answer with it."""
        if self.refused and not self._ended:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            elif not message.get("more_body", False):
                await self._send({**message, "more_body": True})
                await self._discard()
                message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    def close(self) -> None:
        self._memory.give_back(self._received)

    def _count(self, size: int) -> None:
        try:
            if self._received + size > self.limit:
                raise self.too_large()
            self._memory.take(size)
        except EcosightError as error:
            self.refused = True
            raise Fault(error_response(error)) from None
        self._received += size

    async def _discard(self) -> None:
        try:
            async with asyncio.timeout(self._linger_s):
                while (message := await self._receive())["type"] == "http.request" and message.get("more_body", False):
                    pass
        except TimeoutError:
            pass


def _content_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
    return None
