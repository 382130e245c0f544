"""What waits for a worker process: bounded in number and bytes, and forgotten when nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from serving.isolation import ArmFault, IsolatedAnswer, backlog
from serving.isolation.backlog import Backlog


def answer(name: str = "a") -> IsolatedAnswer:
    return IsolatedAnswer(sample_id=name, probabilities=np.zeros(2, np.float32), labels=("x", "y"))


def test_an_answer_reaches_the_one_who_asked_whatever_the_order():
    async def ask():
        waiting = Backlog(most=10, most_bytes=1000)
        futures = [waiting.ask(b"x", 1) for _ in range(3)]
        numbers = [waiting.next()[0] for _ in futures]
        for number in reversed(numbers):
            await asyncio.to_thread(waiting.answered, number, answer(str(number)))
        for strange in (99, None, "0", [1]):
            waiting.answered(strange, answer())
        assert [(await each).sample_id for each in futures] == [str(number) for number in numbers]
        assert (len(waiting), waiting.held_bytes) == (0, 0)

    asyncio.run(ask())


@pytest.mark.parametrize(("sizes", "taken"), [([1] * 6, 4), ([60, 60], 1), ([500, 1], 1), ([50, 50, 1], 2)])
def test_more_than_it_may_hold_is_late_at_once(sizes, taken):
    async def ask():
        waiting = Backlog(most=4, most_bytes=100)
        for size in sizes[:taken]:
            waiting.ask(bytes(size), 1)
        with pytest.raises(ArmFault, match="wait already") as told:
            waiting.ask(bytes(sizes[taken]), 1)
        assert told.value.fault == "late"
        assert len(waiting) == taken
        assert waiting.held_bytes == sum(sizes[:taken])

    asyncio.run(ask())


@pytest.mark.parametrize("sent", [False, True])
def test_a_request_that_was_given_up_is_forgotten_unless_the_process_has_it(sent):
    async def ask():
        waiting = Backlog(most=10, most_bytes=1000)
        future = waiting.ask(b"abc", 1)
        number = waiting.next()[0] if sent else 0
        future.cancel()
        await asyncio.sleep(0)
        assert (len(waiting), waiting.held_bytes) == ((1, 3) if sent else (0, 0))
        waiting.answered(number, answer())
        await asyncio.sleep(0)
        assert (len(waiting), waiting.held_bytes) == (0, 0)

    asyncio.run(ask())


def test_once_closed_everybody_hears_why_and_the_writer_ends():
    async def ask():
        waiting = Backlog(most=10, most_bytes=1000)
        ended = []
        writer = threading.Thread(target=lambda: ended.append((waiting.next(), waiting.next())))
        writer.start()
        futures = [waiting.ask(b"abc", 1) for _ in range(3)]
        waiting.close(ArmFault("crash", "it died"))
        for future in futures:
            with pytest.raises(ArmFault, match="it died"):
                await future
        with pytest.raises(ArmFault, match="it died") as told:
            waiting.ask(b"x", 1)
        assert told.value.fault == "crash"
        assert len(waiting) == 0
        writer.join(5)
        assert ended[0][1] is None

    asyncio.run(ask())


def test_an_answer_for_a_loop_that_is_closed_is_nobodys():
    waiting, futures = Backlog(most=10, most_bytes=1000), []

    async def ask():
        futures.append(waiting.ask(b"x", 1))

    asyncio.run(ask())
    waiting.answered(waiting.next()[0], answer())
    assert len(waiting) == 0


@pytest.mark.parametrize(
    ("sent", "deadline_s", "others_s", "hangs"),
    [
        (False, 0.0, 0.0, False),
        (True, 0.0, 0.0, True),
        (True, 9.0, 0.0, False),
        (True, 0.0, 0.25, False),
        (True, 0.0, 0.6, True),
    ],
    ids=["not handed over", "silent", "not due yet", "others are answered", "others are, but for too long"],
)
def test_a_process_hangs_when_it_owes_an_answer_for_too_long(monkeypatch, sent, deadline_s, others_s, hangs):
    monkeypatch.setattr(backlog, "HUNG_S", 0.2)
    monkeypatch.setattr(backlog, "LOST_S", 0.5)

    async def ask():
        waiting = Backlog(most=10, most_bytes=1000)
        waiting.ask(b"lost", deadline_s)
        if sent:
            waiting.next()
        began = time.monotonic()
        while time.monotonic() - began < max(others_s, 0.25):
            if others_s and sent:
                waiting.ask(b"x", 1)
                waiting.answered(waiting.next()[0], answer())
            await asyncio.sleep(0.02)
        assert waiting.hangs() is hangs

    asyncio.run(ask())
