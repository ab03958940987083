"""The whole stream without tasks: every runner is stepped in turn until nothing is left to do, so that a test reads as
a story and a simulation is the same at each run.

In: a broker, a virtual clock, rules, channels. Out: `settle` (work until quiet), `advance` (let time pass, stopping at
each deadline), `crash` (the process is gone, the log stays). It runs the same owners and runners as `runtime.node`;
only the loops around them are others. Sends run as tasks of the loop and get their turns in `settle`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import inf
from random import Random
from typing import Any, Final

from tocsin import topology
from tocsin.domain.rules import Rules
from tocsin.notify.channel import Channel
from tocsin.runtime.arrivals import Polled
from tocsin.runtime.broker import Broker
from tocsin.runtime.folding import fold
from tocsin.runtime.group import Group
from tocsin.runtime.ingest import IngestRunner
from tocsin.runtime.ingest import step as ingest_step
from tocsin.runtime.lanes import Lanes
from tocsin.runtime.metrics import Metrics
from tocsin.runtime.owner import Owner
from tocsin.runtime.pace import Pace
from tocsin.runtime.rules import ABSENT, SettingsFeed
from tocsin.runtime.sink import SinkRunner
from tocsin.runtime.world import World
from tocsin.stage import Sink
from tocsin.testing.clock import VirtualClock
from tocsin.topics import EVENT_TOPICS, RAW
from tocsin.wire.record import Draft

__all__ = ["Driver"]

TURNS_MAX: Final = 10_000
"""Turns of one `settle`: more is a loop that never rests."""
SEND_TURNS: Final = 4
"""Turns of the event loop that sends get before the stream is looked at again: a send without waiting ends in two."""
LONGEST_STEP: Final = 1.0
"""Seconds that `advance` lets pass at once while a send runs: it may wait for the clock."""


class Driver:
    """One simulated process after another, on one log."""

    def __init__(
        self,
        broker: Broker,
        clock: VirtualClock,
        rules: Rules | None = None,
        channels: Mapping[str, Channel] | None = None,
        partitions: int = 1,
        *,
        sink: Sink | None = None,
        seed: int = 0,
        stream: topology.Stream = topology.STREAM,
        pace: Pace | None = None,
    ) -> None:
        self.broker = broker
        self.clock = clock
        self.rules = rules or Rules()
        self.channels = dict(channels or {})
        self.partitions = partitions
        self.random = Random(seed)
        self.metrics = Metrics()
        self.groups: list[Group] = []
        self.ingest: list[IngestRunner] = []
        self._sink = sink
        self._sink_runner: SinkRunner | None = None
        self._feed: SettingsFeed | None = None
        self._world: World
        self._stream = stream
        self._pace = pace or Pace()
        self._processes = 0

    async def start(self) -> None:
        """Start a process: publish the settings, load everything. Raises what loading raises."""
        self._processes += 1
        world = self._world = World(
            broker=self.broker,
            arrivals=Polled(self.broker),
            clock=self.clock,
            instance="simulated",
            member=f"process-{self._processes}",
            metrics=self.metrics,
            random=self.random,
            pause=self._pause,
            pace=self._pace,
        )
        feed = SettingsFeed(world)
        await feed.refresh()
        await feed.publish(self.rules)
        lanes = Lanes(self.channels)
        groups = [Group(p, self.partitions, world, feed, lanes, self._stream) for p in range(self.partitions)]
        self.groups = groups  # before they are loaded: a crash has to find their effects
        for group in groups:
            await group.load()
        mapper = topology.mapper(self.partitions, self._stream)
        self.ingest = [IngestRunner(mapper, world, feed, p) for p in range(self.broker.partitions(RAW.name))]
        for runner in self.ingest:
            await runner.load()
        if self._sink is not None:
            places = [(topic.name, p) for topic in EVENT_TOPICS for p in range(self.broker.partitions(topic.name))]
            self._sink_runner = SinkRunner(self._sink, world, places)
            await self._sink_runner.load()
        self._feed = feed

    async def _pause(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @property
    def running(self) -> bool:
        return self._feed is not None

    async def step(self) -> bool:
        """Give every runner one turn, in the order of the stream. False when none had anything to do."""
        assert self._feed is not None, "start first"
        busy = await self._feed.refresh()
        busy |= await self.step_ingest()
        for group in self.groups:
            busy |= await group.step()
        for _ in range(SEND_TURNS if self.sending else 1):
            await asyncio.sleep(0)
        busy |= any(group.idle_for() <= 0 for group in self.groups)
        if self._sink_runner is not None:
            busy |= await self._sink_runner.step()
        return busy

    async def step_ingest(self) -> bool:
        """Only the first stage."""
        return await ingest_step(self._world, self.ingest)

    @property
    def sending(self) -> bool:
        """Whether a send runs."""
        return any(effects.busy for group in self.groups for effects in group.effects)

    async def settle(self) -> None:
        """Work until nothing can be done without more input or more time."""
        for _ in range(TURNS_MAX):
            if not await self.step():
                return
        raise AssertionError(f"not quiet after {TURNS_MAX} turns")

    async def advance(self, by: timedelta | float) -> None:
        """Let `by` pass; deadlines fire at their instants, not at the end of it."""
        left = by.total_seconds() if isinstance(by, timedelta) else by
        await self.settle()
        while left > 0:
            wait = min((group.idle_for() for group in self.groups), default=inf)
            if self.sending:
                wait = min(wait, LONGEST_STEP)
            step = min(left, max(wait, 1e-6))
            self.clock.advance(step)
            left -= step
            await self.settle()

    async def publish(self, topic: str, partition: int, drafts: Sequence[Draft]) -> int:
        """Append as a producer would."""
        return await self.broker.append(topic, partition, drafts)

    async def change(self, key: str, document: Any) -> None:
        """Change a settings document as somebody does over HTTP; None deletes what is there."""
        assert self._feed is not None, "start first"
        if document is not None or self._feed.version(key) != ABSENT:
            await self._feed.change(key, document, actor="ada")

    async def crash(self) -> None:
        """The process is gone in the middle of whatever it did: nothing is flushed, running sends are cut off."""
        for group in self.groups:
            group.drop()
        self.groups, self.ingest, self._sink_runner, self._feed = [], [], None, None
        await asyncio.sleep(0)

    async def release(self) -> None:
        """Stop as a process does that is told to. Time passes while sends come to their end."""
        ending = asyncio.ensure_future(self._end())
        while not ending.done():
            for _ in range(SEND_TURNS):
                await asyncio.sleep(0)
            # Not while only the log is waited for: that takes real time, and then deadlines would fall due.
            if self.sending and not ending.done():
                self.clock.advance(LONGEST_STEP)
        await ending
        if self._sink_runner is not None:
            while await self._sink_runner.step():
                pass
        await self.crash()

    async def _end(self) -> None:
        """As `CoreShare` does: all come to rest, then all finish together, since they write in turns."""
        for group in self.groups:
            await group.suspend()
        await asyncio.gather(*(group.finish() for group in self.groups))

    def owners(self) -> list[Owner]:
        """Every owner that runs, in the order of the stream."""
        return [owner for group in self.groups for owner in group.owners]

    async def folded(self, owner: Owner) -> Any:
        """The state that the journal of `owner` gives to somebody who folds it now, without claiming."""
        return (await fold(owner.stage, owner.world)).state
