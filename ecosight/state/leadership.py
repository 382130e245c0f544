"""Who leads: one process at a time, by a lease that it must renew, with a number that rises at every take-over.

A leader that slept through its lease does not know it yet; so every write of a leader checks, in its own transaction,
that the number is still its own. Two processes may believe that they lead; only one can write.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, select, update

from ecosight.errors import Conflict, Unavailable
from ecosight.ports import Clock
from ecosight.state.database import Database, insert_or_ignore
from ecosight.state.patience import hold_briefly
from ecosight.state.schema import leaders

__all__ = ["Fence", "Leadership"]


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write as the leader, as long as nobody took over."""

    name: str
    number: int

    def check(self, connection: Connection) -> None:
        """Called inside the transaction that writes. Raises: Conflict: another process leads by now."""
        hold_briefly(connection)
        # The row is locked until the transaction ends, so nobody takes over between this look and the write.
        query = select(leaders.c.fence).where(leaders.c.name == self.name).with_for_update()
        if connection.execute(query).scalar() != self.number:
            raise Conflict(f"another process leads {self.name} by now", hint="Nothing needs to be done.")


class Leadership:
    """One process's claim to lead. Used by one thread.

    Args:
        name: of what is led.
        holder: names this process and no other.
        ttl_s: a leader that is not heard of for so long is replaced. A clock that jumps or runs ahead costs one
            take-over at most, and none of them lets two write.
    """

    def __init__(self, database: Database, name: str, holder: str, clock: Clock, *, ttl_s: float = 3.0) -> None:
        self._database, self._name, self._holder, self._clock = database, name, holder, clock
        self._ttl_s = ttl_s
        self._seen: tuple[int, str, float] | None = None

    def try_lead(self) -> Fence | None:
        """Take the lead if it is free, or keep it. Returns: None while another leads. Raises: Unavailable."""
        now = self._clock.now()
        until = now + timedelta(seconds=self._ttl_s)
        with self._database.begin() as connection:
            hold_briefly(connection)
            query = select(leaders).where(leaders.c.name == self._name).with_for_update()
            row = connection.execute(query).mappings().first()
            if row is None:
                first = {"name": self._name, "holder": self._holder, "fence": 1, "until": until}
                return Fence(self._name, 1) if insert_or_ignore(connection, leaders, first) else None
            if row["holder"] == self._holder:
                number = row["fence"]
            elif not row["holder"] or row["until"] <= now or self._is_silent(row["fence"], str(row["until"])):
                number = row["fence"] + 1
            else:
                return None
            mine = leaders.c.name == self._name
            connection.execute(update(leaders).where(mine).values(holder=self._holder, fence=number, until=until))
        return Fence(self._name, number)

    def resign(self) -> None:
        """Let another lead at once. Without leading, or without the database, nothing happens: leases run out."""
        mine = (leaders.c.name == self._name) & (leaders.c.holder == self._holder)
        with suppress(Unavailable), self._database.begin() as connection:
            connection.execute(update(leaders).where(mine).values(holder="", until=self._clock.now()))

    def _is_silent(self, fence: int, until: str) -> bool:
        """Whether it was not renewed for its whole length by our own stopwatch: its clock runs ahead of ours."""
        moment = self._clock.monotonic()
        if self._seen is None or self._seen[:2] != (fence, until):
            self._seen = (fence, until, moment)
        return moment - self._seen[2] > self._ttl_s
