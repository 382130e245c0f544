"""Refs in the database keep the port's promises, across processes too."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ecosight.state import Database, DatabaseRefs
from ecosight.testing import RefStoreConformance

COUNTER = """
import sys
from ecosight.state import DatabaseRefs, open_database
refs = DatabaseRefs(open_database(sys.argv[1]))
for _ in range(25):
    while True:
        now = refs.get("count")
        if refs.compare_and_set("count", now, str(int(now) + 1)):
            break
"""


class TestDatabaseRefs(RefStoreConformance):
    @pytest.fixture
    def refs(self, database: Database) -> DatabaseRefs:
        return DatabaseRefs(database)


def test_processes_that_count_together_lose_no_move(database: Database, database_url: str) -> None:
    refs = DatabaseRefs(database)
    refs.compare_and_set("count", None, "0")
    counters = [subprocess.Popen([sys.executable, "-c", COUNTER, database_url]) for _ in range(2)]
    assert [counter.wait(timeout=30) for counter in counters] == [0, 0]
    assert refs.get("count") == "50"
