"""What the contract tests of the brokers share: each kind of log, to be opened, closed and opened again."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tocsin.runtime.broker import Broker, Draft, Record
from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.topics import INCIDENTS, RAW

KINDS = ("memory", "kafka-like", "embedded-1", "embedded-4")
JOURNAL = INCIDENTS.name
SHARED = RAW.name
START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


class Wall(VirtualClock):
    """A virtual clock whose wall somebody may set back, as a new process can meet it."""

    back = timedelta(0)

    def now(self) -> datetime:
        return super().now() - self.back


class Rig:
    """One log, to be opened, closed and opened again."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.clock = Wall(START)
        self.kafka_like = kind == "kafka-like"
        self.partitions = 4 if kind.endswith("4") else 1
        self._memory = (
            None
            if kind.startswith("embedded")
            else MemoryBroker(self.clock, self.partitions, kafka_like=self.kafka_like)
        )
        self._path = directory / "log.sqlite3"
        self.broker: Broker = self._open()

    def _open(self) -> Broker:
        return self._memory or EmbeddedBroker.open(
            self._path, partitions=self.partitions, clock=self.clock, instance="test"
        )

    async def reopen(self) -> Broker:
        """As a new process finds it. Memory is no disk: there it is the next owner of the same log."""
        await self.broker.close()
        self.broker = self._open()
        return self.broker

    async def now_and_reopened(self) -> AsyncIterator[Broker]:
        """The broker as it is, then as a new process finds it."""
        yield self.broker
        yield await self.reopen()

    async def recreate(self, topic: str) -> Broker:
        """Somebody deletes the topic, or all there is, and makes it anew."""
        await self.broker.close()
        if self._memory:
            self._memory.recreate(topic)
        else:
            self._path.unlink()
        self.broker = self._open()
        return self.broker


def draft(text: str, *, size: int = 0) -> Draft:
    return Draft(b"key", text.encode() + b"." * size, (("n", text.encode()),))


def drafts(first: int, count: int) -> list[Draft]:
    return [draft(str(n)) for n in range(first, first + count)]


def texts(records: Sequence[Record]) -> list[str]:
    return [(record.header("n") or b"").decode() for record in records]


async def all_of(broker: Broker, topic: str = JOURNAL, partition: int = 0) -> list[Record]:
    """Everything that can be read, by many small reads."""
    found: list[Record] = []
    offset = await broker.begin(topic, partition)
    while records := await broker.read(topic, partition, offset, records_max=7):
        found += records
        offset = records[-1].offset + 1
    return found
