"""One tocsin process on one log: everything that runs, started and stopped in order.

In: a broker, a clock, rules, an event log, channels. Out: a running stream, its health, its metrics, a way to
publish. The caller made the broker, the event log and the channels and closes them after `stop`; the caller awaits
`failed` and ends the process with that reason: nothing is acknowledged that is not in the log, so a new process
goes on where this one was.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from random import SystemRandom
from secrets import token_hex
from typing import Final, Protocol, runtime_checkable

import msgspec

from tocsin import topology
from tocsin.domain.errors import TocsinError
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.notify.channel import Channel
from tocsin.persist.sqlite import EventLog
from tocsin.runtime.broker import Broker, Unavailable
from tocsin.runtime.clock import Clock
from tocsin.runtime.effects import Lanes
from tocsin.runtime.group import Group
from tocsin.runtime.ingest import IngestRunner
from tocsin.runtime.journal import Lost
from tocsin.runtime.lag import EVERY, SINK, measure
from tocsin.runtime.metrics import Metrics
from tocsin.runtime.rules import SOURCE as SETTINGS_SOURCE
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.sink import SinkRunner
from tocsin.runtime.supervisor import Supervisor
from tocsin.runtime.world import SourceLost, World
from tocsin.topics import COMMANDS, EVENT_TOPICS, NORMALIZED, RAW, SETTINGS, TOPICS, Kind
from tocsin.wire.record import Draft

__all__ = ["Health", "Node", "NotReady"]

log: Final = logging.getLogger("tocsin.node")

IDLE_MAX: Final = 30.0
"""Seconds a loop sleeps at most: the gauges of lag are set when it wakes."""
EVENT_LOG_GRACE: Final = 2.0
"""Seconds that the start waits for the event log. Without it the stream runs all the same, and is not ready."""
PUBLISH_ATTEMPTS: Final = 3
"""A client waits for the answer: better to say no soon than to hold its connection."""
GATHER: Final = 0.025
"""Seconds between two rounds of the event log, unless it has fallen behind: each is some transactions. At rest nobody
waits for it; under load who waits for the outcome of a command waits so much longer at most."""
ORDER: Final = ("ingest", "core", "settings", "persist")
"""In which the loops are stopped: what a later one reads, an earlier one writes."""
RETENTION_EVERY: Final = 600.0
"""Seconds; retention is counted in days."""
FOREIGN_LOSSES_MAX: Final = 5
"""Publishing the settings meets another publisher at most this often before it is a bug."""


class NotReady(TocsinError):
    """The node does not run (yet, or any more)."""


class Health(msgspec.Struct, frozen=True):
    """`ready`: alerts are taken and worked. `problems`: what is wrong, one line each."""

    ready: bool
    problems: list[str]


@runtime_checkable
class Retaining(Protocol):
    """A broker that forgets old records of shared topics only when it is told to."""

    async def retain(self, now: Instant, keep: Mapping[tuple[str, int], int] | None = None) -> int: ...


class Node:
    """The composition. `start` once, `stop` once."""

    def __init__(
        self,
        *,
        broker: Broker,
        clock: Clock,
        instance: str,
        rules: Rules,
        event_log: EventLog | None,
        channels: Mapping[str, Channel],
        partitions: int,
        stream: topology.Stream = topology.STREAM,
    ) -> None:
        """
        Args:
            rules: what the settings files say; published when it differs from what they said before.
            event_log: None = nothing is persisted (tests).
            partitions: of the internal topics; has to be what the broker has.
        """
        self.broker = broker
        self.event_log = event_log
        self.partitions = partitions
        self.metrics = Metrics()
        self._file_rules = rules
        self._stream = stream
        self._stops = {names: asyncio.Event() for names in ORDER}
        self._sink: SinkRunner | None = None
        self._mappers: list[IngestRunner] = []
        self._groups: dict[int, Group | None] = {}
        self._running = False
        self._supervisor = Supervisor()
        self._lanes = Lanes(channels)
        self._world = World(
            broker=broker,
            clock=clock,
            instance=instance,
            member=f"{instance}/{token_hex(8)}",
            metrics=self.metrics,
            random=SystemRandom(),
            pause=self._pause,
        )
        self._feed = SettingsFeed(self._world)

    @property
    def _stopping(self) -> bool:
        return self._stops["ingest"].is_set()

    # ---- what others ask -----------------------------------------------------------------------------------

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self._feed.rules

    def health(self) -> Health:
        """Whether alerts are taken and worked, and what is wrong."""
        problems = self._world.problems.lines()
        if self._supervisor.failure is not None:
            problems.insert(0, f"crashed: {self._supervisor.failure}")
        elif self._stopping:
            problems.insert(0, "stopping")
        elif not self._running:
            problems.insert(0, "starting")
        elif self._sink is not None and not self._sink.loaded.is_set():
            problems.append("event log: not loaded yet")
        return Health(not problems, problems)

    async def failed(self) -> BaseException:
        """Wait for the crash of a loop. The process must end with this reason."""
        return await self._supervisor.failed()

    async def publish(self, topic: str, partition: int, drafts: Sequence[Draft]) -> int:
        """Append to a shared topic; returns the offset of the first once all of them are durable.

        Raises:
            NotReady: the node does not run.
            Unavailable: the log does not take it now; nothing has been written.
            Doubt: it may have been written or not.
            ValueError: a journal (nobody but its owner writes it), or more than one append takes.
        """
        if TOPICS[topic].kind is not Kind.SHARED:
            raise ValueError(f"{topic} is a journal; its owner is the only writer")
        if not self._running or self._stopping or self._supervisor.failure is not None:
            raise NotReady("; ".join(self.health().problems))
        attempt = 1
        while True:
            try:
                return await self.broker.append(topic, partition, drafts)
            except Unavailable as error:
                if attempt == PUBLISH_ATTEMPTS:
                    raise
                await self._world.wait_after(f"append {topic}/{partition}", 1, error)
                attempt += 1

    # ---- start and stop ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Publish the settings, load every partition, start the loops. What cannot start is named in `health`.

        Raises:
            ValueError: the broker has another number of partitions.
            SourceLost: the settings journal is not whole.
            Broken, LookupError: the log cannot be used.
        """
        for topic in TOPICS.values():
            has, wanted = self.broker.partitions(topic.name), topic.partitions or self.partitions
            if has != wanted:
                raise ValueError(f"{topic.name} has {has} partitions, the settings say {wanted}")
        await self._publish_rules()
        for partition in range(self.partitions):
            await self._load(partition)
        if self.event_log:
            self._sink = SinkRunner(self.event_log, self._world, EVENT_TOPICS)
            self._supervisor.start("persist", self._persist(self._sink))
        for partition in range(self.partitions):
            self._supervisor.start(f"core {partition}", self._core(partition))
        for partition in range(self.broker.partitions(RAW.name)):
            self._supervisor.start(f"ingest {partition}", self._ingest(partition))
        self._supervisor.start("settings", self._settings())
        self._supervisor.start("settings gauges", self._gauges())
        self._supervisor.start("settings retention", self._retention())
        self._running = True
        if self._sink is not None:
            await self._world.clock.wait(self._sink.loaded, EVENT_LOG_GRACE)

    async def stop(self, drain: float = 8.0) -> None:
        """Stop in the order of the stream: intake, ingest, the owners (results of running sends included), the
        event log.

        Args:
            drain: seconds for all of it; what has not ended by then is cut off, and a new start goes on there.
        """
        ends = asyncio.get_running_loop().time() + drain
        for names in ORDER:
            self._stops[names].set()
            if not await self._supervisor.join(names, ends - asyncio.get_running_loop().time()):
                log.warning("%s did not end within %g s and was cut off", names, drain)
        self._running = False

    async def _publish_rules(self) -> None:
        for _ in range(FOREIGN_LOSSES_MAX):
            await self._feed.refresh()
            try:
                published = await self._feed.publish(self._file_rules)
            except Lost:
                continue
            if published:
                log.info("published %d settings documents", published)
            return
        raise SourceLost("source_recreated", f"{SETTINGS_SOURCE}: somebody else publishes settings all the time")

    async def _load(self, partition: int) -> None:
        """Load the group of `partition`; None in its place when its sources are lost, which is then a problem."""
        self._groups[partition] = None
        attempt = 0
        while True:
            group = Group(partition, self.partitions, self._world, self._feed, self._lanes, self._stream)
            try:
                await group.load()
            except Lost as error:
                group.drop()
                attempt += 1
                await self._world.wait_after(f"partition {partition}", attempt, error)
            except SourceLost as error:
                group.drop()
                self._world.problems.put(f"partition {partition}", str(error))
                return
            else:
                if attempt:
                    self._world.problems.drop(f"partition {partition}")
                self._groups[partition] = group
                return

    async def _pause(self, seconds: float) -> None:
        await self._world.clock.wait(asyncio.Event(), seconds)

    # ---- loops ---------------------------------------------------------------------------------------------

    async def _core(self, partition: int) -> None:
        while (group := self._groups.get(partition)) is not None:
            try:
                while not self._stops["core"].is_set():
                    group.wake.clear()
                    if not await group.step():
                        await self._rest(group.places(), group.idle_for(), group.wake, self._stops["core"])
                await group.release()
                return
            except Lost as error:
                log.warning("partition %d is loaded anew: %s", partition, error)
                group.drop()
                await self._load(partition)
            except SourceLost as error:
                group.drop()
                self._world.problems.put(f"partition {partition}", str(error))
                return
            except BaseException:
                group.drop()
                raise

    async def _gauges(self) -> None:
        stop = self._stops["settings"]
        while not await self._world.clock.wait(stop, EVERY):
            readers = [(owner.stage.name, owner.places()) for g in self._groups.values() if g for owner in g.owners]
            readers += [("ingest", runner.places()) for runner in self._mappers]
            if self._sink is not None:
                readers.append((SINK, self._sink.places()))
            try:
                for stage, places in readers:
                    await measure(self._world, stage, places)
            except Unavailable as error:
                log.info("the gauges keep what they showed: %s", error)

    async def _retention(self) -> None:
        """A log that does not forget by itself is told to, now and then; what has not been read is kept."""
        stop, broker = self._stops["settings"], self.broker
        while isinstance(broker, Retaining) and not await self._world.clock.wait(stop, RETENTION_EVERY):
            # A partition that is stopped needs everything from where its journal says.
            keep = {(t.name, p): 0 for t in (RAW, NORMALIZED, COMMANDS) for p in range(self.partitions)}
            for runner in self._mappers:
                keep |= runner.places()
            for group in self._groups.values():
                keep |= group.needed() if group else {}
            try:
                while await broker.retain(self._world.now(), keep) and not stop.is_set():
                    pass
            except Unavailable as error:
                log.info("retention is put off: %s", error)

    async def _ingest(self, partition: int) -> None:
        stop = self._stops["ingest"]
        runner = IngestRunner(topology.mapper(self.partitions, self._stream), self._world, self._feed, partition)
        try:
            await runner.load()
            self._mappers.append(runner)
            while not stop.is_set():
                if not await runner.step():
                    await self._rest(runner.places(), IDLE_MAX, stop)
        except SourceLost as error:
            self._world.problems.put(f"ingest {partition}", str(error))

    async def _settings(self) -> None:
        stop = self._stops["settings"]
        while not stop.is_set():
            await self._feed.refresh()
            await self._rest({(SETTINGS.name, 0): self._feed.next}, IDLE_MAX, stop)

    async def _persist(self, sink: SinkRunner) -> None:
        """Ends only when it is told to and everything is in the event log."""
        stop = self._stops["persist"]
        await sink.load()
        while await sink.step() or not stop.is_set():
            if not sink.behind:
                if not sink.catching_up:
                    await self._world.clock.wait(stop, GATHER)
                await self._rest(sink.places(), IDLE_MAX, stop)

    async def _rest(self, places: Mapping[tuple[str, int], int], seconds: float, *events: asyncio.Event) -> None:
        """Sleep until there is something to read, one of `events` is set, or `seconds` have passed."""
        if seconds <= 0 or any(event.is_set() for event in events):
            await asyncio.sleep(0)
            return
        read = asyncio.ensure_future(self.broker.wait(places, min(seconds, IDLE_MAX)))
        waits = [read, *(asyncio.ensure_future(event.wait()) for event in events)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if read.done():
                read.result()
        except Unavailable as error:
            await self._world.wait_after("wait for the log", 1, error)
        finally:
            for wait in waits:
                wait.cancel()
