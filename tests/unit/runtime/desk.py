"""One owner of the toy stage on a memory broker, for the tests of the owner."""

from datetime import UTC, datetime, timedelta

from tocsin.domain import events as ev
from tocsin.domain.alert import AlertStatus, Episode, Sighting
from tocsin.domain.command import Command
from tocsin.runtime.journal import JournalReader
from tocsin.runtime.owner import Owner
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.world import World
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import Toy, toy_world
from tocsin.topics import COMMANDS, INCIDENTS, NORMALIZED, RAW
from tocsin.wire.command import encode_command
from tocsin.wire.events import POSITION, decode
from tocsin.wire.normalized import encode_batches
from tocsin.wire.record import Draft, Record

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)


JOURNAL = INCIDENTS.name


def sighting(name: str, offset: int, index: int = 0, incarnation: str = "i1") -> Sighting:
    return Sighting(
        raw_topic=RAW.name,
        raw_partition=0,
        incarnation=incarnation,
        offset=offset,
        index=index,
        received_at=T0 + timedelta(seconds=offset),
        fingerprint=name,
        status=AlertStatus.FIRING,
        episode=Episode.WINDOW,
    )


class Desk:
    """One owner of the toy stage on a memory broker."""

    def __init__(self, partitions: int = 1, kafka_like: bool = False) -> None:
        self.clock = VirtualClock(T0)
        self.broker = MemoryBroker(self.clock, partitions=partitions, kafka_like=kafka_like)
        self.partitions = partitions
        self.members = 0
        self.owner: Owner

    def world(self) -> World:
        self.members += 1
        return toy_world(self.broker, self.clock, member=f"m{self.members}")

    async def load(self, stage: Toy | None = None) -> Owner:
        world = self.world()
        feed = SettingsFeed(world)
        await feed.refresh()
        self.owner = Owner(stage or Toy(), world, feed, partitions=self.partitions)
        await self.owner.load()
        return self.owner

    async def alerts(self, *sightings: Sighting) -> None:
        for value in encode_batches(sightings):
            await self.broker.append(NORMALIZED.name, 0, [Draft(None, value)])

    async def command(self, name: str, partition: int = 0, incident: str = "", **arguments: int) -> None:
        key, value = encode_command(Command(command_id=name, verb="note", incident=incident, arguments=dict(arguments)))
        await self.broker.append(COMMANDS.name, partition, [Draft(key, value)])

    async def turn(self) -> None:
        while await self.owner.read():
            pass
        await self.owner.tick()

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def events(self, topic: str = JOURNAL) -> list[ev.Event]:
        records, _ = await JournalReader(self.world()).read(topic, 0, 0, records_max=100_000)
        return [decode(r.headers, r.value) for r in records]

    async def types(self) -> list[str]:
        return [event.TYPE.split(".")[1] for event in await self.events()]

    async def batches(self) -> list[list[Record]]:
        """The records of the journal by commit: a position ends one."""
        batches: list[list[Record]] = [[]]
        for record in await self.broker.read(JOURNAL, 0, 0, records_max=100_000, bytes_max=10**9):
            batches[-1].append(record)
            if record.header(POSITION) is not None:
                batches.append([])
        return [batch for batch in batches if batch]

    async def check_reload(self) -> None:
        """A new owner has the same state and the same positions, and finds nothing left to do."""
        before = self.owner
        end = await self.broker.end(JOURNAL, 0)
        after = await self.load(before.stage)
        assert after.state == before.state
        assert after.places() == before.places()
        assert not await after.read()
        assert await self.broker.end(JOURNAL, 0) == end + 1
