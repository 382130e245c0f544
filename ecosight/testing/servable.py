"""What every ``Servable`` must do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from ecosight.errors import InputError
from ecosight.ports import Servable

__all__ = ["ServableConformance"]


class ServableConformance:
    """Fixtures ``servable``: a loaded Servable; ``samples``: raw files that it accepts, at least two."""

    def test_it_is_a_servable_that_says_what_it_is(self, servable: Servable) -> None:
        assert isinstance(servable, Servable)
        assert len(set(servable.labels)) == len(servable.labels) >= 2
        assert len(servable.digest) == 64
        assert servable.engine

    def test_answers_are_probabilities(self, servable: Servable, samples: list[bytes]) -> None:
        found = servable.predict([servable.prepare(sample) for sample in samples])
        assert found.dtype == np.float32
        assert found.shape == (len(samples), len(servable.labels))
        assert (found >= 0).all()
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-4)

    def test_an_answer_does_not_depend_on_its_company(self, servable: Servable, samples: list[bytes]) -> None:
        prepared = [servable.prepare(sample) for sample in samples]
        together = servable.predict(prepared)
        alone = np.concatenate([servable.predict([each]) for each in prepared])
        np.testing.assert_allclose(together, alone, atol=2e-3)

    def test_threads_may_share_it(self, servable: Servable, samples: list[bytes]) -> None:
        def answer(sample: bytes) -> NDArray[np.float32]:
            return servable.predict([servable.prepare(sample)])

        expected = [answer(sample) for sample in samples]
        with ThreadPoolExecutor(4) as pool:
            for found, wanted in zip(pool.map(answer, samples * 4), expected * 4, strict=True):
                np.testing.assert_allclose(found, wanted, atol=1e-5)

    def test_garbage_is_the_callers_fault(self, servable: Servable) -> None:
        for junk in (b"", b"neither sound nor picture"):
            with pytest.raises(InputError):
                servable.prepare(junk)

    def test_warming_confirms_the_recorded_answers(self, servable: Servable) -> None:
        servable.warm()
        servable.warm()
