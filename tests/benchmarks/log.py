"""A real Kafka for the benchmarks: a broker of its own or a given one, topics filled before anybody reads, offsets.

In: `host:port` of a broker, or nothing. Out: a context with its address, and what is asked and written there with
aiokafka alone; no code of tocsin. The broker has one node, its data on the disk, a heap of 1 GB.
"""

import asyncio
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

sys.path.insert(0, str(Path(__file__).parents[1]))
from kafka.cluster import Cluster
from kafka.topics import delete_prefix

JAVA: Final = ("-Xms1g", "-Xmx1g", "-XX:+UseSerialGC")
PROPERTIES: Final = {"log.segment.bytes": str(256 * 1024 * 1024)}
BATCH_BYTES: Final = 256 * 1024
"""Of one batch that fills a topic: as producers under load make them."""
HEADERS: Final = [("tocsin_format", b"alertmanager")]
SECONDS_MAX: Final = 60.0

Place = tuple[str, int]

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells of leaders that a new topic has not yet


@asynccontextmanager
async def broker(given: str | None) -> AsyncIterator[str]:
    """Bootstrap servers of `given`, of TOCSIN_TEST_KAFKA, or of a broker that lives as long as the context."""
    if found := given or os.environ.get("TOCSIN_TEST_KAFKA"):
        yield found
        return
    directory = Path(tempfile.mkdtemp(prefix="tocsin-benchmark-"))
    cluster = Cluster(directory, properties=PROPERTIES, java=JAVA)
    try:
        await asyncio.to_thread(cluster.start)
        yield cluster.servers
    finally:
        await asyncio.to_thread(cluster.stop)
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def prefixed(servers: str) -> AsyncIterator[str]:
    """A prefix for the topics of one run, which are deleted at its end."""
    prefix = f"b{secrets.token_hex(4)}."
    try:
        yield prefix
    finally:
        await delete_prefix(servers, prefix)


async def create(servers: str, topics: Mapping[str, int]) -> None:
    """Make topics (name -> partitions) for peers; tocsin's are made by `tocsin topics apply`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, count, 1) for name, count in topics.items()])
        async with asyncio.timeout(SECONDS_MAX):
            while not set(topics) <= set(await admin.list_topics()):  # noqa: ASYNC110 - the cluster sets no event of ours
                await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def fill(servers: str, topic: str, values: Iterable[bytes], partitions: int, chunk: int) -> None:
    """Append all values, `chunk` to one partition and then to the next one, and return when they are durable."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", max_batch_size=BATCH_BYTES)
    await producer.start()
    try:
        builders = [producer.create_batch() for _ in range(partitions)]
        last: list[Any] = [None] * partitions
        for number, value in enumerate(values):
            partition = number // chunk % partitions
            if builders[partition].append(key=None, value=value, timestamp=None, headers=HEADERS) is None:
                last[partition] = await producer.send_batch(builders[partition], topic, partition=partition)
                builders[partition] = producer.create_batch()
                builders[partition].append(key=None, value=value, timestamp=None, headers=HEADERS)
        for partition, builder in enumerate(builders):
            if builder.record_count():
                last[partition] = await producer.send_batch(builder, topic, partition=partition)
        await asyncio.gather(*(one for one in last if one is not None))
    finally:
        await producer.stop()


class Reader:
    """Reads partitions of a few topics from their begin on, and asks where they end. Belongs to no group."""

    def __init__(self, servers: str, topics: Sequence[str], partitions: int) -> None:
        self._places = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=servers, auto_offset_reset="earliest", max_partition_fetch_bytes=8 * 1024 * 1024
        )

    async def __aenter__(self) -> "Reader":
        await self._consumer.start()
        self._consumer.assign(self._places)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def ends(self) -> dict[Place, int]:
        """(topic, partition) -> the offset that the next record gets."""
        found = await self._consumer.end_offsets(self._places)
        return {(place.topic, place.partition): end for place, end in found.items()}

    async def to_the_end(self) -> AsyncIterator[Any]:
        """Every record that is there now and has not been given before."""
        ends = await self._consumer.end_offsets(self._places)
        while any([await self._consumer.position(place) < end for place, end in ends.items()]):
            for records in (await self._consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    yield record

    async def some(self) -> list[Any]:
        """What has come, at the latest after half a second."""
        return [one for records in (await self._consumer.getmany(timeout_ms=500)).values() for one in records]


async def committed(servers: str, group: str) -> dict[Place, int]:
    """The positions that a consumer group has stored."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {(place.topic, place.partition): position.offset for place, position in found.items()}
