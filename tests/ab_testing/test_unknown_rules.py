"""A rollout whose recorded rules this version does not know: it stands still, says why, and a person may end it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rollout_kit import NEW, OLD
from rollout_world import RolloutWorld

from ecosight.errors import InvalidInput
from pipeline.rollouts_told import overview_lines

QUICK: dict[str, Any] = {"steps": [50, 100], "min_units": 5, "min_step_s": 5, "reference_requests": 20}


def forget_a_rule(site: RolloutWorld) -> None:
    """As if the row had been written by another version."""
    row = site.rollout
    site.rollouts.save(replace(row, policy={**row.policy, "of_tomorrow": 1}), row.revision)


@pytest.mark.parametrize(
    ("state", "wish", "end"), [("running", "abort", "aborted"), ("promoting", "roll_back", "rolled_back")]
)
def test_status_says_why_and_how_to_end_it(site: RolloutWorld, state: str, wish: str, end: str) -> None:
    site.service.start(candidate="2", policy=QUICK, actor="ann")
    site.seconds(20, 20, until=site.is_in("running", stage=1))
    assert site.records.overview()["stands_still"] == ""
    if state == "promoting":
        site.service.promote(actor="ann")
    forget_a_rule(site)
    with pytest.raises(InvalidInput):
        site.second(20)
    said = "\n".join(overview_lines(site.records.overview()))
    assert "no server can go on with it: a policy has no 'of_tomorrow'" in said
    assert f"to end it: ecosight {'rollout abort' if wish == 'abort' else 'rollback'}" in said
    getattr(site.service, wish)(actor="ann")
    site.seconds(5, 20, until=site.is_in(end))
    assert [arm.model for arm in site.routing.arms] == [OLD]
    assert site.records.overview()["stands_still"] == ""


def test_after_its_promotion_the_way_back_is_let_go_and_the_house_is_kept(site: RolloutWorld) -> None:
    site.service.start(candidate="2", policy=QUICK, actor="ann")
    site.service.promote(actor="ann")
    site.seconds(5, until=site.is_in("promoted"))
    forget_a_rule(site)
    site.seconds(2)
    assert (site.routing.rollout_id, site.routing.arms[0].model, site.routing.standby) == ("", NEW, ())
