"""Ways to let a candidate in, found by name among the plug-ins of the group ``ecosight.strategies``."""

from __future__ import annotations

from ab_testing.strategies.base import Strategy
from ecosight.plugins import load_plugin

__all__ = ["GROUP", "Strategy", "load_strategy"]

GROUP = "ecosight.strategies"


def load_strategy(name: str) -> Strategy:
    """Raises: NotFound: no such strategy; names those that there are."""
    made: Strategy = load_plugin(GROUP, name)()
    return made
