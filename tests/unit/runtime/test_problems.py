"""What keeps tocsin from being ready: said once, as long as it lasts, and no longer; and what is looked after."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tocsin.domain.rules import Rules
from tocsin.runtime.broker import Unavailable
from tocsin.runtime.node import Node
from tocsin.runtime.world import Problems
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock


def test_what_lasts_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    problems = Problems()
    for attempt in range(3, 9):
        problems.put("append a/0", f"attempt {attempt} failed: no right")
    assert problems.lines() == ["append a/0: attempt 8 failed: no right"]
    assert [record.getMessage() for record in caplog.records] == ["append a/0: attempt 3 failed: no right"]
    problems.put("append a/0", "attempt 9 failed: no leader")
    problems.drop("append a/0")
    problems.put("append a/0", "attempt 3 failed: no leader")
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "append a/0: attempt 3 failed: no right",
        "append a/0: attempt 9 failed: no leader",
        "append a/0: attempt 3 failed: no leader",
    ], "another reason is news, and so is the same after it was well"


class Inspected(MemoryBroker):
    """A log whose topics somebody may delete, and that may be away."""

    wrong: tuple[str, ...] = ()
    away = ""

    async def inspect(self) -> list[str]:
        if self.away:
            raise Unavailable(self.away)
        return list(self.wrong)

    async def end(self, topic: str, partition: int) -> int:
        if self.away:
            raise Unavailable(self.away)
        return await super().end(topic, partition)


async def test_topics_that_somebody_deletes_and_a_log_that_is_away() -> None:
    clock = VirtualClock(datetime(2026, 11, 21, tzinfo=UTC))
    broker = Inspected(clock, 1)
    node = Node(broker=broker, clock=clock, instance="test", rules=Rules(), event_log=None, channels={}, partitions=1)
    await node.start()

    async def until(done: Callable[[list[str]], bool]) -> None:
        async with asyncio.timeout(10):
            while not done(node.health().problems):
                clock.advance(1.0)
                await asyncio.sleep(0)

    await until(lambda problems: problems == [])
    broker.wrong = ("topic a does not exist; make it", "topic b was made anew; restart")
    await until(lambda problems: problems == [f"topics: {' and '.join(broker.wrong)}"])
    broker.wrong = ()
    await until(lambda problems: problems == [])
    broker.away = "server h:1: nothing listens there; start Kafka"
    await until(lambda problems: f"log: {broker.away}" in problems)
    broker.away = ""
    await until(lambda problems: problems == [])
    await node.stop(1.0)
