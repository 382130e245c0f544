"""Who may try a model again that was taken back, and when; the rehearsal of a start says the same."""

from __future__ import annotations

from typing import Any

import pytest
from rollout_kit import NEW, OLD
from rollout_world import RolloutWorld

from ecosight.errors import Conflict, InvalidInput, NoModel, Refused


def taken_back(site: RolloutWorld) -> str:
    """The candidate was taken back once more. Returns its incident."""
    site.service.start(candidate="2", actor="ann")
    site.second()
    site.service.roll_back(actor="ann")
    site.seconds(5, until=site.is_in("rolled_back"))
    return site.incidents.list()[0].id


def test_a_model_that_was_taken_back_waits_for_a_person_and_then_longer_each_time(site: RolloutWorld) -> None:
    for wait_s in (15 * 60, 60 * 60):
        incident = taken_back(site)
        for automatic in (False, True):
            for ask in (site.service.start, site.service.draft):
                with pytest.raises(Refused, match=incident):
                    ask(candidate="2", actor="ann", automatic=automatic)
        site.incidents.unlatch(incident, by="ann")
        site.clock.advance(wait_s - 60)
        with pytest.raises(Refused, match="next try"):
            site.service.start(candidate="2", actor="nightly", automatic=True)
        assert site.service.draft(candidate="2", actor="ann").candidates["candidate"] == NEW  # a person may
        site.clock.advance(120)
        assert site.service.draft(candidate="2", actor="nightly", automatic=True)
    assert site.service.start(candidate="2", actor="nightly", automatic=True).state == "preparing"


def test_a_draft_raises_what_a_start_would_and_changes_nothing(site: RolloutWorld) -> None:
    asked: dict[str, Any] = {"candidate": "2", "policy": {"steps": [10, 100]}, "actor": "ann"}
    draft = site.service.draft(**asked)
    assert site.rollouts.list() == []
    begun = site.service.start(**asked)
    same = ("strategy", "policy", "champion", "candidates", "state")
    assert [getattr(draft, name) for name in same] == [getattr(begun, name) for name in same]
    for ask in (site.service.draft, site.service.start):
        with pytest.raises(Conflict, match=begun.id):
            ask(**asked)
    site.service.abort(actor="ann")
    site.aliases.named.clear()
    for ask in (site.service.draft, site.service.start):
        with pytest.raises(NoModel):
            ask(**asked)


@pytest.mark.parametrize(
    ("strategy", "policy", "said"),
    [
        ("canary", {"steps": [10, 50, 100], "pause_at": [50]}, "steps 1 to 3"),
        ("blue-green", {"pause_at": [2]}, "steps 1 to 1"),
        ("blue-green", {"accuracy": "required"}, "at no step does the champion answer beside"),
        ("canary", {"steps": [100], "accuracy": "required"}, "at no step does the champion answer beside"),
        ("canary", {"strategy": "shadow"}, "the policy says 'shadow' and the rollout 'canary'"),
        ("canary", {"steps": [0.01, 100]}, "no key falls on candidate, candidate-2"),
    ],
)
def test_a_policy_that_could_never_be_met_is_refused_at_the_start(
    site: RolloutWorld, strategy: str, policy: dict[str, Any], said: str
) -> None:
    for ask in (site.service.draft, site.service.start):
        with pytest.raises(InvalidInput, match=said):
            ask(candidate=["2", "2"] if "key" in said else "2", strategy=strategy, policy=policy, actor="ann")
    assert site.rollouts.list() == []


def test_a_rollout_of_nobody_is_refused(site: RolloutWorld) -> None:
    with pytest.raises(InvalidInput, match="at least one candidate"):
        site.service.start(candidate=[], actor="ann")


def test_a_pause_before_a_step_that_there_is_not_is_refused_on_the_way_too(site: RolloutWorld) -> None:
    site.service.start(candidate="2", policy={"steps": [10, 100]}, actor="ann")
    site.service.pause(actor="ann")
    with pytest.raises(InvalidInput, match="steps 1 to 2"):
        site.service.resume(actor="ann", policy={"pause_at": [100]})
    assert site.service.resume(actor="ann", policy={"pause_at": [2]}).policy["pause_at"] == [2]


def test_nobody_goes_back_to_a_model_that_was_taken_back_itself(site: RolloutWorld) -> None:
    site.service.start(candidate="2", actor="ann")
    site.service.promote(actor="ann")
    site.seconds(5, until=site.is_in("promoted"))
    site.service.roll_back(actor="ann", why="wrong labels")
    site.seconds(5, until=site.is_in("rolled_back"))
    (incident,) = site.incidents.list()
    assert (site.aliases.named["champion"], site.aliases.named["previous"]) == (OLD, NEW)
    for dry_run in (True, False):
        with pytest.raises(Refused, match=incident.id):
            site.service.roll_back(actor="bob", why="it is still bad", dry_run=dry_run)
    site.seconds(61)
    assert site.aliases.named["champion"] == OLD
    site.incidents.unlatch(incident.id, by="ann")
    assert site.service.roll_back(actor="bob").champion == NEW


def test_nobody_is_sent_to_a_command_that_is_refused_by_then(site: RolloutWorld) -> None:
    site.service.start(candidate="2", actor="ann")
    site.service.roll_back(actor="ann")
    with pytest.raises(Conflict, match="is rolling back") as refused:
        site.service.start(candidate="2", actor="ann")
    assert refused.value.hint == "Wait for its end."
    with pytest.raises(Conflict, match="is rolling back, so it cannot abort"):
        site.service.abort(actor="ann")


def test_what_people_say_is_kept_as_one_line_that_can_be_stored(site: RolloutWorld) -> None:
    actor, why = "zo\udceb", "red\x1b[31malarm\nat three"
    begun = site.service.start(candidate="2", actor=actor)
    site.service.pause(actor=actor, why=why)
    site.service.resume(actor=actor, why=why)
    site.service.roll_back(actor=actor, why=why)
    said = {
        (each.actor, each.verdict["reason"]) for each in site.rollouts.decisions(begun.id) if each.action != "start"
    }
    assert said == {("zo\ufffd", "red [31malarm at three")}
    site.seconds(5, until=site.is_in("rolled_back"))
    (incident,) = site.incidents.list()
    assert (begun.actor, incident.trigger["observed"]) == ("zo\ufffd", "zo\ufffd: red [31malarm at three")


def test_a_wish_to_roll_back_that_comes_too_late_does_not_meet_the_good_champion(site: RolloutWorld) -> None:
    """Two people saw the same alarm, or a client asked again because the answer was lost."""
    site.service.start(candidate="2", actor="ann")
    site.service.promote(actor="ann")
    site.seconds(5, until=site.is_in("promoted"))
    site.service.start(candidate="1", actor="ann")
    site.seconds(2)
    site.service.abort(actor="ann")
    for dry_run in (True, False):
        with pytest.raises(Refused, match="went just now") as refused:
            site.service.roll_back(actor="bob", dry_run=dry_run)
    assert "ask again in a minute" in refused.value.hint
    site.seconds(2)
    assert site.aliases.named["champion"] == NEW
    site.seconds(60)
    assert site.service.roll_back(actor="bob").champion == OLD
