"""A node on Kafka within the process of the test: a process of its own, as far as Kafka knows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tocsin.domain.rules import Rules
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.members import Members
from tocsin.runtime.node import Node
from tocsin.runtime.share import Shared


@asynccontextmanager
async def running(servers: str, prefix: str) -> AsyncIterator[tuple[Node, Members, KafkaBroker]]:
    """A node of ingest and core on the one partition of the topics under `prefix`, which are there; stopped at the
    end."""
    clock, connection = SystemClock(), Connection((servers,), prefix=prefix)
    broker = await KafkaBroker.open(connection, clock=clock)
    members = Members(connection, broker, member=None)
    node = Node(
        broker=broker,
        clock=clock,
        instance="test",
        rules=Rules(),
        event_log=None,
        channels={},
        partitions=1,
        groups=("ingest", "core"),
        shared=Shared(members.arrivals, members, members.lease),
    )
    await node.start()
    try:
        yield node, members, broker
    finally:
        await node.stop()
        await broker.close()
