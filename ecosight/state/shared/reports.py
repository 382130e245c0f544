"""What servers say about themselves, as Redis keeps it: a hash with a field a server, dropped when it is silent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ecosight.rollouts import ServerReport
from ecosight.state.columns import to_json
from ecosight.state.shared.line import Line

__all__ = ["ReportBoard"]

KEPT_S = 60
"""After its last report. By Redis's own clock, so that no server's wrong one drops the living."""

_HASH = """
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then redis.call('DEL', KEYS[1]) end
local now = tonumber(redis.call('TIME')[1])
"""
_SAY = (
    _HASH
    + """
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d ', now) .. ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""
)
_ALL = (
    _HASH
    + """
local kept, held = {}, redis.call('HGETALL', KEYS[1])
for place = 1, #held, 2 do
  local said = tonumber(string.match(held[place + 1], '^(%d+) ') or '0')
  if said + tonumber(ARGV[1]) >= now then
    kept[#kept + 1] = held[place + 1]
  else
    redis.call('HDEL', KEYS[1], held[place])
  end
end
return kept
"""
)


class ReportBoard:
    """Thread-safe. Every method raises Unavailable while Redis is away.

    Args:
        prefix: of the key; names one database and no other.
        kept_s: a server that is silent for so long is dropped.
    """

    def __init__(self, line: Line, prefix: str, *, kept_s: int = KEPT_S) -> None:
        self._line, self._key, self._kept_s = line, f"{prefix}:servers", kept_s

    def say(self, report: ServerReport) -> None:
        """Replace what this server said before."""
        self._do(_SAY, [report.server_id, to_json(_plain(report)), self._kept_s])

    def all(self) -> list[ServerReport]:
        """What each server last said, in no order. What cannot be read is left out."""
        found = (_read(raw) for raw in self._do(_ALL, [self._kept_s]))
        return [report for report in found if report is not None]

    def forget(self, server_id: str) -> None:
        self._line.run(lambda client: client.hdel(self._key, server_id))

    def _do(self, script: str, values: list[Any]) -> Any:
        return self._line.run(lambda client: client.register_script(script)([self._key], values))


def _plain(report: ServerReport) -> dict[str, Any]:
    row = {name: getattr(report, name) for name in ServerReport.__dataclass_fields__}
    return row | {
        "loaded": dict(report.loaded),
        "arms": {name: dict(arm) for name, arm in report.arms.items()},
        "started_at": report.started_at.isoformat(),
        "seen_at": report.seen_at.isoformat(),
    }


def _read(raw: bytes) -> ServerReport | None:
    try:
        told = json.loads(raw.partition(b" ")[2])
        return ServerReport(**told | {name: _moment(told[name]) for name in ("started_at", "seen_at")})
    except (ValueError, TypeError, KeyError):
        return None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
