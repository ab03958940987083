"""What every runner needs of the world: the log, the time, chance, patience, and a place to say what is wrong.

In: the parts that `Node` (or the test driver) chose. Out: one object that is handed down. Chance and waiting are
parts of it, so that a simulation with a seed runs the same each time.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeVar

from tocsin.domain.errors import TocsinError
from tocsin.domain.instant import Instant
from tocsin.runtime.broker import Broker, Unavailable
from tocsin.runtime.clock import Clock
from tocsin.runtime.metrics import Metrics

__all__ = ["Pause", "Problems", "SourceLost", "World"]

log: Final = logging.getLogger("tocsin.runtime")

Pause = Callable[[float], Awaitable[None]]
"""Let so many seconds pass."""

RETRY_FIRST: Final = 0.05
RETRY_LONGEST: Final = 5.0
"""Seconds between attempts. Longer would delay pages after the fault has ended, shorter would load what is ill."""
REPORT_AFTER: Final = 3
"""Attempts that fail before it is a problem that `/-/ready` shows: a single fault is not worth a word."""

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
        if self._by_part.get(part) != text:
            log.warning("%s: %s", part, text)
        self._by_part[part] = text

    def drop(self, part: str) -> None:
        if self._by_part.pop(part, None) is not None:
            log.info("%s: well again", part)

    def lines(self) -> list[str]:
        return [f"{part}: {text}" for part, text in sorted(self._by_part.items())]


@dataclass(slots=True)
class World:
    """One per process (or simulated process)."""

    broker: Broker
    clock: Clock
    instance: str
    member: str
    """Unique for the life of this process: recognises its claims."""
    metrics: Metrics
    random: Random
    pause: Pause
    problems: Problems = field(default_factory=Problems)

    def now(self) -> Instant:
        return self.clock.now()

    async def patiently(self, what: str, call: Callable[[], Awaitable[Result]]) -> Result:
        """The result of `call`, which is repeated while it is `Unavailable`. Everything else it raises goes
        through."""
        attempt = 0
        while True:
            try:
                result = await call()
            except Unavailable as error:
                attempt += 1
                await self.wait_after(what, attempt, error)
                continue
            if attempt >= REPORT_AFTER:
                self.problems.drop(what)
            return result

    async def wait_after(self, what: str, attempt: int, error: BaseException) -> None:
        """Wait before attempt `attempt` + 1: exponential with full jitter, bounded."""
        if attempt >= REPORT_AFTER:
            self.problems.put(what, f"attempt {attempt} failed: {error}")
        longest = min(RETRY_LONGEST, RETRY_FIRST * 2 ** min(attempt, 10))
        await self.pause(longest * self.random.random())
