"""The kernel's checks tell what is well, and what to do about what is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecosight.blobs import LocalBlobs, S3Blobs
from ecosight.config import Config
from ecosight.errors import Unavailable
from ecosight.health import check_folder, check_redis, kernel_checks
from ecosight.state import Database


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], int]]:
    """A server on a free port that answers one connection with fixed bytes."""
    servers = []

    def start(answer: bytes) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(64)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return int(server.getsockname()[1])

    yield start
    for server in servers:
        server.close()


def test_a_working_installation_is_well_in_every_point(database: Database, tmp_path: Path) -> None:
    config = Config(project={"root": tmp_path / "root"})  # type: ignore[arg-type]
    store = LocalBlobs(config.blob_folder)
    checks = kernel_checks(config, database, store)
    assert [check.name for check in checks] == ["data folder", "spool folder", "database", "blob store"]
    assert all(check.ok for check in checks), checks
    assert list(store.digests()) == []
    assert list(config.spool_folder.iterdir()) == []


def test_what_is_not_there_is_told_with_a_hint(s3_endpoint: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = Config(project={"root": tmp_path / "file"}, redis={"url": "redis://127.0.0.1:1"})  # type: ignore[arg-type]
    blobs = S3Blobs("no-such-bucket", "", s3_endpoint, None)
    checks = {check.name: check for check in kernel_checks(config, None, blobs)}
    assert set(checks) == {"data folder", "spool folder", "blob store", "redis"}
    assert not any(check.ok for check in checks.values())
    assert all(check.detail and check.hint for check in checks.values())


@pytest.mark.parametrize("answer", [b"+PONG\r\n", b"-NOAUTH Authentication required.\r\n"])
def test_redis_that_answers_is_reachable(answering: Callable[[bytes], int], answer: bytes) -> None:
    assert "answers" in check_redis(f"redis://127.0.0.1:{answering(answer)}/0")


def test_another_server_on_the_port_of_redis_is_told(answering: Callable[[bytes], int]) -> None:
    with pytest.raises(Unavailable, match="not answer as Redis"):
        check_redis(f"redis://127.0.0.1:{answering(b'HTTP/1.1 400 Bad Request')}")


def test_checking_a_folder_makes_it_and_leaves_nothing(tmp_path: Path) -> None:
    assert "writable" in check_folder(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
