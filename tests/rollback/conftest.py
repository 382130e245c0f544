"""Fixtures of rollbacks: the real incident store, and a folder for a world."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from ecosight.state import Database
    from ecosight.state.incidents import Incidents


@pytest.fixture
def incidents(database: Database) -> Incidents:
    from ecosight.state.incidents import Incidents

    return Incidents(database)
