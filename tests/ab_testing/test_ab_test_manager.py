"""The face of A/B tests acts on its own treatment, and on no other model."""

from __future__ import annotations

import getpass
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rollout_kit import NEW, OLD
from rollout_world import RolloutWorld

from ab_testing.framework import ABTestManager, TrafficSplitter, main
from ecosight.config import Config
from ecosight.errors import Conflict, InvalidInput
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


def test_what_was_found_is_told_after_a_person_decided(site: RolloutWorld, manager: ABTestManager) -> None:
    site.behaviour[OLD.digest].wrong, site.label_rate = 0.5, 1.0
    manager.start()
    site.seconds(60, 60, until=lambda: bool(manager.get_status()["treatment_better"]))
    found = manager.get_status()["result"]
    site.service.pause(actor="ann")
    assert manager.get_status()["result"] == found
    manager.promote()
    site.seconds(5, until=site.is_in("promoted"))
    ended = manager.get_status()
    assert (ended["state"], ended["treatment_better"], ended["result"]) == ("promoted", True, found)


def test_a_user_without_a_name_may_start_one(
    site: RolloutWorld, manager: ABTestManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert manager.start().actor == "A/B test"
    manager.promote()
    assert manager.rollback().state == "rolling_back"


def test_what_is_not_told_is_as_configured() -> None:
    config = Config(ab_testing={"traffic_split": 0.3, "duration_hours": 6, "success_metric": "recall"})  # type: ignore[arg-type]
    made = ABTestManager("test", "champion", "2", config=config)
    assert made.test.policy() == {"steps": [30.0], "max_duration_s": 6 * 3600.0}
    assert (made.splitter.traffic_split, made.test.success_metric) == (0.3, "recall")
    assert ABTestManager("test", "champion", "2", 0.1, config=config).test.traffic_split == 0.1


def test_the_script_takes_the_options_that_were_promised(
    site: RolloutWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ABTestManager, "_service", site.service)
    promised = "framework.py --control champion --treatment 2 --traffic-split 0.2 --duration 12"
    monkeypatch.setattr(sys, "argv", promised.split())
    assert main() == 0
    assert json.loads(capsys.readouterr().out)["state"] == "preparing"
    assert (site.rollout.policy["steps"], site.rollout.policy["max_duration_s"]) == ([20.0], 12 * 3600.0)


def test_a_share_that_is_no_number_is_refused() -> None:
    with pytest.raises(InvalidInput, match="a share lies between 0 and 1, not"):
        TrafficSplitter("0.1")  # type: ignore[arg-type]


def test_the_script_says_what_is_wrong_in_a_sentence(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "ab_testing" / "framework.py"
    told = subprocess.run(
        [sys.executable, str(script), "--split", "2"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (told.returncode, told.stdout) == (3, "")
    assert told.stderr == "error: a share lies between 0 and 1, not 2.0\n"
