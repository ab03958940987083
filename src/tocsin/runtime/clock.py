"""Where the time comes from. Everything above takes a `Clock`; nothing below `runtime/` sees one.

In: the wall clock and the monotonic clock of the machine. Out: instants that never go back, seconds for
measuring, and a wait that ends. `slewing` decides how far the wall clock is believed (PROTOCOL §5).
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol, runtime_checkable

from tocsin.domain.instant import Instant, from_us, to_us
from tocsin.runtime.slewing import Slewing

__all__ = ["Clock", "Stepping", "SystemClock"]


class Clock(Protocol):
    """The only source of time. The simulator's clock stands still until it is advanced."""

    def now(self) -> Instant:
        """The present instant, aware UTC. Never earlier than what it returned before."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; only differences mean something."""

    async def wait(self, event: asyncio.Event, timeout: float) -> bool:  # noqa: ASYNC109 - virtual time, too
        """Wait until `event` is set, at most `timeout` seconds. True if it is set; it is not cleared."""


@runtime_checkable
class Stepping(Protocol):
    """A clock whose wall may step."""

    @property
    def step(self) -> float:
        """Seconds that the wall is away and not followed; 0 when all is well."""


def _uptime() -> float:
    """Seconds that also pass while the machine sleeps, where it knows them: waking up is not a step of the clock."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class SystemClock:
    """The machine's clock, for any thread, slewed: it follows the wall clock without ever stepping with it at once."""

    def __init__(
        self, wall: Callable[[], Instant] = lambda: datetime.now(UTC), uptime: Callable[[], float] = _uptime
    ) -> None:
        self._wall = wall
        self._uptime = uptime
        self._slewing: Slewing | None = None
        self._lock = Lock()

    def now(self) -> Instant:
        """The present instant as far as the wall clock is believed; never earlier than before."""
        with self._lock:
            wall, uptime = to_us(self._wall()), int(self._uptime() * 1_000_000)
            if self._slewing is None:
                self._slewing = Slewing(wall, uptime)
            return from_us(self._slewing.read(wall, uptime))

    @property
    def step(self) -> float:
        """Seconds by which the wall clock has stepped away and is not followed yet, or is still being caught up with;
        0 when all is well."""
        with self._lock:
            return self._slewing.step / 1_000_000 if self._slewing else 0.0

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
