"""What a story is played in: a kind of log, a process that may die, channels that may fail, a sink that counts.

In: what a `Play` makes of it. Out: the ports that a driver needs, each as simple as it can be. Time is virtual; nothing
here draws random numbers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tocsin.domain.instant import Instant
from tocsin.notify.channel import Sent
from tocsin.runtime.broker import Broker
from tocsin.stage import Effect, Portion
from tocsin.testing.broker import SimulatedCrash
from tocsin.testing.clock import VirtualClock
from tocsin.wire.record import Draft

__all__ = ["Crash", "Mortal", "Receiver", "Rows", "Transport"]


class Transport(NamedTuple):
    """A kind of log. `open` gets a directory and a clock; called again after a crash it finds the same log."""

    name: str
    partitions: int
    open: Callable[[Path, VirtualClock], Broker | Awaitable[Broker]]

    async def opened(self, directory: Path, clock: VirtualClock) -> Broker:
        """The log, whether it opens at once or has to be reached first."""
        log = self.open(directory, clock)
        return await log if isinstance(log, Awaitable) else log


class Crash(NamedTuple):
    """Where the process dies: at its own append or commit number `nth` (from 0), before or after it takes effect."""

    nth: int
    after: bool


class Receiver:
    """A channel that remembers what arrived. `down`: every send fails. `seconds`: how long a send takes."""

    kind = "story"
    timeout_seconds = 120.0

    def __init__(self, name: str, *, in_flight_max: int = 50, seconds: float = 0.0) -> None:
        self.name = name
        self.in_flight_max = in_flight_max
        self.seconds = seconds
        self.down = False
        self.arrived: list[tuple[Instant, Effect, bool]] = []
        """When, what, and whether it was marked as a possible duplicate."""
        self.clock: VirtualClock | None = None
        self._never = asyncio.Event()

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        assert self.clock is not None
        if self.seconds:
            await self.clock.wait(self._never, self.seconds)
        if self.down:
            return Sent("failed", "connection refused")
        self.arrived.append((self.clock.now(), effect, possible_duplicate))
        return Sent("delivered", "202")

    async def close(self) -> None: ...

    @property
    def messages(self) -> list[str]:
        """`<time> <step> to <recipient>: <title>` of each message, in order; what arrived twice because of a crash
        counts once."""
        lines: dict[str, str] = {}
        for at, effect, _ in self.arrived:
            step = effect.context["type"]
            incident = effect.context["incident"]
            assert isinstance(incident, Mapping)
            if escalation := effect.context.get("escalation"):
                assert isinstance(escalation, Mapping)
                step = f"level {escalation['level']}"
            text = f"{at:%H:%M} {str(step).removeprefix('incident.')} to {effect.recipient}: {incident['title']}"
            lines.setdefault(effect.delivery_id, text)
        return list(lines.values())


class Rows:
    """A sink that keeps its position with its rows."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._next: dict[tuple[str, int], int] = {}

    async def position(self, topic: str, partition: int) -> int:
        return self._next.get((topic, partition), 0)

    async def append(self, portions: Sequence[Portion]) -> None:
        for topic, partition, records, next_offset in portions:
            self.rows += [{"topic": topic, "partition": partition, "offset": record.offset} for record in records]
            self._next[topic, partition] = next_offset


class Mortal:
    """A log as one process sees it that dies at a certain call. Every other call goes through."""

    def __init__(self, log: Broker, crash: Crash | None, calls: int = 0) -> None:
        self.log = log
        self.calls = calls
        self._crash = crash

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)

    async def append(self, topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        first: int = await self._mortally(lambda: self.log.append(topic, partition, drafts, expected))
        return first

    async def commit(self, group: str, positions: Mapping[tuple[str, int], tuple[int, str]]) -> None:
        await self._mortally(lambda: self.log.commit(group, positions))

    async def _mortally(self, call: Callable[[], Awaitable[Any]]) -> Any:
        number, self.calls = self.calls, self.calls + 1
        if self._crash == (number, False):
            raise SimulatedCrash(f"before call {number}")
        result = await call()
        if self._crash == (number, True):
            raise SimulatedCrash(f"after call {number}")
        return result
