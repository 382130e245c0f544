"""Which arm a key belongs to: the same one always, whichever server is asked.

A keyed hash (the salt is the rollout's) gives one of 10,000 buckets; a table made once for each routing gives the arm.
Each arm that is not the champion owns a lane of buckets and fills it from its start; what does not fit fills the free
buckets of other lanes in order. So while its weight grows an arm only gains keys, and none moves back.
"""

from __future__ import annotations

from hashlib import blake2b

from ecosight.errors import InvalidInput
from ecosight.rollouts import BUCKETS, Arm, Routing

__all__ = ["Router", "bucket_of"]


class Router:
    """The assignment of one routing. Immutable, thread-safe."""

    __slots__ = ("_salt", "_table", "arms")

    def __init__(self, routing: Routing) -> None:
        self.arms = tuple(arm for arm in routing.arms if not arm.shadow)
        self._salt = _salt(routing.salt)
        self._table = _table([arm.weight for arm in self.arms[1:]])

    def assign(self, key: str) -> Arm:
        """The arm of a key."""
        return self.arms[self.assign_index(key)]

    def assign_index(self, key: str) -> int:
        """The arm's place in ``arms``; 0 is the champion."""
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=self._salt).digest()
        return self._table[int.from_bytes(digest, "little") % BUCKETS]


def bucket_of(key: str, salt: str) -> int:
    """The bucket of a key, 0 to ``BUCKETS`` - 1."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=_salt(salt)).digest()
    return int.from_bytes(digest, "little") % BUCKETS


def _salt(salt: str) -> bytes:
    raw = salt.encode("utf-8", "surrogatepass")
    return raw if len(raw) <= 64 else blake2b(raw).digest()  # the longest key that BLAKE2b takes


def _table(weights: list[int]) -> bytes:
    """For every bucket the arm: 0 the champion, 1 the first of ``weights``, …"""
    if sum(weights) > BUCKETS or any(weight < 0 for weight in weights) or len(weights) > 255:
        raise InvalidInput(f"weights {weights} do not fit {BUCKETS} buckets")
    table = bytearray(BUCKETS)
    starts = [place * BUCKETS // len(weights) for place in range(len(weights))] + [BUCKETS]
    spilled = []
    for place, weight in enumerate(weights):
        fits = min(weight, starts[place + 1] - starts[place])
        table[starts[place] : starts[place] + fits] = bytes([place + 1]) * fits
        spilled += [place + 1] * (weight - fits)
    free = (bucket for bucket in range(BUCKETS) if not table[bucket])
    for arm in spilled:
        table[next(free)] = arm
    return bytes(table)
