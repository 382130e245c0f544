"""While the registry is away a bad candidate goes, and people are told; the alias follows when it is back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rollout_kit import OLD
from rollout_world import RolloutWorld

from ecosight.errors import Unavailable


class Registry:
    """The aliases, behind a line that may break."""

    def __init__(self, aliases: Any) -> None:
        self._aliases, self.away = aliases, False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if self.away:
            raise Unavailable("MLflow cannot be reached", hint="Check that it runs.")
        found: Callable[..., Any] = getattr(self._aliases, name)
        return found


def test_the_incident_is_opened_and_told_and_the_end_comes_with_the_registry(site: RolloutWorld) -> None:
    registry = Registry(site.aliases)
    site.leader = site.controller("leader", guard=lambda part: registry if part is site.aliases else part)
    site.service.start(candidate="2", actor="ann")
    site.service.promote(actor="ann")
    site.seconds(5, until=site.is_in("promoted"))
    site.service.roll_back(actor="ann", why="wrong labels")
    registry.away = True
    for _ in range(5):
        with suppress(Unavailable):
            site.second()
    (incident,) = site.incidents.list()
    assert [each["step"] for each in incident.steps] == ["detect", "stop", "restore", "verify", "alert", "report"]
    assert site.rollout.state == "rolling_back"
    assert [arm.model for arm in site.routing.arms] == [OLD]
    registry.away = False
    site.seconds(3, until=site.is_in("rolled_back"))
    assert site.aliases.named["champion"] == OLD
    assert len(site.incidents.list()) == 1
