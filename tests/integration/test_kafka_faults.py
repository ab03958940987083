"""Brokers that stop, are killed, hold still, or lose the others, while journals are written.

What was committed is there, once and in order; what could not be committed says so in time.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from integration.kafka_log import CLOCK, JOURNAL, T0, all_of, connection, draft, event, fresh, journal, words
from kafka.cluster import Cluster
from kafka.fixtures import runnable
from tocsin.runtime.broker import Broken, Doubt, Unavailable
from tocsin.runtime.journal import Journal
from tocsin.runtime.kafka.broker import KafkaBroker

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def one_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    runnable()
    with Cluster(tmp_path_factory.mktemp("kafka") / "cluster") as cluster:
        yield cluster


@pytest.fixture
def cluster(one_kafka: Cluster) -> Cluster:
    """One node that runs, whatever the test before has done to it."""
    (node,) = one_kafka.nodes
    node.resume()
    if not node.running:
        node.start()
        one_kafka.settled()
    return one_kafka


class Writer:
    """Commits one numbered event after the other until it is told to stop."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.written = 0
        self.stop = False

    async def run(self) -> None:
        await self.journal.claim(T0)
        while not self.stop:
            await self.journal.commit([event(str(self.written)), event(f"{self.written}b")])
            self.written += 1

    async def more(self, count: int = 20, seconds: float = 60) -> None:
        """Return when it has committed so many more."""
        goal = self.written + count
        async with asyncio.timeout(seconds):
            while self.written < goal:  # noqa: ASYNC110 - bounded, and the writer sets no event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def writing(log: KafkaBroker, partitions: int = 1) -> AsyncIterator[list[Writer]]:
    """Writers under way; at the end each journal holds exactly what was committed."""
    writers = [Writer(journal(log, f"member-{p}", partition=p)) for p in range(partitions)]
    tasks = [asyncio.create_task(writer.run()) for writer in writers]
    try:
        yield writers
        for writer in writers:
            writer.stop = True
        await asyncio.wait_for(asyncio.gather(*tasks), 60)
    finally:
        for task in tasks:
            task.cancel()
    for partition, writer in enumerate(writers):
        expected = [word for n in range(writer.written) for word in (str(n), f"{n}b")]
        assert [word for word in await words(log, partition) if word != "claim"] == expected


async def test_a_broker_that_goes_and_comes_again_loses_and_doubles_nothing(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    async with fresh(cluster.servers) as log, writing(log) as (writer,):
        for end in (node.stop, node.kill):
            await writer.more()
            await asyncio.to_thread(end)
            await asyncio.to_thread(node.start)
        await writer.more()


async def test_a_broker_that_holds_still_delays_and_loses_nothing(cluster: Cluster) -> None:
    """Longer than an answer is waited for: the connection is given up, and the number says what is a repeat."""
    node = cluster.nodes[0]
    async with fresh(cluster.servers) as log, writing(log) as (writer,):
        await writer.more()
        node.pause()
        await asyncio.wait([asyncio.create_task(writer.more())], timeout=6)
        node.resume()
        await writer.more()


async def test_without_a_broker_every_call_ends_in_time_and_names_it(cluster: Cluster) -> None:
    (node,) = cluster.nodes
    async with fresh(cluster.servers) as log:
        await log.append(JOURNAL, 0, [draft("a")])
        await asyncio.to_thread(node.kill)
        calls = {
            "append": log.append(JOURNAL, 0, [draft("b")]),
            "read": log.read(JOURNAL, 0, 0),
            "end": log.end(JOURNAL, 0),
            "commit": log.commit("g", {(JOURNAL, 0): (1, "")}),
            "committed": log.committed("g", JOURNAL, 0),
            "incarnation": log.incarnation(JOURNAL),
            "open": KafkaBroker.open(connection(cluster.servers, ""), clock=CLOCK),
        }
        loop = asyncio.get_running_loop()
        started = loop.time()
        outcomes = dict(zip(calls, await asyncio.gather(*calls.values(), return_exceptions=True), strict=True))
        assert loop.time() - started < 20
        await log.wait({(JOURNAL, 0): 1}, 0.1)
        for name, outcome in outcomes.items():
            assert isinstance(outcome, Unavailable | Doubt), f"{name}: {outcome!r}"
            assert node.server in str(outcome), f"{name}: {outcome}"
            assert ";" in str(outcome), f"{name} names no remedy: {outcome}"
        started = loop.time()
        waiting = asyncio.create_task(log.append(JOURNAL, 0, [draft("c")]))
        await asyncio.sleep(0)
        await log.close()
        assert loop.time() - started < 10, "closing must not wait for a broker that is away"
        with pytest.raises(Doubt):
            await waiting
        with pytest.raises(Broken, match="closed"):
            await log.end(JOURNAL, 0)


async def test_an_append_cancelled_under_way_leaves_no_hole(cluster: Cluster) -> None:
    """Nobody knows its outcome; those after it are whole."""
    (node,) = cluster.nodes
    async with fresh(cluster.servers) as log:
        await log.append(JOURNAL, 0, [draft("a")])
        node.pause()
        gone = asyncio.create_task(log.append(JOURNAL, 0, [draft("b")]))
        await asyncio.wait([gone], timeout=0.2)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        node.resume()
        await log.append(JOURNAL, 0, [draft("c")])
        assert [record.header("n") for record in await all_of(log)] in ([b"a", b"c"], [b"a", b"b", b"c"])


async def test_one_of_three_may_be_lost(three_kafkas: Cluster) -> None:
    """The leaders of a third of the partitions go with it; every journal goes on."""
    async with fresh(three_kafkas.servers, partitions=3, replicas=3) as log, writing(log, 3) as writers:
        await asyncio.gather(*(writer.more() for writer in writers))
        node = three_kafkas.nodes[1]
        try:
            await asyncio.to_thread(node.kill)
            await asyncio.gather(*(writer.more() for writer in writers))
        finally:
            await asyncio.to_thread(node.start)
            await asyncio.to_thread(three_kafkas.settled)
        await asyncio.gather(*(writer.more() for writer in writers))


async def test_with_two_of_three_lost_nothing_is_accepted_and_nothing_lost(three_kafkas: Cluster) -> None:
    lost = three_kafkas.nodes[1:]
    async with fresh(three_kafkas.servers, replicas=3) as log, writing(log) as (writer,):
        await writer.more()
        try:
            for node in lost:
                await asyncio.to_thread(node.kill)
            await asyncio.wait([asyncio.create_task(writer.more(1000))], timeout=3)
            written = writer.written
            await asyncio.wait([asyncio.create_task(writer.more(1000))], timeout=2)
            assert writer.written == written, "one replica of three took an append"
        finally:
            for node in lost:
                await asyncio.to_thread(node.start, wait=False)
            await asyncio.to_thread(three_kafkas.settled)
        await writer.more()
