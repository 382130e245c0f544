"""What every ``ModelSource`` must do."""

from __future__ import annotations

from ecosight.artifact import open_artifact
from ecosight.ports import ModelSource

__all__ = ["ModelSourceConformance"]


class ModelSourceConformance:
    """Fixtures ``empty``: a ModelSource without a champion; ``source``: one that has one."""

    def test_before_the_first_promotion_there_is_no_champion(self, empty: ModelSource) -> None:
        assert empty.champion() is None

    def test_the_champion_is_named_and_stays(self, source: ModelSource) -> None:
        champion = source.champion()
        assert champion is not None
        assert champion.name
        assert champion.version
        assert source.champion() == champion

    def test_the_fetched_artifact_is_the_one_that_was_named(self, source: ModelSource) -> None:
        champion = source.champion()
        assert champion is not None
        assert open_artifact(source.fetch(champion))["digest"] == champion.digest

    def test_fetching_again_gives_the_same_bytes(self, source: ModelSource) -> None:
        champion = source.champion()
        assert champion is not None
        first, second = (open_artifact(source.fetch(champion)) for _ in range(2))
        assert first == second
