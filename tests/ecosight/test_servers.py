"""What servers say of themselves, in the database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ecosight.state import Database
from ecosight.state.servers import Servers
from ecosight.testing import ServersConformance
from ecosight.testing.servers import NOON, a_report, live_ids


class TestDatabaseServers(ServersConformance):
    @pytest.fixture
    def servers(self, database: Database) -> Servers:
        return Servers(database)


def test_servers_that_died_days_ago_are_cleared_away(database: Database) -> None:
    servers = Servers(database)
    servers.report(a_report("old"))
    servers.report(replace(a_report("new"), seen_at=NOON + timedelta(days=3)))
    assert live_ids(servers, 0) == []
