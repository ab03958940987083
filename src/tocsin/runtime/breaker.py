"""Whether a channel is given work: pace, patience that its receiver asked for, and a breaker. No I/O, no clock.

In: when sends begin and how they end, with the time of both. Out: how long nothing may be sent, and a word for it.

| state | means | ends |
|---|---|---|
| `closed` | all is well | `open` after `FAILURES_MAX` failures in a row |
| `paused` | the receiver asked for patience (429 and Retry-After): the whole channel waits | by itself |
| `open` | it fails: nothing is sent, so that no delivery uses up its attempts | `half_open` when the pause is over |
| `half_open` | one message is tried | `closed` when it succeeds, else `open` for twice as long |

Invariant: whatever happens, a moment is known from which on at least one message is tried.
"""

import math
from typing import Final

from tocsin.domain.instant import Instant
from tocsin.notify.channel import NOT_THROUGH, Sent

__all__ = ["BURST_SECONDS", "FAILURES_MAX", "Breaker"]

FAILURES_MAX: Final = 5
"""Failures in a row, whatever the delivery: fewer may be one bad address that a server puts off."""
PROBE_FIRST: Final = 1.0
PROBE_LONGEST: Final = 30.0
"""Seconds between two probes: how late a channel that works again is noticed at most."""
PAUSE_LONGEST: Final = 3600.0
"""Seconds: a receiver may ask for patience, but not put off pages for a day."""
BURST_SECONDS: Final = 1.0
"""What a channel has not sent for so long, it may catch up with at once."""
TICK: Final = 1e-5
"""Seconds that are no time: clocks are coarser, and fractions are not exact."""
WORDS: Final = ("closed", "paused", "open", "half_open")
DOWN: Final = frozenset({"open", "half_open"})


class Breaker:
    """One channel."""

    def __init__(self, per_second: float = 0.0) -> None:
        """`per_second`: sends that the receiver takes; 0 = as many as it likes."""
        self.per_second = per_second
        self.state = "closed"
        self.since: Instant | None = None
        """Since when it is in this state, as far as this process knows; a probe does not end it."""
        self.down_at: float | None = None
        """Since when nothing has been delivered though it was tried: seconds of the monotonic clock."""
        self.error = ""
        """The last failure: what the channel said, so without secrets."""
        self.error_at: Instant | None = None
        self._failures = 0
        self._until = 0.0  # paused or open: nothing before
        self._pause = PROBE_FIRST
        self._burst = max(1.0, per_second * BURST_SECONDS)
        self._tokens = self._burst
        self._counted_at = 0.0

    def waits(self, at: float) -> float:
        """Seconds until the next message may be sent by what is known at `at`; infinite while a probe runs."""
        if self.state == "half_open":
            return math.inf
        wait = max(self._until - at, self._token_in(at))
        return wait if wait > TICK else 0.0

    def room(self, at: float, room: int) -> int:
        """How many of `room` messages may be sent now."""
        if self.waits(at):
            return 0
        if self.state == "open":
            return min(room, 1)
        return min(room, int(self._tokens + self.per_second * TICK + TICK)) if self.per_second else room

    @property
    def is_well(self) -> bool:
        """Whether nothing that is delivered changes anything: then nobody has to look at the clock."""
        return self.state == "closed" and not self._failures and not self.per_second

    def begins(self, at: float, now: Instant) -> None:
        """One message is about to be sent; one that is late from before a crash does not ask for room."""
        if self.per_second:
            self._count(at)
            self._tokens -= 1.0
        if self.state == "open" and self._until - at <= TICK:
            self._turn("half_open", now)

    def ended(self, sent: Sent, at: float, now: Instant) -> None:
        """One message was delivered, failed or refused. A refusal is an answer: whoever gives it is there; but where
        the login is denied, nothing gets through."""
        if sent.outcome not in NOT_THROUGH:
            self._failures, self._pause, self.down_at = 0, PROBE_FIRST, None
            if sent.outcome == "refused":
                self.error, self.error_at = sent.detail, now
            if self.state != "paused" or self._until <= at:
                self._until = 0.0
                self._turn("closed", now)
            return
        self._failures += 1
        self.error, self.error_at = sent.detail, now
        self.down_at = at if self.down_at is None else self.down_at
        asked = sent.retry_after_seconds
        patience = at + min(asked, PAUSE_LONGEST) if asked is not None and math.isfinite(asked) else 0.0
        if self.state == "half_open":
            self._pause = min(2 * self._pause, PROBE_LONGEST)
            self._until = max(at + self._pause, patience)
            self._turn("open", now)
        elif self.state == "open" or self._failures >= FAILURES_MAX:
            self._until = max(self._until, at + self._pause, patience)
            self._turn("open", now)
        elif patience > at:
            self._until = max(self._until, patience)
            self._turn("paused", now)

    def abandoned(self, at: float, now: Instant) -> None:
        """What was sent will not be heard of: the partition is gone. A probe is to be tried again."""
        if self.state == "half_open":
            self._until = at
            self._turn("open", now)

    def looked_at(self, at: float, now: Instant) -> str:
        """The state at `at`: a pause that is over is over without a message."""
        if self.state == "paused" and self._until - at <= TICK:
            self._turn("closed", now)
        return self.state

    def _turn(self, state: str, now: Instant) -> None:
        if state != self.state:
            if not {state, self.state} <= DOWN:
                self.since = now
            self.state = state

    def _token_in(self, at: float) -> float:
        if not self.per_second:
            return 0.0
        self._count(at)
        return (1.0 - self._tokens) / self.per_second

    def _count(self, at: float) -> None:
        passed = max(0.0, at - self._counted_at)
        self._counted_at = at
        self._tokens = min(self._burst, self._tokens + passed * self.per_second)
