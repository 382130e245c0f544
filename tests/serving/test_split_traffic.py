"""Who answers while a rollout runs, and what is recorded: the client gets an answer, the evidence gets the truth."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from served_rollout import World
from toy import installed
from waiting import wait_until

from ab_testing.router import Router
from ecosight.errors import NotFound, UnreadableMedia
from ecosight.rollouts import CANDIDATE, CHAMPION, CONTROL, Exposure
from serving import split_traffic
from serving.isolation import IsolatedArm
from serving.isolation.breaker import Breaker


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server whose arms are loaded: every routing of this module wants the same ones."""
    with pytest.MonkeyPatch.context() as patch:
        installed(patch)
        made = World(tmp_path_factory.mktemp("world"))
        made.start()
        yield made
        made.stop()


@pytest.fixture
def world(shared: World) -> World:
    """With a candidate that is ready, idle, and was never at fault."""
    shared.traffic._timeout_s = 2.0
    if shared.arms and candidate_of(shared).figures()["waiting"]:  # it hangs
        shared.route()
        wait_until(lambda: shared.follower.current is None)
    follow(shared, shared.canary(candidate=10_000).epoch)
    candidate_of(shared)._breaker = Breaker()
    wait_until(lambda: candidate_of(shared).state == "ready", seconds=30)
    return shared


def candidate_of(world: World) -> IsolatedArm:
    return next(arm for arm in reversed(world.arms) if arm.name == CANDIDATE)


def follow(world: World, epoch: int) -> int:
    wait_until(lambda: world.epoch() == epoch)
    return epoch


def only(found: list[Exposure]) -> Exposure:
    (exposure,) = found
    return exposure


