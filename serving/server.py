"""Runs the application: one process, one event loop, one socket; stops in order."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping

import uvicorn

from ecosight.config import Config
from ecosight.errors import ConfigError, Unavailable
from ecosight.logs import get_logger
from serving.app import create_app
from serving.memory import share_arenas
from serving.parts import ServingParts
from serving.protocol import LimitedProtocol

__all__ = ["run_server", "serve_in_thread"]

GRACE_S = 30
"""How long requests may take to finish once the server was told to stop."""
SWITCH_S = 0.0005
"""A request changes threads five times; while a thread behind the scenes is busy with Python (a model is loaded, an
alias moves), each change may wait so long for the interpreter. The usual 5 ms are felt in the 99th percentile, and
1 ms still is; shorter than half of that costs throughput."""


def run_server(
    parts: ServingParts, *, environ: Mapping[str, str] | None = None, announce: Callable[[str], None] = print
) -> None:
    """Serve until SIGTERM or SIGINT; requests that are being answered are finished first.

    Args:
        announce: told one line with the address, once requests are taken.
    Raises: ConfigError: see ``create_app``; or the address cannot be bound.
    """
    share_arenas()
    sys.setswitchinterval(SWITCH_S)
    with _bound(parts.config) as listener, _signals_kept():
        config = _uvicorn_config(parts, environ)
        server = _Server(config, listener, on_started=lambda: _announce(listener, parts, announce))
        server.run(sockets=[listener])


@contextlib.contextmanager
def serve_in_thread(parts: ServingParts, *, environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve from a thread of this process while the context lasts; gives the base URL.

    Raises: ConfigError: as ``run_server``. Unavailable: the server did not come up.
    """
    with _bound(parts.config) as listener:
        started = threading.Event()
        server = _Server(_uvicorn_config(parts, environ), listener, on_started=started.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="server", daemon=True)
        thread.start()
        try:
            while not started.wait(0.05):
                if not thread.is_alive():
                    raise Unavailable("the server did not come up", hint="Its log says why.")
            yield _address(listener)
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it takes requests."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, *, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._listener, self._on_started = listener, on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        host, port = self._listener.getsockname()[:2]
        try:
            await super().startup(sockets=sockets)
            self._listener.getsockname()  # uvloop closes a socket that cannot listen, and does not say so
        except OSError as error:
            self._listener.detach()  # closed already: its number may be another file's by now
            await self.lifespan.shutdown()
            taken = OSError(errno.EADDRINUSE, "another server began to listen there in the meantime")
            raise _taken(host, port, taken) from error
        if self.started:
            self._on_started()


def _uvicorn_config(parts: ServingParts, environ: Mapping[str, str] | None) -> uvicorn.Config:
    # Both tell of every malformed request; clients are told, and the metrics count them.
    for library in ("python_multipart", "uvicorn.error"):
        logging.getLogger(library).setLevel(logging.ERROR)
    return uvicorn.Config(
        create_app(parts, environ=environ),
        http=LimitedProtocol,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE_S,
    )


@contextlib.contextmanager
def _bound(config: Config) -> Iterator[socket.socket]:
    """The address, where nobody listens yet. Nobody is let in before the model can answer: whoever comes too early is
    refused at once, so that a load balancer goes on to the next server instead of waiting with it."""
    host, port = config.serving.host, config.serving.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _taken(host, port, error) from error
    with listener:
        try:
            if os.name == "posix":  # elsewhere it would let two servers share the port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((host, port))
        except OSError as error:
            raise _taken(host, port, error) from error
        yield listener


def _taken(host: str, port: int, error: OSError) -> ConfigError:
    return ConfigError(
        f"{host}:{port} cannot be bound: {error.strerror or error}",
        hint="Is another server running there? serving.port 0 takes a free port.",
    )


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """uvicorn raises a signal again once it stopped in order; without a handler that would kill the process
    before it could close what it opened."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announce(listener: socket.socket, parts: ServingParts, announce: Callable[[str], None]) -> None:
    address = _address(listener)
    get_logger("serving").info("listening", address=address)
    announce(f"EcoSight listens on {address} (docs at {address}/docs)")


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
