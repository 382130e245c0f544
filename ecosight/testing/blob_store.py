"""What every ``BlobStore`` must do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ecosight.errors import InvalidInput, NotFound
from ecosight.ids import content_digest
from ecosight.ports import BlobStore

__all__ = ["BlobStoreConformance"]

ABSENT = content_digest(b"never put")


class BlobStoreConformance:
    """Fixture ``store``: an empty BlobStore."""

    @pytest.mark.parametrize("data", [b"", b"\0", b"a sound", bytes(range(256)) * 4096])
    def test_what_was_put_comes_back(self, store: BlobStore, data: bytes) -> None:
        digest = store.put(data)
        assert digest == content_digest(data)
        assert store.has(digest)
        assert store.get(digest) == data

    def test_the_same_bytes_are_stored_once(self, store: BlobStore) -> None:
        assert store.put(b"twice") == store.put(b"twice")
        assert list(store.digests()) == [content_digest(b"twice")]

    def test_an_absent_blob_is_not_found(self, store: BlobStore) -> None:
        assert not store.has(ABSENT)
        with pytest.raises(NotFound):
            store.get(ABSENT)

    def test_a_deleted_blob_is_gone_and_deleting_again_is_no_error(self, store: BlobStore) -> None:
        digest = store.put(b"short-lived")
        store.delete(digest)
        store.delete(digest)
        assert not store.has(digest)
        assert list(store.digests()) == []

    def test_a_deleted_blob_can_be_put_again(self, store: BlobStore) -> None:
        store.delete(store.put(b"back again"))
        assert store.get(store.put(b"back again")) == b"back again"

    @pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "/" + "a" * 63])
    def test_what_is_no_digest_reaches_no_storage(self, store: BlobStore, name: str) -> None:
        for call in (store.get, store.has, store.delete):
            with pytest.raises(InvalidInput):
                call(name)

    def test_digests_lists_every_blob(self, store: BlobStore) -> None:
        put = {store.put(str(number).encode()) for number in range(20)}
        listed = list(store.digests())
        assert set(listed) == put
        assert len(listed) == len(put)

    def test_threads_may_put_the_same_and_different_bytes_at_once(self, store: BlobStore) -> None:
        contents = [f"clip {number % 5}".encode() for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            digests = list(pool.map(store.put, contents))
        assert digests == [content_digest(data) for data in contents]
        assert sorted(store.digests()) == sorted(set(digests))
        assert all(store.get(digest) == data for digest, data in zip(digests, contents, strict=True))
