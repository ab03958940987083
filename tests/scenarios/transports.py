"""Every kind of log that stories are played on. A new one (Kafka) is one line here."""

from pathlib import Path

from tocsin.runtime.broker import Broker
from tocsin.runtime.embedded import EmbeddedBroker
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


REFERENCE = in_memory(1)
"""What the others have to agree with."""
TRANSPORTS = (REFERENCE, in_memory(4), in_memory(4, kafka_like=True), embedded(1), embedded(4))
