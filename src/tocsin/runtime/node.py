"""One tocsin process on one log: everything that runs, started and stopped in order.

In: a broker, a clock, rules, an event log, channels. Out: a running stream, its health, its metrics, a way to
publish. The caller made the broker, the event log and the channels and closes them after `stop`; the caller awaits
`failed` and ends the process with that reason: nothing is acknowledged that is not in the log, so a new process
goes on where this one was.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from random import SystemRandom
from secrets import token_hex
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from tocsin import topology
from tocsin.domain.errors import TocsinError
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.notify.channel import Channel
from tocsin.notify.wording import Templates
from tocsin.persist.sqlite import EventLog
from tocsin.runtime.arrivals import Polled
from tocsin.runtime.broker import Broken, Broker, Doubt, Unavailable
from tocsin.runtime.clock import Clock
from tocsin.runtime.core_share import CoreShare
from tocsin.runtime.ingest_share import IngestShare
from tocsin.runtime.journal import Lost
from tocsin.runtime.lag import EVERY, SINK, measure
from tocsin.runtime.lanes import Lanes
from tocsin.runtime.lease import Forever
from tocsin.runtime.listening import Listening
from tocsin.runtime.metrics import Metrics
from tocsin.runtime.persist_share import PersistShare
from tocsin.runtime.rules import SOURCE as SETTINGS_SOURCE
from tocsin.runtime.rules import SettingsFeed, Standing
from tocsin.runtime.share import Alone, Membership, Share, Shared
from tocsin.runtime.supervisor import Supervisor
from tocsin.runtime.vigil import Vigil, Ward
from tocsin.runtime.watch import Watch
from tocsin.runtime.wording import TemplateReports, notes
from tocsin.runtime.world import REST_MAX, SourceLost, World
from tocsin.topics import COMMANDS, NORMALIZED, RAW, SETTINGS, TOPICS, Kind
from tocsin.wire.record import Draft

__all__ = ["GROUPS", "Health", "Node", "NotReady"]

log: Final = logging.getLogger("tocsin.node")

EVENT_LOG_GRACE: Final = 2.0
"""Seconds that the start waits for the event log. Without it the stream runs all the same, and is not ready."""
PUBLISH_ATTEMPTS: Final = 3
PUBLISH_SECONDS: Final = 5.0
"""A client waits for the answer: better to say no soon than to hold its connection."""
GROUPS: Final = ("ingest", "core", "persist")
"""The shares of the work, in the order in which they are stopped: what a later one reads, an earlier one writes."""
INSPECT_EVERY: Final = 5.0
"""Seconds. Who has no partitions of a topic that is gone does not notice: a group simply has fewer."""
RETENTION_EVERY: Final = 600.0
"""Seconds; retention is counted in days."""
EXPIRY_EVERY: Final = 3600.0
"""Seconds; what is over is kept for days."""
CHANGE_SECONDS: Final = 10.0
"""A change of the settings waits so long for the log; whoever asked is told that it may have been written."""
FOREIGN_LOSSES_MAX: Final = 5
"""Publishing the settings meets another publisher at most this often before it is a bug."""


class NotReady(TocsinError):
    """The node does not run (yet, or any more)."""


class Health(msgspec.Struct, frozen=True):
    """`ready`: alerts are taken and worked. `problems`: what is wrong, one line each. `notes`: what is worth a look and
    keeps nobody from working: channels that fail."""

    ready: bool
    problems: list[str]
    notes: list[str] = []


@runtime_checkable
class Inspected(Protocol):
    """A broker whose topics others may delete or close."""

    async def inspect(self) -> list[str]: ...


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
        per_second: Mapping[str, float] | None = None,
        partitions: int,
        stream: topology.Stream = topology.STREAM,
        shared: Shared | None = None,
        groups: Collection[str] = GROUPS,
        sources: tuple[str, ...] = (RAW.name,),
        templates: Templates | None = None,
        vigils: Sequence[Vigil] = (),
    ) -> None:
        """
        Args:
            rules: what the settings files say; published when it differs from what they said before.
            event_log: None = this process persists nothing.
            per_second: how many sends a channel's receiver takes; none = as many as it likes.
            partitions: of the internal topics; has to be what the broker has.
            shared: how the log is shared with other processes; None = alone.
            groups: which shares of the work this process takes.
            sources: the raw topics.
            vigils: who watches over it.
            templates: those that the channels were made with; they get the rules from now on.
        """
        self.broker = broker
        self.event_log = event_log
        self.partitions = partitions
        self.metrics = Metrics()
        self._file_rules = rules
        self._vigils = vigils
        self._stop = asyncio.Event()
        self._running = False
        self._supervisor = Supervisor()
        self._world = self._world_with(clock, instance, shared)
        self._membership: Membership = shared.membership if shared else Alone(broker)
        self._watch = Watch(self._world, self._membership.signs)
        self._feed = SettingsFeed(self._world)
        self.templates = templates or Templates()
        self.templates.failed = TemplateReports(self.metrics)
        self._feed.watch(lambda: self.templates.adopt(self.rules))
        self._persist = PersistShare(self._world, self._supervisor, event_log) if event_log else None
        self.lanes = Lanes(channels, per_second)
        self._core = CoreShare(self._world, self._feed, self._supervisor, self.lanes, partitions, stream)
        self.listening = self._listening_to(channels)
        mapper = topology.mapper(partitions, stream)  # one for all sources: what it remembers is bounded for all
        self._ingest = IngestShare(self._world, self._feed, self._supervisor, lambda: mapper, sources)
        every: tuple[Share | None, ...] = (self._core, self._persist, self._ingest)
        self._shares = [share for share in every if share is not None and share.name in groups]

    def _world_with(self, clock: Clock, instance: str, shared: Shared | None) -> World:
        return World(
            broker=self.broker,
            arrivals=shared.arrivals if shared else Polled(self.broker),
            clock=clock,
            instance=instance,
            member=f"{instance}/{token_hex(8)}",
            metrics=self.metrics,
            random=SystemRandom(),
            pause=self._pause,
            lease=shared.lease if shared else Forever(),
        )

    def _listening_to(self, channels: Mapping[str, Channel]) -> Listening:
        return Listening(
            self._world,
            channels,
            lambda: self.rules,
            partitions=self.partitions,
            publish=self.publish,
            outcome=self.event_log.wait_outcome if self.event_log else None,
        )

    @property
    def _stopping(self) -> bool:
        return self._stop.is_set()

    # ---- what others ask -----------------------------------------------------------------------------------

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self._feed.rules

    @property
    def feed(self) -> SettingsFeed:
        """The settings documents as the log has them, to be read."""
        return self._feed

    async def change_settings(
        self,
        changes: Mapping[str, Any],
        *,
        actor: str,
        reason: str = "",
        expected: Mapping[str, int | None] | None = None,
    ) -> dict[str, Standing]:
        """Write settings documents by key (None = delete), all or none; durable and in force here when it returns.

        Raises:
            Unsound, Refused: not allowed; nothing was written.
            NotReady: the node does not run.
            Doubt: the log did not answer in time; it may have been written or not.
        """
        if not self._running or self._stopping or self._supervisor.failure is not None:
            raise NotReady("; ".join(self.health().problems))
        try:
            async with asyncio.timeout(CHANGE_SECONDS):
                return await self._feed.change_all(changes, actor=actor, reason=reason, expected=expected)
        except (TimeoutError, Lost) as error:
            raise Doubt(f"the settings were not written within {CHANGE_SECONDS:.0f} s") from error

    def health(self) -> Health:
        """Whether alerts are taken and worked, and what is wrong."""
        problems = self._world.problems.lines()
        if self._supervisor.failure is not None:
            problems.insert(0, f"crashed: {self._supervisor.failure}")
        elif self._stopping:
            problems.insert(0, "stopping")
        elif not self._running:
            problems.insert(0, "starting")
        else:
            problems += [f"{share.name}: no partitions yet" for share in self._shares if not share.taken.is_set()]
            if self._persist is not None and (late := self._persist.problem()):
                problems.append(late)
        return Health(
            not problems,
            problems,
            [*self.lanes.notes(self._world.clock), *self.listening.notes(), *notes(self.templates)],
        )

    def _wrong(self) -> list[str]:
        return self.health().problems

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
        attempt, ends = 1, self._world.clock.monotonic() + PUBLISH_SECONDS
        while True:
            try:
                return await self.broker.append(topic, partition, drafts)
            except Unavailable as error:
                if attempt == PUBLISH_ATTEMPTS or self._world.clock.monotonic() > ends:
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
        for share in self._shares:
            await self._membership.join(share)
        self._supervisor.start("settings", self._settings())
        self._supervisor.start("settings membership", self._outcast())
        self._supervisor.start("settings watch", self._watch.run(self._stop))
        self._supervisor.start("settings gauges", self._gauges())
        self._supervisor.start("settings retention", self._retention())
        self._supervisor.start("settings topics", self._inspect())
        self._supervisor.start("settings expiry", self._expire())
        for channel in self.listening.listeners:
            self._supervisor.start(f"settings listening {channel.name}", self.listening.listen(channel, self._stop))
        ward = Ward(self._world, self._wrong, self.publish, lambda: self.rules, self.event_log, self.partitions)
        for vigil in self._vigils:
            self._supervisor.start(f"settings {vigil.name}", vigil.run(ward, self._stop))
        self._running = True
        if self._persist in self._shares and self._persist is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVENT_LOG_GRACE):
                    await self._persist.loaded()

    async def stop(self, drain: float = 8.0) -> None:
        """Stop in the order of the stream: intake, ingest, the owners (results of running sends included), the
        event log.

        Args:
            drain: seconds for all of it; what has not ended by then is cut off, and a new start goes on there.
        """
        now = asyncio.get_running_loop().time
        ends = now() + drain
        self._stop.set()
        for name in GROUPS:
            for share in self._shares:
                if share.name == name:
                    await self._membership.leave(share, max(0.0, ends - now()))
        await self._supervisor.join("settings", max(0.0, ends - now()))
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

    async def _pause(self, seconds: float) -> None:
        await self._world.clock.wait(asyncio.Event(), seconds)

    # ---- loops ---------------------------------------------------------------------------------------------

    async def _gauges(self) -> None:
        while not await self._world.clock.wait(self._stop, EVERY):
            readers = [(owner.stage.name, owner.places()) for owner in self._core.owners]
            readers.append(("ingest", self._ingest.places()))
            if self._persist is not None:
                readers.append((SINK, self._persist.places()))
            self._watch.only({(stage, place) for stage, places in readers for place in places})
            self.metrics.only({owner.partition for owner in self._core.owners})
            try:
                for stage, places in readers:
                    self._watch.lagging(stage, await measure(self._world, stage, places))
            except Unavailable as error:  # everybody else waits patiently, some of them for long
                self._world.problems.put("log", str(error))
            else:
                self._world.problems.drop("log")

    async def _inspect(self) -> None:
        """See that the topics are those of the start."""
        broker = self.broker
        while isinstance(broker, Inspected) and not await self._world.clock.wait(self._stop, INSPECT_EVERY):
            try:
                wrong = await broker.inspect()
            except (Unavailable, Broken) as error:
                self._world.problems.put("log", str(error))  # the gauges see when it is over
                continue
            self._world.problems.tell("topics", bool(wrong), " and ".join(wrong))

    async def _retention(self) -> None:
        """A log that does not forget by itself is told to, now and then; what has not been read is kept."""
        broker = self.broker
        while isinstance(broker, Retaining) and not await self._world.clock.wait(self._stop, RETENTION_EVERY):
            # A partition that is stopped needs everything from where its journal says.
            keep = {(t.name, p): 0 for t in (RAW, NORMALIZED, COMMANDS) for p in range(self.partitions)}
            keep |= self._ingest.needed() | self._core.needed()
            try:
                while await broker.retain(self._world.now(), keep) and not self._stop.is_set():
                    pass
            except Unavailable as error:
                log.info("retention is put off: %s", error)

    async def _expire(self) -> None:
        """Settings documents that are long over leave the rules; the log keeps them."""
        while not await self._world.clock.wait(self._stop, EXPIRY_EVERY):
            with suppress(Lost):
                await self._feed.drop_expired()

    async def _outcast(self) -> None:
        await self._world.until(self._expelled(), self._stop)

    async def _expelled(self) -> None:
        raise await self._membership.failed()

    async def _settings(self) -> None:
        while not self._stop.is_set():
            await self._feed.refresh()
            # The log itself: every process reads all settings, whatever it was given.
            await self._world.until(self.broker.wait({(SETTINGS.name, 0): self._feed.next}, REST_MAX), self._stop)
