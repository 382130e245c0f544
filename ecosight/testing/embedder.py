"""What every ``Embedder`` must do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ecosight.errors import InputError
from ecosight.ports import Embedder

__all__ = ["EmbedderConformance"]


class EmbedderConformance:
    """Fixtures ``embedder``: an Embedder; ``samples``: at least two different raw files that it reads."""

    def test_it_says_what_it_is(self, embedder: Embedder) -> None:
        assert embedder.name
        assert embedder.digest
        assert embedder.dimension >= 1

    def test_embeddings_are_finite_float32_rows(self, embedder: Embedder, samples: list[bytes]) -> None:
        found = embedder.embed(samples)
        assert found.dtype == np.float32
        assert found.shape == (len(samples), embedder.dimension)
        assert np.isfinite(found).all()

    def test_no_samples_give_no_rows(self, embedder: Embedder) -> None:
        assert embedder.embed([]).shape == (0, embedder.dimension)

    def test_the_same_bytes_give_the_same_vector(self, embedder: Embedder, samples: list[bytes]) -> None:
        np.testing.assert_array_equal(embedder.embed(samples), embedder.embed(samples))

    def test_a_sample_does_not_depend_on_its_company(self, embedder: Embedder, samples: list[bytes]) -> None:
        together = embedder.embed(samples)
        alone = np.concatenate([embedder.embed([sample]) for sample in samples])
        # Other batch sizes may take other kernels, whose sums round differently.
        np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)

    def test_different_samples_differ(self, embedder: Embedder, samples: list[bytes]) -> None:
        found = embedder.embed(samples[:2])
        assert not np.array_equal(found[0], found[1])

    def test_threads_may_share_it(self, embedder: Embedder, samples: list[bytes]) -> None:
        expected = embedder.embed(samples)
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(embedder.embed, [samples] * 4):
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)

    def test_garbage_is_the_callers_fault(self, embedder: Embedder) -> None:
        with pytest.raises(InputError):
            embedder.embed([b"neither sound nor picture"])
