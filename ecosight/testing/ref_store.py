"""What every ``RefStore`` must do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ecosight.ports import RefStore

__all__ = ["RefStoreConformance"]


class RefStoreConformance:
    """Fixture ``refs``: an empty RefStore."""

    def test_an_unknown_ref_points_nowhere(self, refs: RefStore) -> None:
        assert refs.get("dataset/main") is None
        assert refs.names() == []

    def test_a_ref_is_made_once(self, refs: RefStore) -> None:
        assert refs.compare_and_set("dataset/main", None, "one")
        assert not refs.compare_and_set("dataset/main", None, "two")
        assert refs.get("dataset/main") == "one"

    def test_a_ref_moves_only_from_where_it_is(self, refs: RefStore) -> None:
        refs.compare_and_set("dataset/main", None, "one")
        assert not refs.compare_and_set("dataset/main", "nowhere", "two")
        assert refs.compare_and_set("dataset/main", "one", "two")
        assert refs.get("dataset/main") == "two"

    def test_a_ref_that_does_not_exist_does_not_move(self, refs: RefStore) -> None:
        assert not refs.compare_and_set("dataset/main", "one", "two")
        assert refs.get("dataset/main") is None

    def test_a_ref_may_move_to_where_it_is(self, refs: RefStore) -> None:
        refs.compare_and_set("dataset/main", None, "one")
        assert refs.compare_and_set("dataset/main", "one", "one")

    def test_names_are_sorted_and_found_by_their_exact_beginning(self, refs: RefStore) -> None:
        for name in ("b/1", "a/2", "A/3", "a/1", "a%/1", "a_/1"):
            refs.compare_and_set(name, None, "x")
        assert refs.names() == ["A/3", "a%/1", "a/1", "a/2", "a_/1", "b/1"]
        assert refs.names("a/") == ["a/1", "a/2"]
        assert refs.names("a%") == ["a%/1"]
        assert refs.names("a_") == ["a_/1"]
        assert refs.names("none") == []

    def test_of_many_writers_at_once_one_wins_each_move(self, refs: RefStore) -> None:
        refs.compare_and_set("head", None, "0")

        def move(writer: int) -> bool:
            return refs.compare_and_set("head", "0", f"writer {writer}")

        with ThreadPoolExecutor(8) as pool:
            won = [writer for writer, did in enumerate(pool.map(move, range(16))) if did]
        assert len(won) == 1
        assert refs.get("head") == f"writer {won[0]}"
