"""Where the time comes from. Everything above takes a `Clock`; nothing below `runtime/` sees one.

In: the wall clock and the monotonic clock of the machine. Out: instants that never go back, seconds for
measuring, and a wait that ends. It does not slew or judge steps of the wall clock (PROTOCOL §5); that belongs
to the owner's `now`.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol

from tocsin.domain.instant import EPOCH, Instant

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """The only source of time. The simulator's clock stands still until it is advanced."""

    def now(self) -> Instant:
        """The present instant, aware UTC. Never earlier than what it returned before."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; only differences mean something."""

    async def wait(self, event: asyncio.Event, timeout: float) -> bool:  # noqa: ASYNC109 - virtual time, too
        """Wait until `event` is set, at most `timeout` seconds. True if it is set; it is not cleared."""


class SystemClock:
    """The machine's clock, for any thread. When the wall clock is set back, `now` stands still until it is
    caught up."""

    def __init__(self, wall: Callable[[], Instant] = lambda: datetime.now(UTC)) -> None:
        self._wall = wall
        self._last: Instant = EPOCH
        self._lock = Lock()

    def now(self) -> Instant:
        """The wall clock, or the last reading where that is later."""
        with self._lock:
            self._last = max(self._last, self._wall())
            return self._last

    def monotonic(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    async def wait(self, event: asyncio.Event, timeout: float) -> bool:  # noqa: ASYNC109 - see Clock
        """Wait until `event` is set, at most `timeout` seconds."""
        if event.is_set():
            return True
        if timeout <= 0:
            await asyncio.sleep(0)  # a caller that loops on a passed deadline must not starve the others
            return event.is_set()
        try:
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True
