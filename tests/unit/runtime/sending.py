"""A channel that answers when it is told to, and an owner that sends over it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from tocsin.domain import events as ev
from tocsin.domain.command import Command
from tocsin.domain.rules import Rules
from tocsin.notify.channel import Sent
from tocsin.runtime.effects import Effects
from tocsin.runtime.journal import JournalReader
from tocsin.runtime.lanes import Lanes
from tocsin.runtime.owner import Owner
from tocsin.runtime.rules import SettingsFeed
from tocsin.stage import Effect
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import Toy, toy_world
from tocsin.topics import COMMANDS, INCIDENTS
from tocsin.wire.command import encode_command
from tocsin.wire.events import decode
from tocsin.wire.record import Draft

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Receiver:
    """A channel that answers when it is told to, and keeps a journal."""

    kind = "toy"
    timeout_seconds = 1000.0

    def __init__(self, name: str = "toy", in_flight_max: int = 2) -> None:
        self.name = name
        self.in_flight_max = in_flight_max
        self.journal: list[tuple[str, int, bool]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.running = 0
        self.most = 0
        self.answers: list[Sent | Exception] = []

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            self.journal.append((effect.delivery_id, effect.attempt, possible_duplicate))
            await self.open.wait()
            answer = self.answers.pop(0) if self.answers else Sent("delivered", "ok")
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.running -= 1

    async def close(self) -> None: ...


class Desk:
    def __init__(
        self,
        *channels: Receiver,
        per_second: Mapping[str, float] | None = None,
        stage: Toy | None = None,
        rules: Rules | None = None,
    ) -> None:
        self.rules = rules or Rules()
        self.per_second = per_second
        self.stage = stage or Toy()
        self.effects: Effects
        self.clock = VirtualClock(T0)
        self.broker = MemoryBroker(self.clock)
        self.channels = {channel.name: channel for channel in channels}
        self.lanes = Lanes(self.channels)
        self.held = True
        self.wakes = 0
        self.owner: Owner

    async def load(self) -> None:
        world = toy_world(self.broker, self.clock)
        feed = SettingsFeed(world)
        await feed.refresh()
        await feed.publish(self.rules)
        self.lanes = Lanes(self.channels, self.per_second)
        self.effects = Effects(world, self.lanes, lambda _: self.held, self.wake)
        self.owner = Owner(self.stage, world, feed, partitions=1, effects=self.effects)
        await self.owner.load()

    def wake(self) -> None:
        self.wakes += 1

    async def declare(self, *names: str) -> None:
        drafts = [Draft(*encode_command(Command(command_id=name, verb="declare"))) for name in names]
        await self.broker.append(COMMANDS.name, 0, drafts)

    async def turn(self, times: int = 4) -> None:
        for _ in range(times):
            await self.owner.read()
            await self.owner.tick()
            for _ in range(3):
                await asyncio.sleep(0)

    async def events(self) -> list[ev.DeliveryEvent]:
        found: list[ev.DeliveryEvent] = []
        reader, offset = JournalReader(toy_world(self.broker, self.clock)), 0
        while offset < await self.broker.end(INCIDENTS.name, 0):
            records, offset = await reader.read(INCIDENTS.name, 0, offset)
            events = (decode(r.headers, r.value) for r in records)
            found += [event for event in events if isinstance(event, ev.DeliveryEvent)]
        return found

    async def story(self) -> list[str]:
        return [f"{event.delivery_id} {event.TYPE.split('.')[1]}" for event in await self.events()]
