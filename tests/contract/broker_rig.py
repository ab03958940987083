"""What the contract tests of the brokers share: each kind of log, to be opened, closed and opened again."""

import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest

from kafka import topics as kafka_topics
from tocsin.runtime.broker import Broker, Draft, Record
from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.runtime.kafka.connection import Connection
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.topics import INCIDENTS, RAW, TOPICS

KINDS = ("memory", "kafka-like", "embedded-1", "embedded-4")
"""What needs no broker."""
EVERY_KIND = (*KINDS, *(pytest.param(kind, marks=pytest.mark.integration) for kind in ("kafka-1", "kafka-4")))
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

    remote = False
    """Kept by other processes."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.clock = Wall(START)
        self.kafka_like = kind.startswith("kafka")
        self.partitions = 4 if kind.endswith("4") else 1
        self._memory = (
            MemoryBroker(self.clock, self.partitions, kafka_like=self.kafka_like)
            if kind in ("memory", "kafka-like")
            else None
        )
        self._path = directory / "log.sqlite3"
        self.broker: Broker

    def _embedded(self) -> EmbeddedBroker:
        return EmbeddedBroker.open(self._path, partitions=self.partitions, clock=self.clock, instance="test")

    async def open(self) -> Self:
        """Make what is missing, and open it."""
        self.broker = await self._open()
        return self

    async def _open(self) -> Broker:
        return self._memory or self._embedded()

    async def reopen(self) -> Broker:
        """As a new process finds it. Memory is no disk: there it is the next owner of the same log."""
        await self.broker.close()
        self.broker = await self._open()
        return self.broker

    async def now_and_reopened(self) -> AsyncIterator[Broker]:
        """The broker as it is, then as a new process finds it."""
        yield self.broker
        yield await self.reopen()

    async def recreate(self, topic: str) -> Broker:
        """Somebody deletes the topic, or all there is, and makes it anew."""
        await self.broker.close()
        await self._recreate(topic)
        self.broker = await self._open()
        return self.broker

    async def _recreate(self, topic: str) -> None:
        if self._memory:
            self._memory.recreate(topic)
        else:
            self._path.unlink()

    async def close(self) -> None:
        await self.broker.close()


class KafkaRig(Rig):
    """Topics of a real Kafka under a prefix of their own."""

    remote = True

    def __init__(self, kind: str, directory: Path, servers: str) -> None:
        super().__init__(kind, directory)
        self._servers = servers
        self._prefix = f"c{secrets.token_hex(4)}."

    async def open(self) -> Self:
        await kafka_topics.create(self._servers, self._prefix, partitions=self.partitions)
        self.broker = await self._open()
        return self

    async def _open(self) -> Broker:
        connection = Connection(tuple(self._servers.split(",")), prefix=self._prefix)
        return await KafkaBroker.open(connection, clock=self.clock)

    async def _recreate(self, topic: str) -> None:
        await kafka_topics.delete(self._servers, [self._prefix + topic])
        await kafka_topics.create(
            self._servers, self._prefix, partitions=self.partitions, topics={topic: TOPICS[topic]}
        )

    async def close(self) -> None:
        await self.broker.close()
        await kafka_topics.delete_prefix(self._servers, self._prefix)


async def open_rig(request: pytest.FixtureRequest, directory: Path) -> Rig:
    """The log of the kind that the fixture is asked for."""
    kind = request.param
    if kind in ("kafka-1", "kafka-4"):
        return await KafkaRig(kind, directory, request.getfixturevalue("kafka")).open()
    return await Rig(kind, directory).open()


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