def test_a_key_always_gets_the_same_arm_and_the_recorded_one_is_the_one_that_answered(world: World) -> None:
    epoch = follow(world, world.canary(candidate=5000).epoch)
    keys = [f"sensor-{number}" for number in range(20)]
    answers = [{answer.key: answer.variant for answer in world.ask(*["4"] * 20, keys=keys)} for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert set(answers[0].values()) == {CHAMPION, CANDIDATE}
    router = Router(world.follower.current.routing)
    assert answers[0] == {key: router.assign(key).name for key in keys}
    for exposure in world.seen(epoch):
        assert (exposure.intended, exposure.answered, exposure.fault) == (answers[0][exposure.key],) * 2 + ("",)
        assert exposure.counted
        assert exposure.latency_ms > 0


def test_the_answer_carries_the_model_that_gave_it(world: World) -> None:
    epoch = world.epoch()
    (answer,) = world.ask("4")
    assert (answer.variant, answer.model_version, answer.label) == (CANDIDATE, "2", "rest")
    assert answer.probabilities == {"digit": 0.4, "rest": 0.6}
    exposure = only(world.seen(epoch)[-1:])
    assert (exposure.id, exposure.prediction_id, exposure.label) == (answer.id, answer.id, "rest")


@pytest.mark.parametrize(
    ("deed", "fault"),
    [
        ("error", "error"),
        ("slow", "late"),
        pytest.param("hang", "late", marks=pytest.mark.slow),
        ("refuse", "error"),
        pytest.param("crash", "crash", marks=pytest.mark.slow),
        ("nan", "non_finite"),
    ],
)
def test_where_the_arm_fails_the_champion_answers_and_the_arm_is_to_blame(world: World, deed: str, fault: str) -> None:
    world.traffic._timeout_s = 0.3
    epoch = follow(world, world.canary(candidate=10_000).epoch)
    began = time.monotonic()
    (answer,) = world.ask(f"2:{deed} 4")
    assert time.monotonic() - began < 1
    assert (answer.variant, answer.model_version, answer.probabilities["digit"]) == (CHAMPION, "1", 0.4)
    exposure = only(world.seen(epoch))
    assert (exposure.intended, exposure.answered, exposure.fault) == (CANDIDATE, CHAMPION, fault)
    assert exposure.counted
    assert (exposure.latency_ms >= 300) is (fault == "late")


def test_an_arm_that_is_not_loaded_is_unavailable_and_one_that_is_cut_off_too(world: World) -> None:
    for _ in range(6):
        world.ask("2:error 4")
    assert candidate_of(world).state == "tripped"
    epoch = follow(world, world.canary(candidate=10_000).epoch)
    (answer,) = world.ask("4")
    assert answer.variant == CHAMPION
    assert only(world.seen(epoch)).fault == "unavailable"
    epoch = follow(world, world.canary(candidate=0, control=10_000).epoch)
    (answer,) = world.ask("4")  # its process has only just begun
    assert answer.variant == CHAMPION
    exposure = only(world.seen(epoch))
    assert (exposure.intended, exposure.fault) == (CONTROL, "unavailable")


def test_a_file_that_nobody_takes_is_the_clients_fault_and_no_evidence(world: World) -> None:
    epoch = follow(world, world.canary(candidate=10_000).epoch)
    (refused,) = world.ask(":refuse 4")
    assert isinstance(refused, UnreadableMedia)
    assert world.seen(epoch) == []


def test_a_candidate_that_refuses_what_the_champion_takes_is_cut_off(world: World) -> None:
    for _ in range(6):
        world.ask("2:refuse 4")
    assert candidate_of(world).state == "tripped"


def test_an_operator_may_choose_the_arm_which_is_no_evidence(world: World) -> None:
    epoch = follow(world, world.canary(candidate=0).epoch)
    (answer,) = world.ask("4", arm=CANDIDATE)
    assert answer.variant == CANDIDATE
    exposure = only(world.seen(epoch))
    assert (exposure.intended, exposure.counted) == (CANDIDATE, False)
    (unknown,) = world.ask("4", arm="nobody")
    assert isinstance(unknown, NotFound)
    assert "champion, candidate" in unknown.hint


def test_a_shadow_answers_a_copy_and_the_client_gets_the_champions_answer(world: World) -> None:
    epoch = follow(world, world.shadow().epoch)
    answers = world.ask("1", "9", "2:nan 4")
    assert {answer.variant for answer in answers} == {CHAMPION}
    found = {exposure.id: exposure for exposure in world.seen(epoch)}
    assert len(found) == 6
    for answer in answers:
        own, copy = found[answer.id], found[f"{answer.id}~candidate"]
        assert (own.intended, own.answered, own.fault, own.counted) == (CHAMPION, CHAMPION, "", True)
        assert (copy.intended, copy.answered, copy.counted) == (CANDIDATE, CHAMPION, False)
        assert (copy.prediction_id, copy.key, copy.champion_label) == (answer.id, answer.key, answer.label)
    assert [found[f"{answer.id}~candidate"].label for answer in answers[:2]] == ["rest", "digit"]
    assert found[f"{answers[2].id}~candidate"].fault == "non_finite"


def test_a_shadow_that_refuses_what_the_champion_takes_is_at_fault(world: World) -> None:
    epoch = follow(world, world.shadow().epoch)
    for _ in range(6):
        world.ask("2:refuse 4")
    faults = [exposure.fault for exposure in world.seen(epoch) if exposure.intended == CANDIDATE]
    assert set(faults[:5]) == {"error"}
    assert candidate_of(world).state == "tripped"


def test_a_shadow_that_is_still_being_loaded_is_not_asked_and_one_that_died_is_at_fault(world: World) -> None:
    """Else every shadow under traffic would fail all of its first second's requests, and be taken back for it."""
    champion, name = world.arm(CHAMPION, "1", 10_000), "candidate-2"
    epoch = follow(world, world.route(champion, world.arm(name, "2", isolated=True, shadow=True)).epoch)
    world.ask(*["4"] * 5)  # its process has only just begun
    arm = world.arms[-1]
    wait_until(lambda: arm.state == "ready", seconds=30)
    world.ask("4")
    world.ask("2:crash 4")
    faults = [exposure.fault for exposure in world.seen(epoch) if exposure.intended == name]
    assert faults == ["", "crash"]


def test_copies_are_bounded_in_bytes_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_traffic, "MOST_SHADOW_BYTES", 100)
    epoch = follow(world, world.shadow().epoch)
    before = world.traffic.dropped_copies
    world.ask(" " * 200 + "4")
    assert world.traffic.dropped_copies == before + 1
    world.ask("4")
    assert len([exposure for exposure in world.seen(epoch) if exposure.intended == CANDIDATE]) == 1


def test_a_request_uses_one_routing_to_its_end(world: World) -> None:
    """The routing moves on while an answer is under way: the evidence belongs to the epoch in which it began."""
    epoch = follow(world, world.canary(candidate=10_000).epoch)
    world.canary(candidate=0)
    (answer,) = world.ask("2:slow 4")
    assert answer.variant == CANDIDATE
    assert world.epoch() > epoch
    assert only(world.seen(epoch)).answered == CANDIDATE


def test_a_shadow_that_hangs_delays_nobody_and_what_does_not_fit_is_dropped_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.traffic._timeout_s = 0.5
    monkeypatch.setattr(split_traffic, "MOST_SHADOWS", 8)
    epoch = follow(world, world.shadow().epoch)
    world.ask("1", settle=False)
    before, began = world.traffic.dropped_copies, time.monotonic()
    answers: list[Any] = []

    def hanging() -> float:
        began = time.monotonic()
        answers.extend(world.ask(*["2:hang 4"] * 20, settle=False))
        return time.monotonic() - began

    assert hanging() < 0.4
    assert {answer.variant for answer in answers} == {CHAMPION}
    assert world.traffic.dropped_copies - before == 12
    world.ask(*["2:hang 4"] * 4)
    assert time.monotonic() - began < 3
    faults = Counter(exposure.fault for exposure in world.seen(epoch) if exposure.intended == CANDIDATE)
    assert faults["late"] == 4
