"""Several processes on one log, each with its own shares: partitions go to and fro, and one does not notice.

The log is one that takes stale appends as Kafka does; the dealing is done by hand. The judge is the checker.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from random import Random
from typing import Any

import pytest

from tocsin.domain.rules import Rules
from tocsin.notify.channel import Sent
from tocsin.runtime.arrivals import Place, Polled
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.lease import Forever, Lease
from tocsin.runtime.node import Node
from tocsin.runtime.share import Share, Shared
from tocsin.runtime.watch import Signs
from tocsin.stage import Effect
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.checker import check
from tocsin.testing.simulator import export
from tocsin.topics import INCIDENTS, RAW
from tocsin.wire.record import Draft

PARTITIONS = 4


class Receiver:
    kind = "test"
    name = "console"
    in_flight_max = 50
    timeout_seconds = 1.0

    def __init__(self) -> None:
        self.journal: list[dict[str, Any]] = []

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        self.journal.append(
            {"delivery_id": effect.delivery_id, "attempt": effect.attempt, "possible_duplicate": possible_duplicate}
        )
        return Sent("delivered", "ok")

    async def close(self) -> None: ...


class Dealt:
    """A membership whose partitions are dealt by hand. Ingest has everything or nothing."""

    def __init__(self) -> None:
        self.shares: dict[str, Share] = {}
        self.generation = 0

    async def join(self, share: Share) -> None:
        self.shares[share.name] = share
        await share.take(frozenset(), 0)

    async def leave(self, share: Share, grace: float) -> None:
        await share.release(grace)

    async def give(self, name: str, partitions: Iterable[int]) -> None:
        share = self.shares[name]
        self.generation += 1
        held: frozenset[Place] = frozenset((topic, p) for topic in share.topics for p in partitions)
        await share.take(held, self.generation)

    def signs(self) -> Mapping[str, Signs]:
        return {}

    async def failed(self) -> BaseException:
        await asyncio.Event().wait()
        raise AssertionError


class Table:
    """Processes on one log."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.broker = MemoryBroker(self.clock, PARTITIONS, kafka_like=True)
        self.receiver = Receiver()
        self.nodes: list[Node] = []
        self.dealt: list[Dealt] = []
        self.published = 0

    async def sit(self, lease: Lease | None = None) -> None:
        dealt = Dealt()
        node = Node(
            broker=self.broker,
            clock=self.clock,
            instance="shared",
            rules=Rules(),
            event_log=None,
            channels={"console": self.receiver},
            partitions=PARTITIONS,
            shared=Shared(Polled(self.broker), dealt, lease or Forever()),
        )
        await node.start()
        self.nodes.append(node)
        self.dealt.append(dealt)

    async def deal(self, core: Mapping[int, Iterable[int]], *, blind: int | None = None) -> None:
        """A rebalance: everybody but `blind` lets go, then each takes what `core` says."""
        seen = [index for index in range(len(self.dealt)) if index != blind]
        for index in seen:
            await self.dealt[index].shares["core"].suspend(5.0)
        for index in seen:
            await self.dealt[index].give("core", core.get(index, ()))

    async def alerts(self, count: int) -> None:
        for _ in range(count):
            self.published += 1
            labels = {"service": f"s{self.published % 37}", "alertname": f"a{self.published}"}
            value = json.dumps({"title": f"t{self.published}", "severity": "high", "labels": labels}).encode()
            await self.broker.append(RAW.name, self.published % PARTITIONS, [Draft(None, value)])

    async def rest(self) -> None:
        """Until the log does not grow any more."""
        before: list[int] = []
        async with asyncio.timeout(20):
            while True:
                now = [
                    await self.broker.end(t, p) for t in (INCIDENTS.name, "notifications.events.v1") for p in range(4)
                ]
                if now == before:
                    return
                before = now
                await self.clock.wait(asyncio.Event(), 0.3)


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    table = Table()
    yield table
    for node in table.nodes:
        await node.stop(2.0)


