"""Opening a database: fresh, again, by several processes at once, and when it cannot be had."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from ecosight.errors import ConfigError, IntegrityError, Unavailable
from ecosight.state.database import Database, insert_or_ignore, open_database, server_version
from ecosight.state.migrating import HEAD, VERSION_TABLE, revision
from ecosight.state.schema import metadata, refs

OPENER = """
import sys
from ecosight.state import DatabaseRefs, open_database
print("ready", flush=True)
sys.stdin.readline()
database = open_database(sys.argv[1])
assert DatabaseRefs(database).compare_and_set(sys.argv[2], None, "opened")
"""


def test_the_written_down_head_is_the_newest_migration() -> None:
    assert ScriptDirectory("ecosight/state/migrations").get_current_head() == HEAD


def test_the_migrations_give_the_tables_of_the_schema(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert revision(connection) == HEAD
        assert "alembic_version" not in inspect(connection).get_table_names()


def test_opening_again_keeps_what_is_there(database: Database, database_url: str) -> None:
    with database.begin() as connection:
        insert_or_ignore(connection, refs, {"name": "a", "target": "b"})
    again = open_database(database_url)
    with again.read() as connection:
        assert connection.execute(refs.select()).all() == [("a", "b")]
    again.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_of_an_older_version_is_brought_up_with_all_that_is_in_it(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'ecosight.db'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    engine = create_engine(url)
    with engine.begin() as connection:
        config = AlembicConfig()
        config.set_main_option("script_location", "ecosight/state/migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO predictions (id, sample_id, model_version, model_digest, variant, key, label,"
                " probabilities, latency_ms, made_at)"
                " VALUES ('one', 's', '1', 'd', 'champion', 'k', 'dog', '{}', 1.0, '2026-05-01 12:00:00')"
            )
        )
        connection.execute(text("INSERT INTO outcomes VALUES ('one', 'dog', '2026-05-01 12:00:00', 'ann')"))
    engine.dispose()
    opened = open_database(url)
    with opened.read() as connection:
        assert revision(connection) == HEAD
        assert (
            compare_metadata(MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}), metadata)
            == []
        )
        assert connection.execute(text("SELECT prediction_id, truth, change FROM outcomes")).all() == [
            ("one", "dog", 0)
        ]
    opened.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_processes_that_open_a_fresh_database_at_once_all_succeed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/new/ecosight.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, url, f"opener {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(3)
    ]
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == b"ready\n"
    faults = []
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write(b"go\n")
        opener.stdin.flush()
    for opener in openers:
        faults.append(opener.communicate(timeout=30)[1].decode())
    assert [opener.returncode for opener in openers] == [0] * 3, faults
    opened = open_database(url)
    with opened.read() as connection:
        assert len(connection.execute(refs.select()).all()) == 3
    opened.close()


def test_threads_that_open_a_fresh_database_at_once_all_succeed(tmp_path: Path) -> None:
    url, opened = f"sqlite:///{tmp_path / 'ecosight.db'}", []
    threads = [threading.Thread(target=lambda: opened.append(open_database(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    for database in opened:
        database.check()
        database.close()


def test_sqlite_commits_survive_a_power_cut_and_readers_never_wait(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'ecosight.db'}")
    with database.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    with database.begin(), database.read() as connection:  # a writer is at work, yet
        assert connection.execute(refs.select()).all() == []
    database.close()


def test_a_block_that_raises_changes_nothing(database: Database) -> None:
    def fail_halfway() -> None:
        with database.begin() as connection:
            assert insert_or_ignore(connection, refs, {"name": "a", "target": "b"})
            raise KeyError("theirs")

    with pytest.raises(KeyError):
        fail_halfway()
    with database.read() as connection:
        assert connection.execute(refs.select()).all() == []


def test_a_database_locked_for_too_long_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "ecosight.db"
    database = open_database(f"sqlite:///{file}?timeout=0.1")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"), database.begin():
        pass
    database.check()  # reading still works
    other.close()
    with database.begin():
        pass
    database.close()


def test_a_file_that_was_put_back_from_a_backup_is_the_one_that_is_used(tmp_path: Path) -> None:
    file = tmp_path / "ecosight.db"
    database = open_database(f"sqlite:///{file}")

    def add(name: str) -> None:
        with database.begin() as connection:
            connection.execute(refs.insert(), {"name": name, "target": "t"})

    def names() -> list[str]:
        with database.read() as connection:
            return sorted(connection.execute(refs.select()).scalars())

    add("before")
    backup = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    with backup.begin() as connection:
        connection.execute(refs.insert(), {"name": "backup", "target": "t"})
    backup.close()
    for each in tmp_path.glob("ecosight.db*"):
        each.rename(tmp_path / f"old-{each.name}")
    for state in ("gone", "empty"):
        with pytest.raises(Unavailable, match="gone"):
            add("nowhere")
        assert file.exists() == (state == "empty")
        file.touch()
    shutil.copy(tmp_path / "other.db", file)
    add("after")
    assert names() == ["after", "backup"]
    database.close()


def test_a_damaged_file_is_told_as_damaged(tmp_path: Path) -> None:
    (tmp_path / "ecosight.db").write_bytes(b"this was a database once" * 100)
    with pytest.raises(IntegrityError, match="damaged"):
        open_database(f"sqlite:///{tmp_path / 'ecosight.db'}")


def test_a_database_of_a_newer_version_is_left_alone(database: Database, database_url: str) -> None:
    with database.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = 'from the future'"))
    with pytest.raises(ConfigError, match="from the future"):
        open_database(database_url)
    with database.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{HEAD}'"))


@pytest.mark.parametrize(
    "url", ["", "no url", "mysql://host/name", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg2://host/name"]
)
def test_an_unusable_url_is_a_fault_of_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError):
        open_database(url)


def test_a_server_that_is_not_there_is_unavailable_and_its_password_stays_secret() -> None:
    with pytest.raises(Unavailable) as caught:
        open_database("postgresql://ecosight:geheim@127.0.0.1:1/none")
    assert "geheim" not in caught.value.message
    assert "127.0.0.1" in caught.value.message


def test_a_file_in_the_place_of_the_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be made"):
        open_database(f"sqlite:///{tmp_path}/file/ecosight.db")


def test_connections_that_the_server_closed_are_replaced(postgres_server: str, postgres_url: str) -> None:
    database = open_database(postgres_url)
    operator = create_engine(f"{postgres_server}postgres", isolation_level="AUTOCOMMIT")
    database.check()
    with operator.connect() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": database.engine.url.database},
        )
    database.check()
    operator.dispose()
    database.close()


def test_threads_that_write_at_once_all_get_their_turn(database: Database) -> None:
    def write(writer: int) -> None:
        for number in range(10):
            with database.begin() as connection:
                assert insert_or_ignore(connection, refs, {"name": f"{writer} {number}", "target": "x"})

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))
    with database.read() as connection:
        assert len(connection.execute(refs.select()).all()) == 160


def test_the_server_tells_its_version(database: Database) -> None:
    assert server_version(database).startswith(("SQLite 3", "PostgreSQL "))
