"""A clock that stands still until it is advanced.

In: `advance`. Out: the same `Clock` as in production, so that a test of hours takes no time. It never reads
the machine's clock and wakes waiters in the order of their deadlines, so a run is the same each time.
"""

import asyncio
from datetime import timedelta

from tocsin.domain.instant import Instant

__all__ = ["VirtualClock"]


class VirtualClock:
    """A `Clock` whose time passes by `advance` only."""

    def __init__(self, start: Instant) -> None:
        if start.utcoffset() != timedelta(0):
            raise ValueError(f"start must be in UTC, not {start.isoformat()}")
        self._start = start
        self._passed = timedelta(0)
        self._sleepers: dict[asyncio.Future[None], timedelta] = {}

    def now(self) -> Instant:
        """The virtual instant."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return self._passed.total_seconds()

    @property
    def waiting(self) -> int:
        """How many waits have not ended yet."""
        return len(self._sleepers)

    def advance(self, by: timedelta | float) -> None:
        """Let `by` pass (a timedelta or seconds) and wake, in order, the waits whose time has come.

        The wakened run when the caller next gives way to the loop, and all of them see the new time.

        Raises:
            ValueError: `by` is negative; time does not go back.
        """
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta(0):
            raise ValueError(f"time does not go back: {step}")
        self._passed += step
        due = [sleeper for sleeper, at in self._sleepers.items() if at <= self._passed]
        for sleeper in sorted(due, key=self._sleepers.__getitem__):
            if not sleeper.done():
                sleeper.set_result(None)

    async def wait(self, event: asyncio.Event, timeout: float) -> bool:  # noqa: ASYNC109 - the port's word
        """Wait until `event` is set or `timeout` virtual seconds have passed. True if it is set; it is not
        cleared."""
        if event.is_set():
            return True
        if timeout <= 0:
            await asyncio.sleep(0)
            return event.is_set()
        passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers[passed] = self._passed + timedelta(seconds=timeout)
        watch = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait((passed, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
            passed.cancel()
            del self._sleepers[passed]
        return event.is_set()
