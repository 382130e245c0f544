"""A world in which rollouts run to their ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rollout_world import RolloutWorld

    from ecosight.state.database import Database


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Iterator[RolloutWorld]:
    from rollout_world import RolloutWorld

    world = RolloutWorld(database, tmp_path)
    yield world
    world.close()
