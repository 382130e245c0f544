"""The line to Redis: short waits, and a pause after each failure, so that a Redis that vanished holds up nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ecosight.errors import ConfigError, Unavailable
from ecosight.ids import new_id
from ecosight.logs import get_logger
from ecosight.ports import Clock

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["Line"]

WAIT_S = 0.2
"""For a connection, and for an answer. ``?socket_timeout=1`` in the URL is stronger."""
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 3.0
TIMES_WHAT_IT_COST = 10
"""What no timeout covers, such as a name that is looked up for seconds, takes a tenth of the time at most."""

Answer = TypeVar("Answer")


class Line:
    """One connection pool, and what is known of whether somebody answers at its end. Thread-safe.

    Attributes:
        where: for showing: host and port; no user, no password.

    Raises: ConfigError: not a URL of Redis. Unavailable: the driver is not installed.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._client = _client(url)
        told = self._client.connection_pool.connection_kwargs
        self.where = str(told.get("path") or f"{told.get('host', 'localhost')}:{told.get('port', 6379)}")
        self._clock = clock
        self._lock = threading.Lock()
        self._failures, self._next_try = 0, 0.0

    def run(self, work: Callable[[Redis], Answer]) -> Answer:
        """Do some work over the line. It may have been done although this raises.

        Raises: Unavailable: Redis is away, full, read-only or refuses us; or it was a moment ago.
        """
        import redis

        began = self._clock.monotonic()
        if not self._may_try(began):
            raise Unavailable(f"Redis at {self.where} was away a moment ago")
        try:
            answer = work(self._client)
        except (redis.RedisError, OSError, UnicodeError) as error:
            self._failed(began, error)
            raise Unavailable(
                f"Redis at {self.where} cannot be used: {_said(error)}",
                hint="Start it, correct redis.url, or leave redis.url out: it is optional.",
            ) from error
        self._worked()
        return answer

    def check(self) -> str:
        """Look whether everything that is needed works. Returns: what was found. Raises: Unavailable."""
        key = new_id("ecosight:probe")
        self.run(lambda client: client.eval("return redis.call('SET', KEYS[1], '1', 'PX', '1000')", 1, key))
        return f"{self.where} answers, and can be written"

    def close(self) -> None:
        self._client.close()

    def _may_try(self, now: float) -> bool:
        with self._lock:
            if self._failures and now < self._next_try:
                return False
            if self._failures:  # one tries for all; the others do not wait beside it
                self._next_try = now + LONGEST_PAUSE_S
            return True

    def _failed(self, began: float, error: Exception) -> None:
        now = self._clock.monotonic()
        with self._lock:
            first, self._failures = not self._failures, self._failures + 1
            pause_s = min(FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE_S)
            self._next_try = now + max(pause_s, TIMES_WHAT_IT_COST * (now - began))
        if first:
            get_logger("state").warning("redis_away", where=self.where, error=_said(error), instead="the database")

    def _worked(self) -> None:
        with self._lock:
            was_away, self._failures = self._failures > 0, 0
        if was_away:
            get_logger("state").warning("redis_back", where=self.where)


def _client(url: str) -> Redis:
    try:
        from redis import ConnectionPool, Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise Unavailable("the driver for Redis is not installed", hint="pip install 'ecosight[redis]'") from error
    try:
        pool = ConnectionPool.from_url(
            url,
            socket_timeout=WAIT_S,
            socket_connect_timeout=WAIT_S,
            retry=Retry(NoBackoff(), 0),  # the database stands in at once; trying again is ours, after a pause
            protocol=2,  # known to every Redis
        )
        pool.connection_class(**pool.connection_kwargs)  # connects to nobody, and refuses an option it does not know
    except (ValueError, TypeError):
        # Without the reason: it may quote the part of the URL that holds the password.
        raise ConfigError(
            "redis.url is not a URL of Redis",
            hint="Such as redis://host:6379/0, or rediss:// for TLS; special characters of a password as %40.",
        ) from None
    client = Redis(connection_pool=pool)
    client.auto_close_connection_pool = True
    return client


def _said(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
