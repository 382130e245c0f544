"""Which keys of a stage are compared by their latency: as many of each lane as the candidates and the control all own.

The champion answers inside the server and the control does not, so a key that the champion was slow for says nothing of
the control. Where the candidate has more keys than the control, those beyond come fresh from the champion while the
control's have met their slow answers already, and equal models look unequal. The first buckets of each lane
(``router``) have had the same history in every arm, however the shares rose and fell.
"""

from __future__ import annotations

from ab_testing.router import bucket_of
from ecosight.rollouts import BUCKETS, CONTROL, Routing

__all__ = ["Twins"]


class Twins:
    """Of one routing. Immutable.

    Attributes:
        weights: buckets by arm that are compared, the same number for each; empty where there is no control.
    """

    __slots__ = ("_owned", "_salt", "_starts", "weights")

    def __init__(self, routing: Routing) -> None:
        others = [arm for arm in routing.arms if not arm.shadow][1:]
        self._salt = routing.salt
        self._owned = {arm.name: arm.weight for arm in others if arm.weight}
        self._starts = {arm.name: place * BUCKETS // len(others) for place, arm in enumerate(others)}
        depth = min(self._owned.values()) if len(self._owned) > 1 and CONTROL in self._owned else 0
        self.weights = dict.fromkeys(self._owned, depth) if depth else {}

    def compares(self, arm: str, key: str) -> bool:
        """Whether an answer of this arm to this key counts."""
        depth = self.weights.get(arm, 0)
        if depth == self._owned.get(arm):
            return True
        return (bucket_of(key, self._salt) - self._starts.get(arm, 0)) % BUCKETS < depth
