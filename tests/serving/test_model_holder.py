"""Following the champion: swaps, faults, back-off and leases."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import pytest
from doubles import CountingServable
from waiting import wait_until

from ecosight.clock import SystemClock
from ecosight.errors import IntegrityError, NoModel, Refused, Unavailable
from ecosight.values import ModelRef
from serving.model_holder import SLOWEST_RETRY_S, ModelHolder


class JumpingClock(SystemClock):
    def __init__(self):
        self.at = 1000.0

    def monotonic(self):
        return self.at


class Source:
    """A registry whose champion, and whose faults, a test decides."""

    def __init__(self, version=None):
        self.version, self.fault, self.fetched = version, None, []

    def champion(self):
        if isinstance(self.fault, Unavailable):
            raise self.fault
        return None if self.version is None else ModelRef(name="m", version=self.version, digest=self.version * 8)

    def fetch(self, model):
        self.fetched.append(model.version)
        if self.fault is not None:
            raise self.fault
        return Path(model.version)


class Loader:
    """Loads a counting servable; ``fault`` is raised when it is warmed."""

    def __init__(self):
        self.fault, self.loaded = None, []

    def load_servable(self, folder, *, engine, threads):
        servable = CountingServable(str(folder))
        servable.asked_engine = engine
        if self.fault is not None:
            servable.warm = self._fail
        self.loaded.append(servable)
        return servable

    def _fail(self):
        raise self.fault


@pytest.fixture
def clock():
    return JumpingClock()


def holder_of(source, loader, clock, **settings):
    return ModelHolder(source, loader, clock, **{"poll_seconds": 0.01, "engine": "fastest", **settings})


def test_without_a_champion_a_lease_says_so(clock):
    holder = holder_of(Source(), Loader(), clock)
    assert holder.refresh() is False
    with pytest.raises(NoModel, match="no model is registered"):
        holder.lease()


def test_a_champion_is_loaded_warmed_and_leased(clock):
    loader = Loader()
    holder = holder_of(Source("1"), loader, clock)
    assert holder.refresh() is True
    with holder.lease() as lease:
        assert lease.model.ref.version == "1"
        assert lease.servable.warmed
        assert lease.servable.asked_engine == "fastest"
    assert holder.refresh() is False
    assert len(loader.loaded) == 1


def test_the_old_model_is_closed_only_when_its_last_lease_is_over(clock):
    source, loader = Source("1"), Loader()
    holder = holder_of(source, loader, clock)
    holder.refresh()
    first, second = holder.lease(), holder.lease()
    shared = first.share()
    source.version = "2"
    holder.refresh()
    old = loader.loaded[0]
    for lease in (first, second, first):  # releasing twice is releasing once
        lease.release()
        assert not old.closed
    shared.release()
    assert old.closed
    assert holder.lease().model.ref.version == "2"


@pytest.mark.parametrize("fault", [IntegrityError("answers differ"), Refused("engine differs"), RuntimeError("odd")])
def test_a_model_that_is_not_right_is_not_swapped_in(clock, fault):
    source, loader = Source("1"), Loader()
    holder = holder_of(source, loader, clock)
    holder.refresh()
    source.version, loader.fault = "2", fault
    assert holder.refresh() is False
    assert holder.current.ref.version == "1"
    told = holder.fault.as_dict()
    assert told["model_version"] == "2"
    assert told["tries"] == 1
    assert holder.failed_swaps == 1


def test_a_bad_model_is_tried_again_later_and_later_and_a_good_one_at_once(clock):
    source, loader = Source("1"), Loader()
    holder = holder_of(source, loader, clock, poll_seconds=1.0)
    holder.refresh()
    source.version, loader.fault = "2", Refused("no")
    tries = []
    for _ in range(400):
        before = len(loader.loaded)
        holder.refresh()
        if len(loader.loaded) > before:
            tries.append(clock.at)
        clock.at += 1
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= 2
    assert pauses[-1] == pytest.approx(SLOWEST_RETRY_S, abs=1)
    source.version, loader.fault = "3", None
    assert holder.refresh() is True
    assert holder.fault is None


def test_the_last_model_stays_while_the_registry_is_away(clock):
    source = Source("1")
    holder = holder_of(source, Loader(), clock)
    holder.refresh()
    source.fault = Unavailable("the registry is away")
    assert holder.refresh() is False
    assert holder.lease().model.ref.version == "1"
    assert holder.fault.as_dict()["message"] == "the registry is away"
    source.fault = None
    holder.refresh()
    assert holder.fault is None


def test_a_withdrawn_champion_leaves_the_last_model(clock):
    source = Source("1")
    holder = holder_of(source, Loader(), clock)
    holder.refresh()
    source.version = None
    holder.refresh()
    assert holder.lease().model.ref.version == "1"


def test_leases_taken_during_swaps_are_never_of_a_closed_model(clock):
    source, loader = Source("0"), Loader()
    holder = holder_of(source, loader, clock)
    holder.refresh()
    faults, stop = [], threading.Event()

    def use():
        while not stop.is_set():
            with holder.lease() as lease:
                if lease.servable.closed or lease.model.ref.version != lease.servable.name:
                    faults.append(lease.model.ref)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(1, 200):
        source.version = str(version)
        holder.refresh()
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert [servable.closed for servable in loader.loaded] == [True] * 199 + [False]


def test_the_thread_follows_the_alias_and_stopping_closes_the_model(clock):
    source, loader = Source(), Loader()
    swapped = []
    holder = holder_of(source, loader, clock, on_swap=lambda model: swapped.append(model.ref.version))
    holder.start()
    assert holder.wait_for_first_look(5)
    for version in ("1", "2"):
        source.version = version
        wait_until(lambda: holder.current is not None and holder.current.ref.version == source.version)
    holder.stop()
    assert swapped == ["1", "2"]
    assert all(servable.closed for servable in loader.loaded)
    with pytest.raises(NoModel):
        holder.lease()


# -- while a rollout runs --------------------------------------------------------------------------


def ref(version, digest=""):
    return ModelRef(name="m", version=version, digest=digest or version * 8)


def open_versions(loader):
    return sorted(servable.name for servable in loader.loaded if not servable.closed)


def test_a_pinned_model_answers_whatever_the_alias_says_and_without_a_pin_the_alias_again(clock):
    source, loader = Source("1"), Loader()
    holder = holder_of(source, loader, clock)
    holder.refresh()
    holder.follow(ref("2"))
    assert holder.loaded() == {"1" * 8: "ready", "2" * 8: "loading"}
    assert holder.refresh() is True
    assert holder.current.ref.version == "2"
    source.version = "3"
    assert holder.refresh() is False
    assert open_versions(loader) == ["2"]
    holder.follow(None)
    assert holder.refresh() is True
    assert holder.current.ref.version == "3"
    assert open_versions(loader) == ["3"]


def test_a_pinned_model_is_followed_while_the_registry_is_away(clock):
    source = Source("1")
    holder = holder_of(source, Loader(), clock)
    holder.follow(ref("1"), [ref("2")])
    holder.refresh()
    source.fault = Unavailable("the registry is away")
    holder.follow(ref("2"), [ref("1")])
    assert holder.refresh() is True
    assert holder.fault is None


def test_what_is_kept_beside_is_swapped_in_without_loading_and_the_old_one_kept_for_the_way_back(clock):
    source, loader = Source("1"), Loader()
    holder = holder_of(source, loader, clock)
    holder.follow(ref("1"), [ref("2")])
    holder.refresh()
    assert holder.loaded() == {"1" * 8: "ready", "2" * 8: "ready"}
    for there, back in (("2", "1"), ("1", "2"), ("2", "1")):
        holder.follow(ref(there), [ref(back)])
        assert holder.refresh() is True
        assert holder.current.ref.version == there
        assert holder.loaded() == {"1" * 8: "ready", "2" * 8: "ready"}
    assert source.fetched == ["1", "2"]
    assert not any(servable.closed for servable in loader.loaded)


def test_a_standby_is_closed_when_it_is_not_wanted_and_not_leased(clock):
    source, loader = Source("1"), Loader()
    holder = holder_of(source, loader, clock)
    holder.follow(ref("1"), [ref("2")])
    holder.refresh()
    lease = holder.lease()
    holder.follow(ref("2"))
    holder.refresh()
    assert open_versions(loader) == ["1", "2"]  # a request still uses 1
    lease.release()
    assert open_versions(loader) == ["2"]
    assert holder.loaded() == {"2" * 8: "ready"}
    holder.follow(None)
    holder.stop()
    assert open_versions(loader) == []


def test_a_pinned_model_that_cannot_be_loaded_leaves_the_old_one_and_the_standby_is_kept_all_the_same(clock):
    source, loader = Source("1"), Loader()
    holder = holder_of(source, loader, clock, poll_seconds=1.0)
    holder.refresh()
    loader.fault = Refused("engine differs")
    holder.follow(ref("2"), [ref("1"), ref("3")])
    assert holder.refresh() is False
    assert holder.current.ref.version == "1"
    assert holder.loaded() == {"1" * 8: "ready", "2" * 8: "failed", "3" * 8: "failed"}
    loader.fault = None
    clock.at += 3
    holder.refresh()
    assert holder.current.ref.version == "2"
    assert holder.loaded() == {"1" * 8: "ready", "2" * 8: "ready", "3" * 8: "ready"}


def test_a_standby_that_fails_is_tried_again_later_and_later(clock):
    source, loader = Source("1"), Loader()
    holder = holder_of(source, loader, clock, poll_seconds=1.0)
    holder.refresh()
    loader.fault = RuntimeError("no memory")
    holder.follow(ref("1"), [ref("2")])
    tries = []
    for _ in range(200):
        before = len(loader.loaded)
        holder.refresh()
        tries += [clock.at] * (len(loader.loaded) - before)
        clock.at += 1
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses == sorted(pauses)
    assert len(tries) < 10
    assert holder.loaded()["2" * 8] == "failed"
    loader.fault = None
    clock.at += SLOWEST_RETRY_S
    holder.refresh()
    assert holder.loaded()["2" * 8] == "ready"


def test_a_model_whose_registry_is_away_is_loading_not_failed(clock):
    source = Source("1")
    holder = holder_of(source, Loader(), clock)
    holder.refresh()
    source.fault = Unavailable("the registry is away")
    holder.follow(ref("3"), [ref("2")])
    holder.refresh()
    assert holder.loaded() == {"1" * 8: "ready", "2" * 8: "loading", "3" * 8: "loading"}


def test_two_versions_of_the_same_bytes_are_both_held_and_told_as_the_one_that_is_not_ready(clock):
    source, loader = Source("1"), Loader()
    holder = holder_of(source, loader, clock)
    twin = ref("2", digest="1" * 8)
    holder.follow(ref("1"), [twin])
    holder.refresh()
    assert holder.loaded() == {"1" * 8: "ready"}
    holder.follow(twin, [ref("1"), ref("3", digest="1" * 8)])
    assert holder.loaded() == {"1" * 8: "loading"}
    assert holder.refresh() is True
    assert holder.current.ref == twin
    assert holder.loaded() == {"1" * 8: "ready"}
    assert source.fetched == ["1", "2", "3"]


def test_a_new_wish_goes_before_what_is_still_to_be_loaded(clock):
    source, loader = Source("1"), Loader()
    holder = holder_of(source, loader, clock)
    holder.refresh()
    holder.follow(ref("1"), [ref("2"), ref("3"), ref("4")])
    warmed = CountingServable.warm

    def change(servable):
        warmed(servable)
        holder.follow(ref("5"), [ref("2")])

    loader.loaded.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CountingServable, "warm", change)
        holder.refresh()
    assert [servable.name for servable in loader.loaded] == ["2"]
    assert holder.refresh() is True
    assert holder.current.ref.version == "5"


def test_a_swap_under_way_never_loses_the_way_back(clock):
    """Half a wish (the new pin with the old standby) would retire the model that is to be kept."""
    source, loader = Source("1"), Loader()
    holder = holder_of(source, loader, clock)
    holder.follow(ref("1"), [ref("2")])
    holder.start()
    wait_until(lambda: list(holder.loaded().values()) == ["ready"] * 2)
    for there, back in [("2", "1"), ("1", "2")] * 50:
        holder.follow(ref(there), [ref(back)])
        wait_until(lambda there=there: holder.current.ref.version == there)
    holder.stop()
    assert source.fetched == ["1", "2"]
