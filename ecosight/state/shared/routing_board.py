"""The newest routing as Redis shows it: one key that holds the epoch and the document."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ecosight.rollouts import Routing
from ecosight.state.columns import to_json
from ecosight.state.documents import plain, routing_from
from ecosight.state.shared.line import Line

__all__ = ["Posted", "RoutingBoard"]

TURN_MS = 400
"""So often one of all processes compares Redis with the database, on everybody's behalf. With four looks a second, what
was written by somebody who does not know of Redis still reaches all servers within a second."""

# A key that holds no string counts as empty, and is overwritten.
_HELD = "local held = redis.pcall('GET', KEYS[1]); if type(held) ~= 'string' then held = '' end\n"
_LOOK = (
    _HELD
    + """
local turn = redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[1])
return {held, turn and 1 or 0}
"""
)
_POST = (
    _HELD
    + """
local epoch = tonumber(string.match(held, '^(%d+) ') or '0')
if epoch > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
)
_REPLACE = (
    _HELD
    + """
if held ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1
"""
)


@dataclass(frozen=True, slots=True)
class Posted:
    """What was found: bytes that anybody may have written there. Empty: nothing, or no string.

    Attributes:
        my_turn: to compare it with the database.
    """

    raw: bytes
    my_turn: bool = False

    @property
    def epoch(self) -> int | None:
        """None: this is no routing."""
        found = re.match(rb"(\d{1,18}) ", self.raw)
        return int(found[1]) if found else None

    @property
    def routing(self) -> Routing | None:
        """None: this is no routing."""
        try:
            routing = routing_from(json.loads(self.raw.partition(b" ")[2]))
            return routing if routing.epoch == self.epoch else None
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


class RoutingBoard:
    """Thread-safe. Every method raises Unavailable while Redis is away.

    Args:
        prefix: of the keys; names one database and no other.
    """

    def __init__(self, line: Line, prefix: str) -> None:
        self._line = line
        self._key, self._turn = f"{prefix}:routing", f"{prefix}:turn"

    def look(self) -> Posted:
        """What is posted; one round trip."""
        raw, turn = self._do(_LOOK, [self._key, self._turn], [TURN_MS])
        return Posted(raw, bool(turn))

    def post(self, routing: Routing) -> bool:
        """Show this one, unless a later epoch is shown: whoever comes late overwrites nothing newer.

        Returns: whether it is shown.
        """
        return bool(self._do(_POST, [self._key], [routing.epoch, _raw(routing)]))

    def replace(self, seen: Posted, routing: Routing | None) -> bool:
        """Show this one in place of exactly what was seen. Returns: False when something else is there by now."""
        return bool(self._do(_REPLACE, [self._key], [seen.raw, _raw(routing)]))

    def _do(self, script: str, keys: list[str], values: list[Any]) -> Any:
        return self._line.run(lambda client: client.register_script(script)(keys, values))


def _raw(routing: Routing | None) -> bytes:
    return f"{routing.epoch} {to_json(plain(routing))}".encode() if routing is not None else b""
