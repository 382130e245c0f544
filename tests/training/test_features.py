"""The feature cache."""

from __future__ import annotations

import sqlite3
import threading
import time

import numpy as np
import pytest

from ecosight.blobs import LocalBlobs
from ecosight.errors import Cancelled, IntegrityError, NotFound, UnreadableMedia
from ecosight.progress import NullProgress
from training.features import FeatureStore


class Hashing:
    """An embedder of any bytes: pseudo-random vectors of their content. Counts what it was asked for."""

    name = "hashing"

    def __init__(self, dimension: int = 8, digest: str = "hashing-1") -> None:
        self.dimension, self.digest = dimension, digest
        self.seen: list[bytes] = []
        self._lock = threading.Lock()

    def embed(self, samples):
        with self._lock:
            self.seen += samples
        if any(each.startswith(b"bad") for each in samples):
            raise UnreadableMedia("the file is broken", hint="Send another.")
        return np.stack([self.vector(each) for each in samples])

    def vector(self, data: bytes):
        return np.random.default_rng(list(data)).normal(size=self.dimension).astype(np.float32)


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobs(tmp_path / "blobs")


def stored(blobs, number, prefix="sample"):
    data = [f"{prefix} {i}".encode() for i in range(number)]
    return data, [blobs.put(each) for each in data]


def test_vectors_come_in_the_order_of_the_ids(tmp_path, blobs):
    data, ids = stored(blobs, 50)
    embedder = Hashing()
    store = FeatureStore(tmp_path / "cache", embedder, blobs, batch_size=7)
    order = [*reversed(ids), ids[3]]
    found = store.features(order, NullProgress())
    assert found.dtype == np.float32
    assert np.array_equal(found, np.stack([embedder.vector(each) for each in [*reversed(data), data[3]]]))


def test_only_what_is_missing_is_embedded(tmp_path, blobs):
    data, ids = stored(blobs, 30)
    first, second = Hashing(), Hashing()
    before = FeatureStore(tmp_path / "cache", first, blobs).lookup(ids[:20], NullProgress())
    after = FeatureStore(tmp_path / "cache", second, blobs).lookup([*ids, *ids], NullProgress())
    assert (before.cached, before.computed) == (0, 20)
    assert (after.cached, after.computed) == (20, 10)
    assert sorted(second.seen) == sorted(data[20:])
    assert np.array_equal(after.vectors[:20], before.vectors)


def test_another_embedder_never_sees_the_vectors_of_this_one(tmp_path, blobs):
    _, ids = stored(blobs, 5)
    FeatureStore(tmp_path / "cache", Hashing(), blobs).features(ids, NullProgress())
    other = FeatureStore(tmp_path / "cache", Hashing(digest="hashing-2"), blobs).lookup(ids, NullProgress())
    assert other.computed == 5


def test_nothing_asked_for_is_an_empty_array(tmp_path, blobs):
    found = FeatureStore(tmp_path / "cache", Hashing(), blobs).features([], NullProgress())
    assert found.shape == (0, 8)


def test_a_sample_that_cannot_be_read_is_named_and_the_rest_stays_embedded(tmp_path, blobs):
    _, ids = stored(blobs, 40)
    bad = blobs.put(b"bad bytes")
    store = FeatureStore(tmp_path / "cache", Hashing(), blobs, batch_size=4, workers=1)
    with pytest.raises(UnreadableMedia, match=bad) as caught:
        store.features([*ids, bad], NullProgress())
    assert caught.value.hint == "Send another."
    assert store.lookup(ids, NullProgress()).cached == 40


def test_a_sample_whose_bytes_are_gone_is_an_error(tmp_path, blobs):
    with pytest.raises(NotFound):
        FeatureStore(tmp_path / "cache", Hashing(), blobs).features(["0" * 64], NullProgress())


def test_an_embedder_that_gives_no_finite_numbers_is_found_out(tmp_path, blobs):
    class Broken(Hashing):
        def vector(self, data):
            return np.full(self.dimension, np.nan, np.float32)

    _, ids = stored(blobs, 3)
    with pytest.raises(IntegrityError, match="hashing"):
        FeatureStore(tmp_path / "cache", Broken(), blobs).features(ids, NullProgress())


def test_cancelled_between_batches_keeps_what_was_embedded(tmp_path, blobs):
    class Impatient(NullProgress):
        calls = 0

        def checkpoint(self):
            self.calls += 1
            if self.calls > 3:
                raise Cancelled("enough")

    _, ids = stored(blobs, 40)
    store = FeatureStore(tmp_path / "cache", Hashing(), blobs, batch_size=4, workers=1)
    with pytest.raises(Cancelled):
        store.features(ids, Impatient())
    assert store.lookup(ids, NullProgress()).cached == 12


@pytest.mark.parametrize("damage", ["vector", "length", "file"])
def test_a_damaged_cache_is_computed_again(tmp_path, blobs, damage):
    _, ids = stored(blobs, 6)
    store = FeatureStore(tmp_path / "cache", Hashing(), blobs)
    good = store.features(ids, NullProgress())
    (file,) = (tmp_path / "cache").glob("*.sqlite")
    if damage == "file":
        file.write_bytes(b"this was a database once" * 500)
    else:
        wrong = b"\x00" * (32 if damage == "vector" else 31)
        connection = sqlite3.connect(file)
        with connection:
            connection.execute("UPDATE features SET vector = ? WHERE id = ?", (wrong, ids[2]))
        connection.close()
    again = store.lookup(ids, NullProgress())
    assert np.array_equal(again.vectors, good)
    assert again.computed == (6 if damage == "file" else 1)


def test_several_threads_may_fill_one_cache(tmp_path, blobs):
    _, ids = stored(blobs, 60)
    store = FeatureStore(tmp_path / "cache", Hashing(), blobs, batch_size=5)
    results = []
    threads = [threading.Thread(target=lambda: results.append(store.features(ids, NullProgress()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.array_equal(each, results[0]) for each in results)


def test_240_cached_vectors_of_1024_values_come_within_20_ms(tmp_path, blobs):
    _, ids = stored(blobs, 240)
    store = FeatureStore(tmp_path / "cache", Hashing(1024), blobs)
    store.features(ids, NullProgress())

    def timed():
        began = time.perf_counter()
        store.features(ids, NullProgress())
        return time.perf_counter() - began

    assert min(timed() for _ in range(10)) < 0.020
