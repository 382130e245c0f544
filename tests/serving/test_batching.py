"""The inference pipeline: batches, faults, leases and shutdown."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from doubles import CountingServable

from ecosight.errors import EcosightError, Unavailable, UnreadableMedia
from ecosight.ids import content_digest
from ecosight.values import ModelRef
from serving.batching import InferencePipeline
from serving.loaded_model import LoadedModel


def loaded(servable):
    return LoadedModel(ModelRef(name="m", version="1", digest=servable.name), servable, datetime.now(UTC))


@contextmanager
def running(**settings):
    pipeline = InferencePipeline(**{"max_batch": 8, **settings})
    pipeline.start()
    try:
        yield pipeline
    finally:
        pipeline.stop()


def ask(pipeline, model, numbers, *, before_waiting=lambda: None):
    async def all_of_them():
        with model.lease() as lease:
            futures = [pipeline.submit(str(n).encode(), lease) for n in numbers]
        before_waiting()
        return await asyncio.gather(*futures, return_exceptions=True)

    return asyncio.run(all_of_them())


def test_every_file_gets_its_own_answer():
    with running() as pipeline:
        answers = ask(pipeline, loaded(CountingServable()), range(100))
    assert [round(float(answer.probabilities[0]) * 10) for answer in answers] == [n % 10 for n in range(100)]
    assert answers[7].sample_id == content_digest(b"7")


def test_what_waits_is_answered_together_but_never_more_than_the_limit():
    servable = CountingServable()
    servable.gate.clear()  # the first call is held back while the others come in
    with running() as pipeline:
        answers = ask(pipeline, loaded(servable), range(30), before_waiting=servable.gate.set)
    assert len(answers) == 30
    sizes = [len(call) for call in servable.calls]
    assert max(sizes) <= 8
    assert len(sizes) < 30


def test_decoding_never_runs_far_ahead_of_inference():
    decoded, seen = [], []

    class Watched(CountingServable):
        def prepare(self, data):
            decoded.append(data)
            return super().prepare(data)

    servable = Watched()
    servable.gate.clear()

    def look():
        time.sleep(0.3)
        seen.append(len(decoded))
        servable.gate.set()

    with running() as pipeline:
        assert len(ask(pipeline, loaded(servable), range(100), before_waiting=look)) == 100
    assert seen[0] <= 3 * 8  # a batch in the call of each thread, and one more


def test_large_files_go_into_calls_of_their_own(monkeypatch):
    monkeypatch.setattr("serving.batching.READY_BYTES", 1)
    servable = CountingServable()
    servable.gate.clear()
    with running() as pipeline:
        ask(pipeline, loaded(servable), range(10), before_waiting=servable.gate.set)
    assert [len(call) for call in servable.calls] == [1] * 10


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_several_threads_answer_each_file_once(threads):
    servable = CountingServable()
    with running(threads=threads) as pipeline:
        answers = ask(pipeline, loaded(servable), range(200))
    assert [round(float(answer.probabilities[0]) * 10) for answer in answers] == [n % 10 for n in range(200)]
    assert sorted(n for call in servable.calls for n in call) == list(range(200))


def test_an_idle_pipeline_does_not_wait_for_company():
    servable = CountingServable()
    with running() as pipeline:
        ask(pipeline, loaded(servable), [4])
    assert servable.calls == [[4]]


def test_a_file_that_cannot_be_read_fails_alone():
    with running() as pipeline:
        answers = ask(pipeline, loaded(CountingServable()), [1, "x", 3])
    assert isinstance(answers[1], UnreadableMedia)
    assert [round(float(answers[n].probabilities[0]) * 10) for n in (0, 2)] == [1, 3]


def test_a_poisoned_file_does_not_fail_its_batch_mates():
    servable = CountingServable(poison=13)
    servable.gate.clear()
    with running() as pipeline:
        answers = ask(pipeline, loaded(servable), range(20), before_waiting=servable.gate.set)
    assert [n for n, answer in enumerate(answers) if isinstance(answer, BaseException)] == [13]
    assert isinstance(answers[13], RuntimeError)


@pytest.mark.parametrize("error", [StopIteration("odd"), MemoryError(), AssertionError("odd")])
def test_any_error_of_a_model_reaches_its_own_request_alone(error):
    class Odd(CountingServable):
        def prepare(self, data):
            if data == b"3":
                raise error
            return super().prepare(data)

    with running() as pipeline:
        answers = ask(pipeline, loaded(Odd()), range(6))
    assert [n for n, answer in enumerate(answers) if isinstance(answer, Exception)] == [3]


@pytest.mark.parametrize("fault", ["nan", "shape"])
def test_answers_that_are_no_probabilities_are_errors(fault):
    class Broken(CountingServable):
        def predict(self, prepared):
            rows = super().predict(prepared)
            return rows * float("nan") if fault == "nan" else rows[:, :1]

    with running() as pipeline:
        answers = ask(pipeline, loaded(Broken()), [1, 2])
    assert all(isinstance(answer, EcosightError) for answer in answers)


def test_files_for_two_models_never_share_a_call():
    old, new = CountingServable("old"), CountingServable("new")
    models = [loaded(old), loaded(new)]
    old.gate.clear()

    async def mixed(pipeline):
        futures = []
        for n in range(40):
            with models[n % 2].lease() as lease:
                futures.append(pipeline.submit(str(n).encode(), lease))
        old.gate.set()
        return await asyncio.gather(*futures)

    with running() as pipeline:
        asyncio.run(mixed(pipeline))
    assert sorted(n for call in old.calls for n in call) == list(range(0, 40, 2))
    assert sorted(n for call in new.calls for n in call) == list(range(1, 40, 2))


def test_the_pipeline_keeps_a_retired_model_open_until_its_files_are_answered():
    servable = CountingServable()
    model = loaded(servable)
    servable.gate.clear()

    def retire():
        model.retire()
        assert not servable.closed
        servable.gate.set()

    with running() as pipeline:
        answers = ask(pipeline, model, range(10), before_waiting=retire)
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    assert servable.closed


def test_a_cancelled_request_does_not_disturb_the_others():
    servable = CountingServable()
    servable.gate.clear()

    async def cancel_one(pipeline):
        with loaded(servable).lease() as lease:
            futures = [pipeline.submit(str(n).encode(), lease) for n in range(5)]
        futures[2].cancel()
        servable.gate.set()
        return await asyncio.gather(*futures, return_exceptions=True)

    with running() as pipeline:
        answers = asyncio.run(cancel_one(pipeline))
    assert [n for n, answer in enumerate(answers) if isinstance(answer, BaseException)] == [2]


def test_stopping_finishes_what_was_submitted_and_refuses_the_rest():
    servable = CountingServable()
    pipeline = InferencePipeline(max_batch=4)
    pipeline.start()
    model = loaded(servable)

    async def stop_in_between():
        with model.lease() as lease:
            futures = [pipeline.submit(str(n).encode(), lease) for n in range(20)]
            await asyncio.to_thread(pipeline.stop)
            with pytest.raises(Unavailable):
                pipeline.submit(b"1", lease)
        return await asyncio.gather(*futures)

    assert len(asyncio.run(stop_in_between())) == 20
    model.retire()
    assert servable.closed


def test_a_call_that_hangs_is_seen():
    servable = CountingServable()
    servable.gate.clear()
    with running() as pipeline:
        assert pipeline.stalled_s() == 0
        seen = []

        def look():
            time.sleep(0.2)
            seen.append(pipeline.stalled_s())
            servable.gate.set()

        ask(pipeline, loaded(servable), [1], before_waiting=look)
    assert seen[0] > 0.1
