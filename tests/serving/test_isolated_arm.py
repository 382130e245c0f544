"""A model in a process of its own: it answers as it would here, and whatever it does, nobody else comes to harm."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from sounds import BANDS, bad_files, tone_wav
from toy import ToySource, installed, launch
from waiting import wait_until

from ecosight.clock import SystemClock
from ecosight.config import load_config
from ecosight.errors import InputError, NotFound, Unavailable, UnreadableMedia
from ecosight.values import ModelRef
from modalities.sound import SoundModality
from serving.isolation import ArmFault, IsolatedAnswer, IsolatedArm, arm, backlog, worker
from serving.isolation.breaker import Breaker

HERE = Path(__file__).parent
START_S = 30.0

MakeArm = Callable[..., IsolatedArm]


def ask(made: IsolatedArm, *questions: str, deadline_s: float = 5.0) -> list[IsolatedAnswer | BaseException]:
    """What comes of questions that are asked at once."""

    async def all_of_them() -> list[IsolatedAnswer | BaseException]:
        asked = [made.submit(question.encode(), deadline_s) for question in questions]
        return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(all_of_them())


def fault_of(made: IsolatedArm, question: str, deadline_s: float = 5.0) -> str:
    (result,) = ask(made, question, deadline_s=deadline_s)
    assert isinstance(result, ArmFault), result
    return result.fault


def digits(results: list[IsolatedAnswer | BaseException]) -> list[int]:
    return [round(10 * float(each.probabilities[0])) for each in results if isinstance(each, IsolatedAnswer)]


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def source(tmp_path: Path) -> ToySource:
    return ToySource(tmp_path / "models")


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: ToySource) -> Iterator[MakeArm]:
    """Makes arms over toy models; started and, unless told otherwise, ready."""
    installed(monkeypatch)
    monkeypatch.setattr(arm, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(worker, "LOOK_EVERY_S", 0.05)
    arms: list[IsolatedArm] = []

    def start(*, ready: bool = True, fetch: Callable[[ModelRef], Any] = source.fetch, **settings: Any) -> IsolatedArm:
        made = IsolatedArm(
            "candidate", source.ref("1"), launch=launch(tmp_path), fetch=fetch, clock=SystemClock(), **settings
        )
        arms.append(made)
        made.start()
        if ready:
            wait_until(lambda: made.state == "ready", seconds=START_S)
        return made

    yield start
    for made in arms:
        made.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IsolatedArm]:
    """One that is ready, for tests that leave it so."""
    folder = tmp_path_factory.mktemp("shared")
    source = ToySource(folder / "models")
    with pytest.MonkeyPatch.context() as patch:
        installed(patch)
        made = IsolatedArm("shared", source.ref("1"), launch=launch(folder), fetch=source.fetch, clock=SystemClock())
        made.start()
        wait_until(lambda: made.state == "ready", seconds=START_S)
    yield made
    assert (made.state, made.figures()["restarts"]) == ("ready", 0)
    made.stop()


# -- answers ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound_arm(model_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[IsolatedArm]:
    config = load_config(project={"root": str(tmp_path_factory.mktemp("root"))})
    started = IsolatedArm(
        "candidate",
        ModelRef(name="m", version="1", digest="d"),
        launch={
            "config": config.model_dump_json(),
            "modality": "modalities.sound:SoundModality",
            "engine": "default",
            "threads": 2,
            "max_batch": 4,
        },
        fetch=lambda _: model_folders["1"],
        clock=SystemClock(),
    )
    started.start()
    wait_until(lambda: started.state == "ready", seconds=60)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def servable(model_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    config = load_config(project={"root": str(tmp_path_factory.mktemp("here"))})
    return SoundModality(config).load_servable(model_folders["1"], threads=1)


def test_a_real_model_gives_bit_for_bit_what_it_gives_in_the_server(sound_arm: IsolatedArm, servable: Any) -> None:
    for label, hz in BANDS.items():
        for rate in (16_000, 44_100):
            data = tone_wav(hz, seed=len(label), rate=rate)
            answer = asyncio.run(sound_arm.submit(data, 10))
            here = servable.predict([servable.prepare(data)])[0]
            assert answer.labels == servable.labels
            assert answer.probabilities.tobytes() == here.astype("<f4").tobytes()


def test_many_at_once_each_get_their_own_answer(sound_arm: IsolatedArm, servable: Any) -> None:
    clips = [tone_wav(hz, seed=seed) for hz in BANDS.values() for seed in range(6)]

    async def all_at_once() -> list[IsolatedAnswer]:
        return await asyncio.gather(*(sound_arm.submit(clip, 20) for clip in clips))

    here = servable.predict([servable.prepare(clip) for clip in clips])
    there = np.stack([answer.probabilities for answer in asyncio.run(all_at_once())])
    np.testing.assert_allclose(there, here, atol=1e-5)


def test_a_file_is_refused_with_the_error_that_the_server_would_give(sound_arm: IsolatedArm, servable: Any) -> None:
    for what, data in bad_files().items():
        with pytest.raises(InputError) as here:
            servable.prepare(data)
        with pytest.raises(type(here.value)) as there:
            asyncio.run(sound_arm.submit(data, 10))
        assert there.value.message == here.value.message, what
    assert sound_arm.state == "ready"


# -- faults ----------------------------------------------------------------------------------------


def test_an_answer_that_is_late_is_given_up_at_the_deadline(shared: IsolatedArm) -> None:
    began = time.monotonic()
    assert fault_of(shared, ":slow 3", deadline_s=0.1) == "late"
    assert time.monotonic() - began < 0.35
    assert digits(ask(shared, "4")) == [4]


def test_a_refused_file_is_nobodys_fault_unless_the_champion_takes_it(shared: IsolatedArm) -> None:
    for _ in range(10):
        (refused,) = ask(shared, ":refuse 3")
        assert isinstance(refused, UnreadableMedia)
        assert refused.context == {"because": "0.5"}
    assert shared.state == "ready"
    breaker, shared._breaker = shared._breaker, Breaker()
    for _ in range(10):
        shared.refused_wrongly()
    assert shared.state == "tripped"
    shared._breaker = breaker


def test_a_poisoned_question_fails_alone(shared: IsolatedArm) -> None:
    results = ask(shared, "1", ":error 2", "3", "4")
    assert digits(results) == [1, 3, 4]
    assert isinstance(results[1], ArmFault)


def test_a_process_that_dies_fails_what_it_had_and_is_started_again(make: MakeArm) -> None:
    made = make()
    before = made.figures()
    wait_until(lambda: len(made.figures()["memory"]) > 1)
    results = ask(made, ":slow 1", ":slow 2", ":crash 3")
    assert {result.fault for result in results if isinstance(result, ArmFault)} == {"crash"}
    wait_until(lambda: made.state == "ready" and made.figures()["restarts"] == 1, seconds=START_S)
    after = made.figures()
    assert after["pid"] != before["pid"]
    assert gone(before["pid"])
    assert len(after["crashed_at"]) == 1
    assert len(after["memory"]) == 1  # another process, which warms up anew
    assert after["waiting"] == 0
    assert digits(ask(made, "5")) == [5]


def test_one_that_keeps_dying_is_cut_off_and_not_started_again(make: MakeArm) -> None:
    made = make()
    for number in range(3):
        wait_until(lambda: made.state == "ready", seconds=START_S)
        assert fault_of(made, ":crash 1") == "crash", number
        wait_until(lambda crashes=number + 1: len(made.figures()["crashed_at"]) == crashes)
    wait_until(lambda: not made._thread.is_alive())
    told = made.figures()
    assert (told["state"], told["restarts"], told["rss_mb"]) == ("tripped", 2, None)
    assert "died 3 times" in told["tripped"]
    assert fault_of(made, "1") == "unavailable"


@pytest.mark.parametrize("deed", ["freeze", pytest.param("hang", marks=pytest.mark.slow)])
def test_a_process_that_hangs_is_killed_and_started_again(make: MakeArm, monkeypatch: Any, deed: str) -> None:
    monkeypatch.setattr(backlog, "HUNG_S", 0.3)
    made = make()
    pid = made.figures()["pid"]
    began = time.monotonic()
    assert [each.fault for each in ask(made, *[f":{deed} 1"] * 3, deadline_s=0.1) if isinstance(each, ArmFault)] == [
        "late"
    ] * 3
    assert time.monotonic() - began < 1
    wait_until(lambda: made.state == "ready" and made.figures()["restarts"] == 1, seconds=START_S)
    assert gone(pid)
    assert digits(ask(made, "5")) == [5]


@pytest.mark.parametrize("deed", ["huge", pytest.param("garbage", marks=pytest.mark.slow)])
def test_a_process_that_talks_nonsense_is_ended(make: MakeArm, deed: str) -> None:
    made = make()
    assert fault_of(made, f":{deed} 1") == "crash"
    wait_until(lambda: made.state == "ready", seconds=START_S)
    assert digits(ask(made, "5")) == [5]


def test_an_answer_that_nobody_asked_for_is_nobodys(shared: IsolatedArm) -> None:
    assert digits(ask(shared, ":stranger 4")) == [4]


def test_a_request_that_is_cancelled_leaves_nothing_behind(shared: IsolatedArm) -> None:
    async def ask_and_go() -> None:
        asked = [asyncio.create_task(shared.submit(b":slow 1", 5)) for _ in range(8)]
        await asyncio.sleep(0.1)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    asyncio.run(ask_and_go())
    wait_until(lambda: shared.figures()["waiting"] == 0)


def test_numbers_that_are_not_finite_cut_it_off_at_once(make: MakeArm) -> None:
    made = make()
    assert fault_of(made, ":nan 1") == "non_finite"
    told = made.figures()
    assert (told["state"], told["non_finite"]) == ("tripped", 1)
    assert "not finite" in told["tripped"]
    assert fault_of(made, "1") == "unavailable"


def test_what_waits_for_a_process_that_hangs_is_bounded(make: MakeArm) -> None:
    """Neither the questions nor their bytes pile up: what is given up before it was handed over is let go."""
    made = make(most_waiting=20, most_waiting_bytes=1 << 20)
    assert fault_of(made, ":freeze 1", deadline_s=0.1) == "late"
    file = " " * (1 << 18) + "1"
    for _ in range(3):
        results = ask(made, *[file] * 10, deadline_s=0.1)
        assert all(isinstance(each, ArmFault) and each.fault in ("late", "unavailable") for each in results)
    assert made.figures()["waiting"] < 6


# -- loading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("error", "RuntimeError: it failed"),
        ("crash", "died while it loaded the model (signal 9)"),
        pytest.param("garbage", "a frame of", marks=pytest.mark.slow),
        ("freeze", "not loaded within 2 s"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_told_and_not_tried_again(
    make: MakeArm, source: ToySource, monkeypatch: pytest.MonkeyPatch, deed: str, why: str
) -> None:
    monkeypatch.setattr(worker, "LOAD_S", 2 if deed == "freeze" else 60)
    source.tell("1", "load", deed)
    made = make(ready=False)
    wait_until(lambda: made.state == "failed", seconds=START_S)
    wait_until(lambda: not made._thread.is_alive())
    told = made.figures()
    assert why in told["error"]
    assert (told["restarts"], told["crashed_at"]) == (0, [])
    assert gone(told["pid"])
    assert fault_of(made, "1") == "unavailable"


def test_one_that_was_loaded_before_is_tried_again(make: MakeArm, source: ToySource) -> None:
    made = make()
    source.tell("1", "load", "error")
    assert fault_of(made, ":crash 1") == "crash"
    wait_until(lambda: made.figures()["restarts"] >= 1, seconds=START_S)
    source.tell("1", "load", "")
    wait_until(lambda: made.state == "ready", seconds=START_S)
    assert digits(ask(made, "5")) == [5]


def test_a_registry_that_is_away_for_a_while_is_not_the_models_fault(make: MakeArm, source: ToySource) -> None:
    tries: list[ModelRef] = []

    def fetch(model: ModelRef) -> Path:
        tries.append(model)
        if len(tries) < 4:
            raise Unavailable("the registry is away")
        return source.fetch(model)

    made = make(fetch=fetch)
    assert len(tries) == 4
    assert made.figures()["error"] == ""


def test_a_model_that_does_not_exist_has_failed(make: MakeArm) -> None:
    def fetch(model: ModelRef) -> Path:
        raise NotFound(f"there is no {model}")

    made = make(ready=False, fetch=fetch)
    wait_until(lambda: made.state == "failed")
    assert made.figures()["error"] == "there is no toy/1"


# -- the end ---------------------------------------------------------------------------------------


def test_stopping_leaves_no_process_no_thread_and_no_descriptor(shared: IsolatedArm, make: MakeArm) -> None:
    ask(shared, "1")  # whatever is opened once in a process is open now
    threads, descriptors = set(threading.enumerate()), set(os.listdir("/proc/self/fd"))
    made = make()
    pid = made.figures()["pid"]

    async def ask_and_stop() -> list[Any]:
        asked = [asyncio.create_task(made.submit(b":slow 1", 5)) for _ in range(20)]
        await asyncio.sleep(0.1)
        await asyncio.to_thread(made.stop)
        return await asyncio.gather(*asked, return_exceptions=True)

    began = time.monotonic()
    results = asyncio.run(ask_and_stop())
    assert time.monotonic() - began < 2
    assert {each.fault for each in results if isinstance(each, ArmFault)} == {"unavailable"}
    assert gone(pid)
    assert set(threading.enumerate()) <= threads
    assert set(os.listdir("/proc/self/fd")) <= descriptors
    assert made.state != "ready"


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.5])
def test_stopping_while_it_starts_and_loads_is_quick(make: MakeArm, source: ToySource, after_s: float) -> None:
    source.tell("1", "load", "freeze")
    made = make(ready=False)
    time.sleep(after_s)
    began = time.monotonic()
    made.stop()
    assert time.monotonic() - began < 2
    assert not made._thread.is_alive()
    assert (pid := made.figures()["pid"]) is None or gone(pid)


def test_stopping_one_that_never_started_is_no_error(source: ToySource, tmp_path: Path) -> None:
    arm = IsolatedArm("a", source.ref("1"), launch=launch(tmp_path), fetch=source.fetch, clock=SystemClock())
    arm.stop()
    assert arm.figures()["pid"] is None


def test_stopping_does_not_wait_for_a_fetch_that_hangs(make: MakeArm, source: ToySource, monkeypatch: Any) -> None:
    monkeypatch.setattr(arm, "STOP_S", 0.2)
    free = threading.Event()

    def fetch(model: ModelRef) -> Path:
        free.wait(30)
        return source.fetch(model)

    made = make(ready=False, fetch=fetch)
    made.stop()
    free.set()
    wait_until(lambda: not made._thread.is_alive())
    assert made.figures()["pid"] is None


def test_what_a_model_starts_counts_and_dies_with_it(make: MakeArm, tmp_path: Path) -> None:
    made = make()
    alone = made.figures()["rss_mb"]
    assert digits(ask(made, ":helper 1")) == [1]
    wait_until(lambda: made.figures()["rss_mb"] > alone + 50)
    helper = int((tmp_path / "models" / "1" / "helper").read_text())
    assert fault_of(made, ":crash 1") == "crash"
    wait_until(lambda: gone(helper))


@pytest.mark.parametrize(
    ("load", "question"),
    [
        pytest.param("", "1", id="answering", marks=pytest.mark.slow),
        pytest.param("", ":freeze 1", id="frozen"),
        pytest.param("freeze", "", id="frozen while it loads"),
        pytest.param("", ":hang 1", id="hanging", marks=pytest.mark.slow),
        pytest.param("hang", "", id="hanging while it loads", marks=pytest.mark.slow),
    ],
)
def test_a_server_that_is_killed_leaves_no_process(
    source: ToySource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: str, question: str
) -> None:
    installed(monkeypatch)
    source.tell("1", "load", load)
    command = [sys.executable, str(HERE / "arm_process.py"), str(tmp_path / "models"), "1", question]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        assert not gone(pid)
        server.send_signal(signal.SIGKILL)
        server.wait()
        wait_until(lambda: gone(pid), seconds=3)
