"""A worker process was asked about the model's own files, by the way that requests take, before the first client."""

from __future__ import annotations

import asyncio

import pytest
from doubles import CountingServable

from ecosight.errors import UnreadableMedia
from serving.batching import InferencePipeline
from serving.isolation.warming import ROUNDS, warm_up


class _Held:
    def __init__(self, servable: CountingServable) -> None:
        self.servable = servable

    def share(self) -> _Held:
        return self

    def release(self) -> None:
        pass


class Exemplary(CountingServable):
    def examples(self) -> list[bytes]:
        return [b"7", b"8"]


def warmed(servable: CountingServable) -> None:
    pipeline = InferencePipeline(max_batch=8, threads=2)
    pipeline.start()
    try:
        asyncio.run(warm_up(pipeline, _Held(servable), threads=2))
    finally:
        pipeline.stop()


def test_a_model_is_asked_about_its_own_files_one_by_one_and_at_once() -> None:
    servable = Exemplary()
    warmed(servable)
    assert servable.calls[:ROUNDS] == [[7], [8]] * (ROUNDS // 2)
    assert sum(map(len, servable.calls)) == ROUNDS + 4


def test_a_model_of_a_plug_in_without_examples_is_left_as_it_is() -> None:
    servable = CountingServable()
    warmed(servable)
    assert servable.calls == []


def test_a_model_that_cannot_read_its_own_files_is_not_loaded() -> None:
    servable = Exemplary()
    servable.examples = lambda: [b"no number"]  # type: ignore[method-assign]
    with pytest.raises(UnreadableMedia):
        warmed(servable)