async def judged(table: Table) -> dict[str, int]:
    for node in table.nodes:
        assert node.health().problems == []
        await node.stop(2.0)
    table.nodes.clear()
    checked = check(await export(table.broker), table.receiver.journal)
    assert checked.problems == []
    assert checked.counts["alerts"] == table.published
    return checked.counts


async def test_partitions_go_to_and_fro_under_load_and_nothing_is_lost_or_doubled(table: Table, seed: int) -> None:
    chance = Random(seed)
    for _ in range(3):
        await table.sit()
    await table.dealt[0].give("ingest", range(PARTITIONS))
    for _ in range(12):
        owners = {index: [p for p in range(PARTITIONS) if (p + chance.randrange(3)) % 3 == index] for index in range(3)}
        taken: set[int] = set()
        for index, partitions in owners.items():
            owners[index] = [p for p in partitions if p not in taken]
            taken.update(owners[index])
        await asyncio.gather(table.alerts(20), table.deal(owners))
    await table.deal({0: range(PARTITIONS)})
    await table.rest()
    await judged(table)


async def test_who_was_not_told_writes_nothing_that_counts(table: Table) -> None:
    await table.sit()
    await table.sit()
    await table.dealt[0].give("ingest", range(PARTITIONS))
    await table.deal({0: range(PARTITIONS)})
    await table.alerts(40)
    await asyncio.gather(table.alerts(40), table.deal({1: range(PARTITIONS)}, blind=0))
    # The first still believes that it has them: both work, each throws the other out again and again.
    await table.alerts(20)
    await table.dealt[0].shares["core"].suspend(5.0)
    await table.dealt[0].give("core", ())
    await table.rest()
    counts = await judged(table)
    assert counts["journal.claimed"] > 3 * 2 * PARTITIONS


class Unheard(Forever):
    """The group says no more to this process."""

    async def renewed(self) -> None:
        await asyncio.Event().wait()


async def test_who_has_lost_and_waits_for_the_group_lets_go_at_once(
    table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    await table.sit(Unheard())
    await table.sit()
    await table.dealt[1].give("ingest", range(PARTITIONS))
    await table.deal({0: range(PARTITIONS)})
    await table.deal({1: range(PARTITIONS)}, blind=0)
    await table.alerts(40)
    async with asyncio.timeout(20):
        while caplog.text.count("is loaded anew") < PARTITIONS:  # noqa: ASYNC110 - nobody sets an event for it
            await asyncio.sleep(0.01)
    share = table.dealt[0].shares["core"]
    async with asyncio.timeout(20):  # far below the grace: nothing there has to be finished
        await share.suspend(600.0)
    assert share.places() == {}
    await share.take(frozenset(), 2)
    await table.rest()
    await judged(table)


async def test_a_partition_that_comes_back_untouched_is_not_loaded_again(table: Table) -> None:
    await table.sit()
    await table.deal({0: range(PARTITIONS)})
    await table.alerts(10)
    loads = b"tocsin_partition_loads_total 4.0"
    assert loads in table.nodes[0].metrics.exposition()
    for _ in range(3):
        await table.deal({0: range(PARTITIONS)})
    assert loads in table.nodes[0].metrics.exposition()
    await table.dealt[0].give("ingest", range(PARTITIONS))
    await table.rest()
    await judged(table)


async def test_a_partition_that_is_held_in_some_sources_only_is_not_worked_on(table: Table) -> None:
    await table.sit()
    share = table.dealt[0].shares["core"]
    some = frozenset((topic, p) for topic in share.topics for p in range(2)) | {(share.topics[0], 2)}
    await share.take(some, 1)
    assert {p for _, p in share.places()} == {0, 1}
    assert table.nodes[0].health().problems == [f"partition 2: held only in {share.topics[0]}; it is not worked on"]
    await share.take(frozenset(), 2)
    assert table.nodes[0].health().problems == []
