"""The face of A/B tests acts on its own treatment, and on no other model."""

from __future__ import annotations

from typing import Any

import pytest
from rollout_kit import NEW, OLD
from rollout_world import RolloutWorld

from ab_testing.framework import ABTestManager
from ecosight.config import Config
from ecosight.errors import Conflict
from ecosight.values import ModelRef


@pytest.fixture
def manager(site: RolloutWorld) -> ABTestManager:
    made = ABTestManager("test", "champion", "2", 0.5, config=Config())
    vars(made)["_service"] = site.service
    return made


def test_a_treatment_that_was_taken_back_already_costs_the_champion_nothing(
    site: RolloutWorld, manager: ABTestManager
) -> None:
    site.aliases.named["previous"] = ModelRef(name="m", version="0", digest="c" * 64)
    manager.start()
    site.second()
    assert manager.rollback("worse").state == "rolling_back"
    site.seconds(5, until=site.is_in("rolled_back"))
    with pytest.raises(Conflict, match="m/2 does not answer any more"):
        manager.rollback("worse")
    assert (site.rollout.state, site.aliases.named["champion"]) == ("rolled_back", OLD)


def test_a_treatment_that_was_promoted_can_be_taken_back(site: RolloutWorld, manager: ABTestManager) -> None:
    manager.start()
    manager.promote()
    site.seconds(5, until=site.is_in("promoted"))
    assert manager.rollback("worse").candidates["candidate"] == NEW


def test_the_rollout_of_another_model_is_left_alone(site: RolloutWorld, manager: ABTestManager) -> None:
    other = ModelRef(name="m", version="3", digest="d" * 64)
    site.aliases.models = (*site.aliases.models, other)
    site.service.start(candidate="3", actor="ann")
    wishes: tuple[Any, ...] = (manager.promote, manager.rollback)
    for wish in wishes:
        with pytest.raises(Conflict, match="m/3 would be met instead"):
            wish()
    assert site.rollout.state == "preparing"
