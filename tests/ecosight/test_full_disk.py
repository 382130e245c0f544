"""A disk without space is told as that, with the folder to free some in; what was acknowledged stays."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from dataset.sample_cache import CacheFile
from ecosight.errors import Unavailable
from ecosight.state.database import Database, open_database
from ecosight.state.full_disk import told_full
from ecosight.state.schema import refs


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MiB; only root may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all that is left."""
    filler = disk / "filler"
    descriptor = os.open(filler, os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        return filler
    finally:
        os.close(descriptor)


def add(database: Database, name: str) -> None:
    with database.begin() as connection:
        connection.execute(refs.insert(), {"name": name, "target": "t" * 3000})


def names(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(refs.select()).scalars())


def add_until_full(database: Database) -> tuple[set[str], Unavailable]:
    acknowledged: set[str] = set()
    while True:
        try:
            add(database, f"r{len(acknowledged)}")
        except Unavailable as error:
            return acknowledged, error
        acknowledged.add(f"r{len(acknowledged)}")


def test_a_database_that_may_not_grow_says_so_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    file = tmp_path / "ecosight.db"
    database = open_database(f"sqlite:///{file}")

    @event.listens_for(database.engine, "checkout")
    def limited(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 200")  # SQLite's own SQLITE_FULL

    database.engine.dispose()
    acknowledged, told = add_until_full(database)
    assert told.message == f"the disk is full: there is no room to write {file}"
    assert told.hint.startswith(f"Free some space at {tmp_path}, where ")
    assert acknowledged
    assert names(database) == acknowledged
    database.close()


def test_a_full_disk_is_told_by_everyone_and_loses_nothing(small_disk: Path) -> None:
    file = small_disk / "ecosight.db"
    reserve = small_disk / "reserve"
    reserve.write_bytes(bytes(600_000))
    database = open_database(f"sqlite:///{file}")
    acknowledged, told = add_until_full(database)
    assert (told.message, told.hint.partition(",")[0]) == (
        f"the disk is full: there is no room to write {file}",
        f"Free some space at {small_disk}",
    )
    assert names(database) == acknowledged
    database.close()
    filler = fill(small_disk)
    for open_again in (
        lambda: open_database(f"sqlite:///{file}"),
        lambda: open_database(f"sqlite:///{small_disk}/n.db"),
    ):
        with pytest.raises(Unavailable, match="the disk is full: there is no room to write"):
            add(open_again(), "more")  # its shared memory finds no room: SQLite calls that an I/O error
    cache = CacheFile(small_disk / "cache.db", "CREATE TABLE IF NOT EXISTS t (a)", what="cache")
    with pytest.raises(Unavailable, match="the disk is full"), cache.open():
        pass
    filler.unlink()
    reserve.unlink()
    database = open_database(f"sqlite:///{file}")
    assert names(database) == acknowledged
    add(database, "more")
    assert names(database) == {*acknowledged, "more"}
    database.close()


def test_other_faults_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(tmp_path / "nowhere" / "a.db")
    assert told_full(caught.value, tmp_path / "nowhere" / "a.db") is None
    assert told_full(caught.value, tmp_path / "a.db") is None  # the disk there has room
    assert told_full(OSError("not SQLite's"), tmp_path / "a.db") is None
