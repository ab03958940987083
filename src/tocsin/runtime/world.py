"""What every runner needs of the world: the log, the time, chance, patience, and a place to say what is wrong.

In: the parts that `Node` (or the test driver) chose. Out: one object that is handed down. Chance and waiting are
parts of it, so that a simulation with a seed runs the same each time.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeVar

from tocsin.domain.errors import TocsinError
from tocsin.domain.instant import Instant
from tocsin.runtime.arrivals import Arrivals, Place
from tocsin.runtime.broker import Broker, Doubt, Record, Unavailable
from tocsin.runtime.clock import Clock
from tocsin.runtime.lease import Forever, Lease
from tocsin.runtime.metrics import Metrics
from tocsin.runtime.pace import Pace

__all__ = ["Pause", "Problems", "SourceLost", "World"]

log: Final = logging.getLogger("tocsin.runtime")

Pause = Callable[[float], Awaitable[None]]
"""Let so many seconds pass."""

READ_RECORDS_MAX: Final = 1000
READ_BYTES_MAX: Final = 1024 * 1024
"""One read of one source: a storm of alerts holds up a command by no more than this takes to decide (some 50 ms)."""
REST_MAX: Final = 30.0
"""Seconds a loop sleeps at most."""
RETRY_FIRST: Final = 0.05
RETRY_LONGEST: Final = 5.0
"""Seconds between attempts. Longer would delay pages after the fault has ended, shorter would load what is ill."""
REPORT_AFTER: Final = 3
"""Attempts that fail before it is a problem that `/-/ready` shows: a single fault is not worth a word."""

_NUMBER: Final = re.compile(r"\d+")

Result = TypeVar("Result")


class SourceLost(TocsinError):
    """A source no longer continues where its reader stopped; the partition stops until an operator has decided.

    `word` is `source_trimmed`, `source_recreated` or `journal_trimmed`.
    """

    def __init__(self, word: str, message: str) -> None:
        super().__init__(f"{word}: {message}")
        self.word = word


class Problems:
    """What keeps tocsin from being ready, by the part that has the problem. A part without one says nothing."""

    def __init__(self) -> None:
        self._by_part: dict[str, str] = {}

    def put(self, part: str, text: str) -> None:
        """Logged when it is new; a higher number in it (attempts, seconds) is not."""
        if _NUMBER.sub("", self._by_part.get(part, "")) != _NUMBER.sub("", text):
            log.warning("%s: %s", part, text)
        self._by_part[part] = text

    def drop(self, part: str) -> None:
        if self._by_part.pop(part, None) is not None:
            log.info("%s: well again", part)

    def tell(self, part: str, is_problem: bool, text: str) -> None:
        """Put it or drop it."""
        if is_problem:
            self.put(part, text)
        else:
            self.drop(part)

    def others(self, part: str) -> bool:
        """Whether another part than `part` has a problem."""
        return any(other != part for other in self._by_part)

    def lines(self) -> list[str]:
        return [f"{part}: {text}" for part, text in sorted(self._by_part.items())]


@dataclass(slots=True)
class World:
    """One per process (or simulated process)."""

    broker: Broker
    arrivals: Arrivals
    clock: Clock
    instance: str
    member: str
    """Unique for the life of this process: recognises its claims."""
    metrics: Metrics
    random: Random
    pause: Pause
    problems: Problems = field(default_factory=Problems)
    lease: Lease = field(default_factory=Forever)
    pace: Pace = field(default_factory=Pace)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One checkpoint at a time in a process: several would take the time of the work."""

    def now(self) -> Instant:
        return self.clock.now()

    async def patiently(self, what: str, call: Callable[[], Awaitable[Result]]) -> Result:
        """The result of `call`, which is repeated while it is `Unavailable`. Everything else it raises goes
        through."""
        attempt = 0
        try:
            while True:
                try:
                    return await call()
                except Unavailable as error:
                    attempt += 1
                    await self.wait_after(what, attempt, error)
        finally:  # whoever is cut off has no problem any more: others may do this by now
            if attempt >= REPORT_AFTER:
                self.problems.drop(what)

    async def surely(self, what: str, call: Callable[[], Awaitable[object]]) -> None:
        """Repeat `call` until its effect is certain; for what may happen twice without harm."""
        attempt = 0
        try:
            while True:
                try:
                    await self.patiently(what, call)
                    return
                except Doubt as error:
                    attempt += 1
                    await self.wait_after(what, attempt, error)
        finally:
            self.problems.drop(what)

    async def read(self, topic: str, partition: int, offset: int) -> Sequence[Record]:
        """A slice of the log from `offset` on."""
        return await self.patiently(
            f"read {topic}/{partition}",
            lambda: self.broker.read(topic, partition, offset, records_max=READ_RECORDS_MAX, bytes_max=READ_BYTES_MAX),
        )

    async def end(self, topic: str, partition: int) -> int:
        """Where the log ends now."""
        return await self.patiently(f"read {topic}/{partition}", lambda: self.broker.end(topic, partition))

    async def arrived(self, reader: str, topic: str, partition: int, offset: int) -> Sequence[Record]:
        """A slice of what has arrived from `offset` on, for `reader`, which is done with everything below."""
        return await self.patiently(
            f"read {topic}/{partition}",
            lambda: self.arrivals.pull(
                reader, topic, partition, offset, records_max=READ_RECORDS_MAX, bytes_max=READ_BYTES_MAX
            ),
        )

    async def rest(self, share: str, places: Mapping[Place, int], seconds: float, *events: asyncio.Event) -> None:
        """Sleep until something has arrived for `share` beyond `places`, one of `events` is set, or `seconds` have
        passed."""
        if seconds <= 0 or any(event.is_set() for event in events):
            await asyncio.sleep(0)
            return
        await self.until(self.arrivals.wait(share, places, min(seconds, REST_MAX)), *events)

    async def until(self, waiting: Coroutine[Any, Any, None], *events: asyncio.Event) -> None:
        """Wait until `waiting` ends, with what it raises, or one of `events` is set."""
        first = asyncio.ensure_future(waiting)
        waits = [first, *(asyncio.ensure_future(event.wait()) for event in events)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if first.done():
                first.result()
        except Unavailable as error:
            await self.wait_after("wait for the log", 1, error)
        finally:
            for wait in waits:
                wait.cancel()

    async def wait_after(self, what: str, attempt: int, error: BaseException) -> None:
        """Wait before attempt `attempt` + 1: exponential with full jitter, bounded."""
        if attempt >= REPORT_AFTER:
            self.problems.put(what, f"attempt {attempt} failed: {error}")
        longest = min(RETRY_LONGEST, RETRY_FIRST * 2 ** min(attempt, 10))
        await self.pause(longest * self.random.random())
