"""The outermost layers around every request: figures, headers, the last net for faults, and the guard."""

from __future__ import annotations

import time
from collections.abc import Sequence

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import error_response, unexpected_response
from serving.metrics import Metrics
from serving.security import Guard

__all__ = ["Access", "Observe"]

CLIENT_LEFT = 499
"""Counted for a client that left before its answer; the number that proxies use for it."""

_HEADERS: Sequence[tuple[bytes, bytes]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class Observe:
    """ASGI middleware: counts and times every answer, adds the security headers, and turns what nobody caught
    into a 500 with an id."""

    def __init__(self, app: ASGIApp, metrics: Metrics, known_paths: frozenset[str]) -> None:
        self._app, self._metrics, self._known_paths = app, metrics, known_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except ClientDisconnect:  # nobody is there any more to answer
            status = status or CLIENT_LEFT
        except Exception as error:
            response = unexpected_response(error)
            if status:  # too late to say it; the server closes the connection
                raise
            await response(scope, receive, observed)
        finally:
            self._metrics.request(self._route(scope), status, time.monotonic() - began)

    def _route(self, scope: Scope) -> str:
        """The route's own path: what was refused before it reached one, and strangers' paths, must not add names."""
        if (route := scope.get("route")) is not None:
            return str(route.path)
        return scope["path"] if scope["path"] in self._known_paths else "other"


class Access:
    """ASGI middleware: asks the guard before anything else is done for a request."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._guard.check(scope["method"], scope["path"], scope["headers"])
            if refusal is not None:
                await error_response(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)
