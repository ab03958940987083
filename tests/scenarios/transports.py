"""Every kind of log that stories are played on. A new one is one function here."""

import secrets
from pathlib import Path

from kafka import topics
from tocsin.runtime.broker import Broker
from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.runtime.kafka.connection import Connection
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.scenario import Transport


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
        return await KafkaBroker.open(connection, clock=clock)

    return Transport(f"kafka-{partitions}", partitions, open_log)


REFERENCE = in_memory(1)
"""What the others have to agree with."""
TRANSPORTS = (REFERENCE, in_memory(4), in_memory(4, kafka_like=True), embedded(1), embedded(4))
