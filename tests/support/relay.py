"""A line between a client and a server that a test can cut or freeze, as networks do."""

from __future__ import annotations

import selectors
import socket
import threading
from types import TracebackType


class Relay:
    """Carries bytes to ``target`` and back, on a free port of this machine."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._lock = threading.Lock()
        self._frozen = self._cut = self._ended = False
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended = True
        self._thread.join()
        self.cut()
        self._listener.close()

    def cut(self) -> None:
        """Close every connection, and every new one at once."""
        with self._lock:
            self._cut = True
            for end in list(self._pairs):
                end.close()
            self._pairs.clear()

    def freeze(self) -> None:
        """Connections stay open, new ones are taken, and no byte arrives."""
        self._frozen = True

    def mend(self) -> None:
        self._cut = self._frozen = False

    def _carry(self) -> None:
        while not self._ended:
            with self._lock:
                ends = [] if self._frozen else list(self._pairs)
            with selectors.DefaultSelector() as selector:
                for end in (self._listener, *ends):
                    if end.fileno() >= 0:
                        selector.register(end, selectors.EVENT_READ)
                ready = [key.fileobj for key, _ in selector.select(0.02)]
            for end in ready:
                assert isinstance(end, socket.socket)
                self._accept() if end is self._listener else self._pass_on(end)

    def _accept(self) -> None:
        client = self._listener.accept()[0]
        if self._cut:
            client.close()
            return
        server = socket.create_connection(self._target)
        with self._lock:
            self._pairs |= {client: server, server: client}

    def _pass_on(self, end: socket.socket) -> None:
        with self._lock:
            other = self._pairs.get(end)
        if other is None or self._frozen:
            return
        try:
            data = end.recv(65536)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        with self._lock:
            for each in (end, other):
                self._pairs.pop(each, None)
                each.close()
