"""A Redis of a test's own that can be stopped, silenced, emptied and put back, as real ones are."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import redis


@dataclass
class RedisServer:
    """One redis-server on one port; the folder holds its snapshot and its log.

    Attributes:
        options: of its command line, such as ``--requirepass word``.
        secret: goes into the URL in front of the host: ``:word@``.
    """

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    secret: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"redis://{self.secret}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--dbfilename", "dump.rdb", "--loglevel", "warning", *self.options]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(200):
            try:
                with self.client() as client:
                    client.ping()
                return
            except redis.ConnectionError:
                assert self.process.poll() is None, (self.folder / "redis.log").read_text("utf-8", "replace")
                time.sleep(0.02)
        raise AssertionError("Redis did not start")

    def stop(self) -> None:
        """Gone at once, with everything that no snapshot holds; and the port is closed."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def silence(self) -> None:
        """It takes connections and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        """One that knows nothing of the product; to be closed."""
        client = redis.Redis.from_url(self.url, protocol=2)
        client.auto_close_connection_pool = True
        return client

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def take_snapshot(self) -> Path:
        with self.client() as client:
            client.save()
        return Path(shutil.copy(self.folder / "dump.rdb", self.folder / "kept.rdb"))

    def restore(self, snapshot: Path) -> None:
        """Start again with what it held then."""
        self.stop()
        shutil.copy(snapshot, self.folder / "dump.rdb")
        self.start()

    def keys(self, kind: str) -> list[bytes]:
        with self.client() as client:
            return sorted(client.keys(f"ecosight:*:{kind}"))


def start_redis(folder: Path, *options: str, secret: str = "") -> RedisServer:
    """Start one on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = RedisServer(folder, port, options, secret)
    server.start()
    return server
