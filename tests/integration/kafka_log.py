"""What the tests of the log on Kafka share: a broker port, journals above it, and what a reader sees."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from kafka import topics as kafka_topics
from tocsin.domain.events import Positioned
from tocsin.runtime.broker import Draft, Record
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.journal import Journal, JournalReader
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.runtime.kafka.connection import Connection
from tocsin.testing.toy import toy_world
from tocsin.topics import INCIDENTS, RAW
from tocsin.wire.events import Encoded, counts, decode, encode

JOURNAL, SHARED = INCIDENTS.name, RAW.name
CLOCK = SystemClock()
T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)


def event(word: str) -> Encoded:
    return encode(Positioned(recorded_at=T0, reason=word))


def draft(text: str, size: int = 0) -> Draft:
    return Draft(b"key", text.encode() + b"." * size, (("n", text.encode()),))


def connection(servers: str, prefix: str, **options: Any) -> Connection:
    return Connection(tuple(servers.split(",")), prefix=prefix, **options)


@asynccontextmanager
async def opened(servers: str, prefix: str, **options: Any) -> AsyncIterator[KafkaBroker]:
    """The broker port on topics that are there."""
    broker = await KafkaBroker.open(connection(servers, prefix, **options), clock=CLOCK)
    try:
        yield broker
    finally:
        await broker.close()


@asynccontextmanager
async def fresh(servers: str, *, partitions: int = 1, replicas: int = 1) -> AsyncIterator[KafkaBroker]:
    """The broker port on new topics. They are left to the cluster, which the test owns."""
    prefix = f"f{secrets.token_hex(4)}."
    await kafka_topics.create(servers, prefix, partitions=partitions, replicas=replicas)
    async with opened(servers, prefix) as broker:
        yield broker


def journal(broker: KafkaBroker, member: str, end: int = 0, partition: int = 0) -> Journal:
    """A writer as an owner makes it, with real waiting between its attempts."""
    world = toy_world(broker, CLOCK, member=member)
    world.pause = asyncio.sleep
    return Journal(world, JOURNAL, partition, end)


async def all_of(broker: KafkaBroker, topic: str = JOURNAL, partition: int = 0) -> list[Record]:
    found: list[Record] = []
    offset = await broker.begin(topic, partition)
    while records := await broker.read(topic, partition, offset):
        found += records
        offset = records[-1].offset + 1
    return found


def texts(records: Sequence[Record]) -> list[str]:
    return [(record.header("n") or b"").decode() for record in records]


async def words(broker: KafkaBroker, partition: int = 0) -> list[str]:
    """Reasons (or "claim") of the journal's records that count, in order."""
    found: list[str] = []
    reader = JournalReader(toy_world(broker, CLOCK))
    async for piece in reader.whole(JOURNAL, partition):
        found += [decode(r.headers, r.value).reason or "claim" for r in piece.records]
    return found


async def counted(broker: KafkaBroker, partition: int = 0) -> list[Record]:
    return [record for record in await all_of(broker, JOURNAL, partition) if counts(record.headers, record.offset)]
