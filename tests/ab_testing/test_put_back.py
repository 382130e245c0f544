"""A database that is put back from a backup while a rollout runs: the leader goes on from what it holds now."""

from __future__ import annotations

from rollout_kit import NEW
from rollout_world import RolloutWorld
from sqlalchemy import delete, func, select

from ecosight.state.schema import exposures


def test_harm_is_seen_at_once_after_it(site: RolloutWorld) -> None:
    policy = {"steps": [20, 100], "min_units": 5_000, "reference_requests": 20}
    site.service.start(candidate="2", policy=policy, actor="ann")
    site.seconds(20, 20, until=site.is_in("running", stage=1))
    with site.database.read() as connection:
        backed_up = connection.execute(select(func.max(exposures.c.arrival))).scalar_one()
    site.seconds(25, 20)
    with site.database.begin() as connection:
        connection.execute(delete(exposures).where(exposures.c.arrival > backed_up))
    site.behaviour[NEW.digest].fails = 1.0
    site.seconds(10, 20, until=site.is_in("rolling_back", "rolled_back"))
    assert site.replays()
