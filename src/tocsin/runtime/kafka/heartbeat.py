"""The right to act for partitions of a consumer group, as this process last saw it confirmed.

In: heartbeats that the group's coordinator answered, from the consumer's thread. Out: `Lease`. The age counts from
before the request was sent, on a clock that also runs while the machine sleeps; so it is never younger than what the
coordinator knows.
"""

import asyncio
import time
from typing import Final

__all__ = ["HeartbeatLease", "boottime"]

LOOK: Final = 0.05
"""Seconds between two looks whether a heartbeat has come; only who lost a partition waits here."""

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", None)


def boottime() -> float:
    """Seconds of a clock that never stands still, as far as the platform has one."""
    return time.clock_gettime(_CLOCK) if _CLOCK is not None else time.monotonic()


class HeartbeatLease:
    """See `Lease`. `beat` may be called from any thread."""

    def __init__(self, session_seconds: float, heartbeat_seconds: float) -> None:
        """
        Args:
            session_seconds: after this long without a heartbeat the group gives the partitions to others.
            heartbeat_seconds: how often one is sent.
        """
        self._session = session_seconds
        self._least = min(2 * heartbeat_seconds, session_seconds / 2)
        self._at = float("-inf")

    def beat(self, sent_at: float) -> None:
        """The coordinator has answered a heartbeat that was sent at `sent_at` (`boottime`)."""
        self._at = max(self._at, sent_at)

    def age(self) -> float:
        """Seconds since the last confirmed heartbeat was sent."""
        return boottime() - self._at

    def holds(self, seconds: float) -> bool:
        """Whether something that takes `seconds` ends before the session can: with a healthy member a send that may
        take nearly as long as a session may begin, too, right after a heartbeat."""
        return self.age() < max(self._session - seconds, self._least)

    async def renewed(self) -> None:
        """Return when a heartbeat that was sent after this call has been answered."""
        now = boottime()
        while self._at <= now:  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(LOOK)
