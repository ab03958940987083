"""A member of a consumer group whose Faust app dies takes the process along: nobody else would notice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kafka import topics
from tocsin.domain.rules import Rules
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.members import Members
from tocsin.runtime.node import Node
from tocsin.runtime.share import Shared

pytestmark = pytest.mark.integration


@asynccontextmanager
async def running(kafka: str, prefix: str) -> AsyncIterator[tuple[Node, Members]]:
    """A process of its own, as far as Kafka knows, on new topics."""
    await topics.create(kafka, prefix)
    clock, connection = SystemClock(), Connection((kafka,), prefix=prefix)
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
        yield node, members
    finally:
        await node.stop()
        await broker.close()


async def ready(node: Node) -> None:
    """Wait until the node has its partitions."""
    async with asyncio.timeout(30):
        while node.health().problems:  # noqa: ASYNC110 - nobody sets an event for it
            await asyncio.sleep(0.02)


async def test_the_crash_of_an_app_is_the_reason_for_the_end_of_the_process(kafka: str, prefix: str) -> None:
    async with running(kafka, prefix) as (node, members):
        await ready(node)
        await members.members["core"]._app.crash(ValueError("a part of Faust has died"))
        async with asyncio.timeout(10):
            reason = await node.failed()
        assert "a part of Faust has died" in f"{reason} {reason.__cause__}"


async def test_an_app_that_stops_by_itself_is_no_quiet_end(kafka: str, prefix: str) -> None:
    async with running(kafka, prefix) as (node, members):
        await ready(node)
        await members.members["ingest"]._app.stop()
        async with asyncio.timeout(10):
            reason = await node.failed()
        assert "ended by itself" in f"{reason} {reason.__cause__}"


async def test_a_failure_beside_the_way_of_records_ends_the_process(kafka: str, prefix: str) -> None:
    async with running(kafka, prefix) as (node, members):
        await ready(node)
        members.members["core"].share.places = lambda: 1 / 0  # type: ignore[method-assign, return-value]
        async with asyncio.timeout(10):
            reason = await node.failed()
        assert "division" in f"{reason} {reason.__cause__}"
