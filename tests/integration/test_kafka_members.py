"""A member of a consumer group whose Faust app dies takes the process along: nobody else would notice."""

import asyncio
from pathlib import Path
from typing import ClassVar

import pytest

from integration.kafka_node import running
from kafka import topics
from kafka.cluster import Cluster
from tocsin.runtime.arrivals import Place
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.members import Members
from tocsin.runtime.node import Node

pytestmark = pytest.mark.integration


async def ready(node: Node) -> None:
    """Wait until the node has its partitions."""
    async with asyncio.timeout(30):
        while node.health().problems:  # noqa: ASYNC110 - nobody sets an event for it
            await asyncio.sleep(0.02)


async def test_the_crash_of_an_app_is_the_reason_for_the_end_of_the_process(kafka: str, prefix: str) -> None:
    await topics.create(kafka, prefix)
    async with running(kafka, prefix) as (node, members, _):
        await ready(node)
        await members.members["core"]._app.crash(ValueError("a part of Faust has died"))
        async with asyncio.timeout(10):
            reason = await node.failed()
        assert "a part of Faust has died" in f"{reason} {reason.__cause__}"


class Given:
    """A share that only notes what it was given."""

    name = "ingest"
    topics = ("alerts.raw.v1",)
    readers: ClassVar[dict[str, tuple[str, ...]]] = {"alerts.raw.v1": ("ingest",)}

    def __init__(self) -> None:
        self.taken = asyncio.Event()
        self.held: frozenset[Place] = frozenset()

    async def take(self, held: frozenset[Place], generation: int) -> None:
        self.held = held
        self.taken.set()

    async def suspend(self, grace: float) -> None:
        self.taken.clear()

    async def release(self, grace: float) -> None:
        self.taken.clear()

    def places(self) -> dict[Place, int]:
        return dict.fromkeys(self.held, 0)

    def needed(self) -> dict[Place, int]:
        return self.places()


async def test_a_member_that_joins_while_no_broker_is_there_waits_for_one(tmp_path: Path) -> None:
    with Cluster(tmp_path) as cluster:
        await topics.create(cluster.servers, "")
        connection = Connection((cluster.servers,), prefix="")
        broker = await KafkaBroker.open(connection, clock=SystemClock())
        members, given = Members(connection, broker, member=None), Given()
        (node,) = cluster.nodes
        node.stop()
        await members.join(given)
        failed = asyncio.ensure_future(members.failed())
        async with asyncio.timeout(30):
            while not members.signs()["tocsin.ingest"].trouble:  # noqa: ASYNC110 - nobody sets an event for it
                await asyncio.sleep(0.02)
        await asyncio.to_thread(node.start)
        async with asyncio.timeout(60):
            await asyncio.wait([failed, asyncio.ensure_future(given.taken.wait())], return_when=asyncio.FIRST_COMPLETED)
        assert not failed.done()
        assert given.held == {("alerts.raw.v1", 0)}
        failed.cancel()
        await members.leave(given, 1.0)
        await broker.close()


class Slow(Given):
    """It lets go of its partitions only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()

    async def suspend(self, grace: float) -> None:
        if self.taken.is_set():
            self.asked.set()
            await self.let_go.wait()


@pytest.mark.timeout(180)
async def test_a_stop_does_not_wait_for_a_join_that_the_group_does_not_answer(kafka: str, prefix: str) -> None:
    """The group answers when all have joined, or after two minutes."""
    await topics.create(kafka, prefix)
    connection = Connection((kafka,), prefix=prefix)
    broker = await KafkaBroker.open(connection, clock=SystemClock())
    first, second = (Members(connection, broker, member=None, session=120.0) for _ in range(2))
    slow, given = Slow(), Given()
    try:
        await first.join(slow)
        async with asyncio.timeout(60):
            await slow.taken.wait()
            await second.join(given)
            await slow.asked.wait()
        async with asyncio.timeout(50):
            await second.leave(given, 1.0)
        assert not given.taken.is_set()
    finally:
        slow.let_go.set()
        await first.leave(slow, 1.0)
        await broker.close()


async def test_an_answer_to_a_join_that_was_lost_is_no_other_process(kafka: str, prefix: str) -> None:
    """The group knows the member by an id that it never learned: it joins again, and does not end."""
    await topics.create(kafka, prefix)
    connection = Connection((kafka,), prefix=prefix)
    broker = await KafkaBroker.open(connection, clock=SystemClock())
    members, given = Members(connection, broker, member="named"), Given()
    try:
        await members.join(given)
        async with asyncio.timeout(60):
            await given.taken.wait()
        member = members.members["ingest"]
        coordinator = member._app.consumer.thread._ensure_consumer()._coordinator
        known, coordinator.member_id = coordinator.member_id, "named-of-an-answer-before"
        assert not await member._replaced()
        member.process = "another"
        assert await member._replaced(), "what the group was told names another process"
        coordinator.member_id = known
    finally:
        await members.leave(given, 1.0)
        await broker.close()


async def test_an_app_that_stops_by_itself_is_no_quiet_end(kafka: str, prefix: str) -> None:
    await topics.create(kafka, prefix)
    async with running(kafka, prefix) as (node, members, _):
        await ready(node)
        await members.members["ingest"]._app.stop()
        async with asyncio.timeout(10):
            reason = await node.failed()
        assert "ended by itself" in f"{reason} {reason.__cause__}"


async def test_a_failure_beside_the_way_of_records_ends_the_process(kafka: str, prefix: str) -> None:
    await topics.create(kafka, prefix)
    async with running(kafka, prefix) as (node, members, _):
        await ready(node)
        members.members["core"].share.places = lambda: 1 / 0  # type: ignore[method-assign, return-value]
        async with asyncio.timeout(10):
            reason = await node.failed()
        assert "division" in f"{reason} {reason.__cause__}"
