"""Every kind of log that stories are played on. A new one is one function here."""

import secrets
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kafka import topics
from tocsin.runtime.broker import Broker
from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.runtime.kafka.connection import Connection
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.scenario import Transport
from tocsin.wire.record import Draft, Record


def in_memory(partitions: int, *, kafka_like: bool = False) -> Transport:
    """A log that outlives its processes as an object, by the directory it would lie in."""
    logs: dict[Path, MemoryBroker] = {}

    def open_log(directory: Path, clock: VirtualClock) -> Broker:
        return logs.setdefault(directory, MemoryBroker(clock, partitions, kafka_like=kafka_like))

    kind = "kafka-like" if kafka_like else "memory"
    return Transport(f"{kind}-{partitions}", partitions, open_log)


def embedded(partitions: int) -> Transport:
    def open_log(directory: Path, clock: VirtualClock) -> Broker:
        return EmbeddedBroker.open(directory / "log.sqlite3", partitions=partitions, clock=clock, instance="scenario")

    return Transport(f"embedded-{partitions}", partitions, open_log)


class OnlyWriter:
    """A log to which nobody else appends: where a read has found the end, nothing is asked until the next append. A
    story looks into every partition at every step, and a deadline is a step; on Kafka a day of them is a hundred
    thousand requests that bring nothing. Every other call goes through."""

    def __init__(self, log: Broker) -> None:
        self._log = log
        self._ends: dict[tuple[str, int], int] = {}
        self._appends: Counter[tuple[str, int]] = Counter()
        """Begun and ended ones: a read that meets one does not know the end."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        place = topic, partition
        self._appends[place] += 1
        try:
            return await self._log.append(topic, partition, drafts, expected)
        finally:
            self._appends[place] += 1
            self._ends.pop(place, None)

    async def read(self, topic: str, partition: int, offset: int, **limits: int) -> Sequence[Record]:
        place = topic, partition
        if self._ends.get(place) == offset:
            return ()
        before = self._appends[place]
        records = await self._log.read(topic, partition, offset, **limits)
        if not records and self._appends[place] == before:
            self._ends[place] = offset
        return records


def kafka(servers: str, partitions: int, prefix: str) -> Transport:
    """A real Kafka: one set of topics for each directory, their names beginning with `prefix`. Raw records carry the
    time of whoever appends them, so that the story's time counts and not that of the server."""
    prefixes: dict[Path, str] = {}

    async def open_log(directory: Path, clock: VirtualClock) -> Broker:
        if directory not in prefixes:
            prefixes[directory] = f"{prefix}{secrets.token_hex(3)}."
            await topics.create(
                servers, prefixes[directory], partitions=partitions, settings={"message.timestamp.type": "CreateTime"}
            )
        connection = Connection(tuple(servers.split(",")), prefix=prefixes[directory])
        log: Any = OnlyWriter(await KafkaBroker.open(connection, clock=clock))
        opened: Broker = log
        return opened

    return Transport(f"kafka-{partitions}", partitions, open_log)


REFERENCE = in_memory(1)
"""What the others have to agree with."""
TRANSPORTS = (REFERENCE, in_memory(4), in_memory(4, kafka_like=True), embedded(1), embedded(4))
