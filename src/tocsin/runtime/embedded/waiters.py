"""Who waits for records of which partitions. Woken by an append, never by a poll.

In: `wake` with the partitions that have grown. Out: waits that end at once, or when their time is over. All
calls come from one event loop.
"""

import asyncio
from collections.abc import Callable, Collection, Hashable

from tocsin.runtime.clock import Clock

__all__ = ["Waiters"]


class Waiters:
    """Waits for partitions (any hashable name of one)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: dict[Hashable, set[asyncio.Event]] = {}

    async def wait(self, places: Collection[Hashable], ready: Callable[[], bool], seconds: float) -> None:
        """Return when `ready()` is true, which is asked now and after each `wake` of one of `places`; at the
        latest after `seconds`. What `ready` raises is passed on."""
        if ready():
            return
        until = self._clock.monotonic() + seconds
        event = asyncio.Event()
        for place in places:
            self._events.setdefault(place, set()).add(event)
        try:
            while await self._clock.wait(event, until - self._clock.monotonic()):
                event.clear()
                if ready():
                    return
        finally:
            for place in places:
                self._events[place].discard(event)

    def wake(self, place: Hashable) -> None:
        """`place` has grown."""
        for event in self._events.get(place, ()):
            event.set()

    def wake_all(self) -> None:
        """Everybody has to look again: the broker is closed or broken."""
        for place in self._events:
            self.wake(place)
