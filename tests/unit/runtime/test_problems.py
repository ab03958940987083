"""What a process says is wrong is about what it has now: partitions come and go."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import msgspec
import pytest

from tocsin import topology
from tocsin.domain.events import Positioned
from tocsin.runtime.ingest import GROUP, Mark
from tocsin.runtime.ingest_share import IngestShare
from tocsin.runtime.journal import Journal
from tocsin.runtime.rejects import append_shared
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.supervisor import Supervisor
from tocsin.runtime.world import World
from tocsin.testing.broker import Fault, MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import toy_world
from tocsin.topics import INCIDENTS, NORMALIZED, RAW
from tocsin.wire.events import encode
from tocsin.wire.record import Draft

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def world() -> World:
    clock = VirtualClock(T0)
    world = toy_world(MemoryBroker(clock), clock)

    async def pause(seconds: float) -> None:
        clock.advance(seconds)
        await asyncio.sleep(0)

    world.pause = pause
    return world


async def commit(world: World) -> object:
    return await Journal(world, INCIDENTS.name, 0, 0).commit([encode(Positioned(recorded_at=T0))])


async def publish(world: World) -> object:
    return await append_shared(world, NORMALIZED.name, 0, [Draft(None, b"x")])


@pytest.mark.parametrize(
    ("work", "fault"), [(commit, Fault.UNAVAILABLE), (publish, Fault.UNAVAILABLE), (publish, Fault.DOUBT_LOST)]
)
async def test_work_that_is_cut_off_has_no_problem_any_more(
    world: World, work: Callable[[World], Awaitable[object]], fault: Fault
) -> None:
    assert isinstance(world.broker, MemoryBroker)
    world.broker.fault = lambda *_: fault
    task = asyncio.ensure_future(work(world))
    while not world.problems.lines():  # noqa: ASYNC110 - nobody sets an event for it
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert world.problems.lines() == []


async def test_a_raw_partition_that_others_have_now_is_their_problem(world: World) -> None:
    mark = msgspec.json.encode(Mark("", "another topic", 0)).decode()
    await world.broker.commit(GROUP, {(RAW.name, 0): (5, mark)})
    share = IngestShare(world, SettingsFeed(world), Supervisor(), partial(topology.mapper, 1))
    await share.take(frozenset({(RAW.name, 0)}), 1)
    assert ["source_recreated" in line for line in world.problems.lines()] == [True]
    await share.suspend(1.0)
    await share.take(frozenset(), 2)
    assert world.problems.lines() == []
