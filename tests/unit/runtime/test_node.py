"""A whole process on a log in memory, with its loops: start, work, stop, crash, and what it says of itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tocsin.domain.instant import Instant
from tocsin.domain.rules import DOCUMENTS, NotifyRules, Rules
from tocsin.notify.channel import Sent
from tocsin.persist.sqlite import EventLog
from tocsin.runtime.broker import Broken, Doubt, Unavailable
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.node import Node, NotReady
from tocsin.stage import Effect
from tocsin.testing.broker import Fault, MemoryBroker
from tocsin.testing.checker import check
from tocsin.testing.clock import VirtualClock
from tocsin.testing.simulator import export
from tocsin.topics import COMMANDS, INCIDENTS, NORMALIZED, RAW, SETTINGS
from tocsin.wire.record import Draft


class Receiver:
    kind = "test"
    name = "console"
    in_flight_max = 5
    timeout_seconds = 5.0

    def __init__(self) -> None:
        self.journal: list[dict[str, Any]] = []

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        self.journal.append(
            {"delivery_id": effect.delivery_id, "attempt": effect.attempt, "possible_duplicate": possible_duplicate}
        )
        return Sent("delivered", "ok")

    async def close(self) -> None: ...


class Desk:
    def __init__(self, path: Path) -> None:
        self.clock = SystemClock()
        self.broker = MemoryBroker(self.clock, partitions=2)
        self.event_log = EventLog.open(path / "events.sqlite3")
        self.receiver = Receiver()
        self.node: Node

    async def start(self, rules: Rules | None = None, partitions: int = 2) -> Node:
        self.node = Node(
            broker=self.broker,
            clock=self.clock,
            instance="test",
            rules=rules or Rules(),
            event_log=self.event_log,
            channels={"console": self.receiver},
            partitions=partitions,
        )
        await self.node.start()
        return self.node

    async def alerts(self, *names: str) -> int:
        document = [{"title": name, "severity": "critical", "labels": {"service": name}} for name in names]
        return await self.node.publish(RAW.name, 0, [Draft(None, json.dumps(document).encode())])

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not done():  # noqa: ASYNC110 - conditions of all kinds, none of them an event
                await asyncio.sleep(0.001)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    if hasattr(desk, "node"):
        await desk.node.stop(1.0)
    desk.event_log.close()


async def test_alerts_become_incidents_pages_and_rows_and_a_stop_leaves_nothing_behind(desk: Desk) -> None:
    node = await desk.start()
    assert await desk.alerts("a", "b", "c") == 0
    await desk.until(lambda: len(desk.receiver.journal) == 3)
    assert node.health().ready
    await node.stop()
    assert not node.health().ready
    rows = [
        {"topic": topic, "partition": partition, "offset": offset}
        for (topic, partition), following in desk.event_log.high_water().items()
        for offset in range(following)
    ]
    checked = check(await export(desk.broker), desk.receiver.journal, rows)
    assert checked.problems == []
    assert checked.counts["incident.opened"] == 3
    assert b'tocsin_incidents_open{severity="critical"} 3.0' in node.metrics.exposition()


async def test_a_new_process_goes_on_where_the_last_one_stopped(desk: Desk) -> None:
    await desk.start()
    await desk.alerts("a")
    await desk.until(lambda: len(desk.receiver.journal) == 1)
    await desk.node.stop()
    await desk.start()
    await desk.alerts("a", "b")
    await desk.until(lambda: len(desk.receiver.journal) == 2)
    await desk.node.stop()
    checked = check(await export(desk.broker), desk.receiver.journal)
    assert checked.problems == []
    assert checked.counts["incident.opened"] == 2


async def test_settings_are_published_only_when_the_files_say_something_new(desk: Desk) -> None:
    await desk.start()
    assert desk.node.rules.version == len(DOCUMENTS)
    await desk.node.stop()
    await desk.start()
    assert (await desk.broker.end(SETTINGS.name, 0), desk.node.rules.version) == (len(DOCUMENTS) + 1, len(DOCUMENTS))
    await desk.node.stop()
    await desk.start(Rules(notify=NotifyRules(attempts_max=3)))
    assert desk.node.rules.notify.attempts_max == 3
    assert await desk.broker.end(SETTINGS.name, 0) == len(DOCUMENTS) + 3
    assert desk.node.rules.version == len(DOCUMENTS) + 2


async def test_nothing_but_shared_topics_is_published_to_and_only_while_it_runs(desk: Desk) -> None:
    node = await desk.start()
    with pytest.raises(ValueError, match="journal"):
        await node.publish(INCIDENTS.name, 0, [Draft(None, b"{}")])
    await node.stop()
    with pytest.raises(NotReady, match="stopping"):
        await node.publish(RAW.name, 0, [Draft(None, b"{}")])


async def test_a_broken_log_ends_the_process_with_its_reason(desk: Desk) -> None:
    node = await desk.start()

    async def broken(*_: object, **__: object) -> int:
        raise Broken("fsync failed")

    desk.broker.commit = broken  # type: ignore[method-assign, assignment]
    await desk.alerts("a")
    async with asyncio.timeout(10):
        error = await node.failed()
    assert isinstance(error, Broken)
    assert node.health().problems[0] == "crashed: fsync failed"
    with pytest.raises(NotReady):
        await desk.alerts("b")


async def test_a_lost_source_stops_its_partition_and_is_named(desk: Desk) -> None:
    await desk.start()
    await desk.node.publish(COMMANDS.name, 1, [Draft(None, b"x"), Draft(None, b"y")])
    await desk.until(lambda: desk.node.health().ready)
    await desk.node.stop()
    desk.broker.recreate(COMMANDS.name)
    node = await desk.start()
    problems = node.health().problems
    assert any(line.startswith("partition 1: source_recreated: incidents.commands.v1/1") for line in problems)
    assert not any(line.startswith("partition 0") for line in problems)


async def test_a_log_that_lost_its_tail_is_named(desk: Desk, tmp_path: Path) -> None:
    await desk.start()
    await desk.alerts("a")
    await desk.until(lambda: len(desk.receiver.journal) == 1)
    await desk.node.stop()
    desk.broker = MemoryBroker(desk.clock, partitions=2)
    node = await desk.start()
    await desk.until(lambda: any("records are lost" in line for line in node.health().problems))
    assert not node.health().ready


async def test_another_partition_count_is_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="has 2 partitions, the settings say 4"):
        await desk.start(partitions=4)
    del desk.node


async def test_a_fault_of_the_log_delays_and_loses_nothing(desk: Desk) -> None:
    await desk.start()
    faults = [Fault.UNAVAILABLE, Fault.DOUBT_LOST, None, Fault.DOUBT_WRITTEN, None, Fault.UNAVAILABLE]
    desk.broker.fault = lambda op, *_: faults.pop() if op == "append" and faults else None
    desk.node._world.random.random = lambda: 0.0  # type: ignore[method-assign]
    for name in "abc":
        try:
            await desk.alerts(name)
        except Doubt:
            await desk.alerts(name)  # as a client does that got no answer
    await desk.until(lambda: len(desk.receiver.journal) == 3)
    await desk.node.stop()
    assert check(await export(desk.broker), desk.receiver.journal).problems == []


class Forgetful(MemoryBroker):
    """A log that is told what it has to keep."""

    kept: dict[tuple[str, int], int] | None = None

    async def retain(self, now: Instant, keep: Mapping[tuple[str, int], int] | None = None) -> int:
        self.kept = dict(keep or {})
        return 0


async def test_retention_keeps_what_a_new_owner_would_read(tmp_path: Path) -> None:
    clock = VirtualClock(datetime(2026, 11, 21, tzinfo=UTC))
    broker = Forgetful(clock)
    node = Node(broker=broker, clock=clock, instance="t", rules=Rules(), event_log=None, channels={}, partitions=1)
    await node.start()
    for name in "ab":
        await node.publish(RAW.name, 0, [Draft(None, json.dumps({"title": name}).encode())])
    async with asyncio.timeout(10):
        while broker.kept is None:
            clock.advance(100)
            await asyncio.sleep(0)
    clock.advance(1000)
    async with asyncio.timeout(10):
        while broker.kept != {
            (RAW.name, 0): 2,
            (NORMALIZED.name, 0): await broker.end(NORMALIZED.name, 0),
            (COMMANDS.name, 0): 0,
        }:
            clock.advance(100)
            await asyncio.sleep(0)
    await node.stop()


async def test_a_log_that_cannot_be_waited_for_is_asked_again(desk: Desk) -> None:
    wait, refused = desk.broker.wait, 0

    async def refuse(*arguments: Any) -> None:
        nonlocal refused
        refused += 1
        if refused < 10:
            raise Unavailable("busy")
        await wait(*arguments)

    desk.broker.wait = refuse  # type: ignore[method-assign, assignment]
    await desk.start()
    await desk.until(lambda: refused > 10)
    await desk.alerts("a")
    await desk.until(lambda: len(desk.receiver.journal) == 1)
