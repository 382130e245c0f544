"""Shared fixtures: real servers that the tests start themselves, and the real recordings.

Where CI is set, a missing server or missing data is a failure: a skip would let a broken adapter through.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import HealthCheck, settings

# How fast an example runs depends on what else the machine does; that is no fault of the code.
settings.register_profile("ecosight", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ecosight")
pytest.register_assert_rewrite("ecosight.testing")

if TYPE_CHECKING:
    from redis_kit import RedisServer

    from ecosight.state import Database

S3_BUCKET = "ecosight-tests"


_RULES = ("tests/ab_testing", "tests/rollback")
"""Rooms above the stores: which database lies below is the stores' own test, and theirs once more in the slow suite."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        callspec = getattr(item, "callspec", None)
        if (
            callspec is not None
            and callspec.params.get("database_url") == "postgresql"
            and item.nodeid.startswith(_RULES)
        ):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def audio_data() -> Path:
    """The folder of real recordings."""
    folder = os.environ.get("ECOSIGHT_DATA")
    if not folder or not Path(folder).is_dir():
        _missing("ECOSIGHT_DATA names no folder with real recordings")
    return Path(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL of our own on a free port: the URL of its server, ending before the database's name."""
    programs = _postgres_programs()
    # Not below tmp_path: that is private to root, and the server refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="ecosight-postgres-"))
    user = _unprivileged_user()
    if user is not None:
        shutil.chown(folder, user)
    try:
        yield from _serve_postgres(programs, folder / "data", user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """An empty PostgreSQL database of this test's own: MLflow and EcoSight both have a table ``jobs``."""
    return _create_postgres(postgres_server)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 server over HTTP (moto), with the bucket ``ecosight-tests``; credentials are in the environment."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=S3_BUCKET)
        yield endpoint
    server.stop()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis for this test alone, on a free port: tests stop it, empty it and put it back."""
    if shutil.which("redis-server") is None:
        _missing("redis-server is not on PATH")
    from redis_kit import start_redis

    server = start_redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database for this test alone, its tables made and empty, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        # A copy of a migrated database: making the tables anew takes ten times as long.
        shutil.copy(request.getfixturevalue("_sqlite_template"), tmp_path / "ecosight.db")
        return f"sqlite:///{tmp_path / 'ecosight.db'}"
    url: str = request.getfixturevalue("_postgres_tables")
    _empty_postgres(url)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An opened database for this test alone, on SQLite and on PostgreSQL."""
    from ecosight.state import open_database

    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ecosight.state import open_database

    file = tmp_path_factory.mktemp("template") / "ecosight.db"
    open_database(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def _postgres_tables(postgres_server: str) -> str:
    from ecosight.state import open_database

    url = _create_postgres(postgres_server)
    open_database(url).close()
    return url


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _postgres_programs() -> Path:
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    _missing("PostgreSQL's initdb is neither on PATH nor below /usr/lib/postgresql")


def _unprivileged_user() -> str | None:
    """Whom to run the server as; None is ourselves."""
    import pwd

    if os.getuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _serve_postgres(programs: Path, data: Path, user: str | None) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    as_user = {} if user is None else {"user": user, "extra_groups": []}
    initdb = [programs / "initdb", "-D", data, "-U", "ecosight", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/", **as_user)
    # No fsync: the tests kill clients, never the server.
    options = f"-F -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c full_page_writes=off"
    with (data.parent / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *options.split()], stdout=log, stderr=log, cwd="/", **as_user
        )
    try:
        url = f"postgresql+psycopg://ecosight@127.0.0.1:{port}/"
        _await_postgres(url, server, data.parent / "log")
        yield url
    finally:
        server.send_signal(2)  # PostgreSQL's "fast" shutdown
        server.wait(timeout=30)


def _await_postgres(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    for _ in range(200):
        try:
            psycopg.connect(url.replace("+psycopg", "") + "postgres").close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None:
                break
            time.sleep(0.05)
    _missing(f"PostgreSQL did not start: {log.read_text('utf-8', 'replace')[-500:]}")


def _create_postgres(server: str) -> str:
    import psycopg

    name = f"t_{secrets.token_hex(6)}"
    with psycopg.connect(server.replace("+psycopg", "") + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return server + name


def _empty_postgres(url: str) -> None:
    """Make the session's database as good as new: a new one for each test would take ten times as long."""
    import psycopg

    from ecosight.state.schema import metadata

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        tables = ", ".join(f'"{name}"' for name in metadata.tables)
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
