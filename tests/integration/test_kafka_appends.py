"""Appends to a real Kafka: races, lost answers, identities, sizes. What PROTOCOL §1 and §2 found, found again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import OutOfOrderSequenceNumber

from integration.kafka_log import (
    CLOCK,
    JOURNAL,
    SHARED,
    T0,
    all_of,
    counted,
    draft,
    event,
    fresh,
    journal,
    opened,
    texts,
    words,
)
from kafka import topics as kafka_topics
from kafka.cluster import Cluster, free_ports
from kafka.fixtures import runnable
from kafka.proxy import Proxy
from tocsin.runtime.broker import BATCH_BYTES_MAX, Broken, Doubt, Draft
from tocsin.runtime.journal import JournalReader, Lost
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.testing.toy import toy_world
from tocsin.wire.events import decode

pytestmark = pytest.mark.integration


@pytest.fixture
async def log(kafka: str, prefix: str) -> AsyncIterator[KafkaBroker]:
    await kafka_topics.create(kafka, prefix, partitions=2)
    async with opened(kafka, prefix) as broker:
        yield broker


# Who writes


async def test_four_writers_who_all_believe_they_own_a_journal_write_one_history(log: KafkaBroker, seed: int) -> None:
    """Each claims, counts on from what it has folded, and stalls at random; whoever loses loads anew and claims again.
    Nobody coordinates. What counts is 0, 1, 2, ... once each, in order."""
    random = Random(seed)
    goal, lost = 200, 0

    async def writer(name: str) -> None:
        nonlocal lost
        reader = JournalReader(toy_world(log, CLOCK, member=name))
        numbers = end = 0
        while True:
            while (piece := await reader.read(JOURNAL, 0, end)).next > end:
                numbers += sum(decode(r.headers, r.value).reason != "" for r in piece.records)
                end = piece.next
            if numbers >= goal:
                return
            mine = journal(log, name, end)
            try:
                await mine.claim(T0)
                for _ in range(random.randint(1, 12)):
                    for _ in range(random.choice((0, 0, 0, 3, 30))):
                        await asyncio.sleep(0)
                    count = random.randint(1, 3)
                    await mine.commit([event(str(numbers + n)) for n in range(count)])
                    numbers, end = numbers + count, mine.expected
            except Lost:
                lost += 1

    await asyncio.gather(*(writer(name) for name in "abcd"))
    numbers = [word for word in await words(log) if word != "claim"]
    assert numbers == [str(n) for n in range(len(numbers))]
    assert len(numbers) >= goal
    assert lost > 0, "nobody was ever wrong: this proves nothing"
    assert len(await all_of(log)) > len(await counted(log)), "no stale record lies there: this proves nothing"


async def test_appends_to_many_partitions_run_at_once(log: KafkaBroker) -> None:
    """One that waits does not hold up the others: all are there after one round."""
    rounds = [log.append(topic, p, [draft(f"{topic}{p}")]) for topic in (JOURNAL, SHARED) for p in range(2)]
    assert await asyncio.gather(*rounds) == [0] * 4


# Identities


async def test_a_producer_of_aiokafka_is_worthless_after_a_failed_append(kafka: str, prefix: str) -> None:
    """Why `producer.py` takes a new identity (PROTOCOL §2): a number that is skipped is never forgiven."""
    await kafka_topics.create(kafka, prefix)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(prefix + JOURNAL, b"1", partition=0)
        producer._txn_manager.increment_sequence_number(TopicPartition(prefix + JOURNAL, 0), 1)  # as a lost one does
        for _ in range(2):
            with pytest.raises(OutOfOrderSequenceNumber):
                await producer.send_and_wait(prefix + JOURNAL, b"2", partition=0)
    finally:
        await producer.stop()


async def test_a_lost_sequence_is_made_good_by_a_new_identity(log: KafkaBroker) -> None:
    assert await log.append(JOURNAL, 0, [draft("a")]) == 0
    line = next(line for line in log._producer._lines.values() if line.identity)
    before = line.identity
    line.sequence += 1
    assert await log.append(JOURNAL, 0, [draft("b")]) == 1
    assert line.identity not in (None, before)
    assert texts(await all_of(log)) == ["a", "b"]


async def test_an_identity_is_renewed_long_before_its_numbers_wrap(log: KafkaBroker) -> None:
    await log.append(JOURNAL, 0, [draft("a")])
    line = next(line for line in log._producer._lines.values() if line.identity)
    log._producer._forget(line)
    line.identity = old = await log._producer._identify()
    line.sequence = 2**30  # a broker that has seen nothing of an identity takes any first number
    assert await log.append(JOURNAL, 0, [draft("b")]) == 1
    assert line.identity is None
    assert await log.append(JOURNAL, 0, [draft("c")]) == 2
    assert (line.identity == old, line.sequence) == (False, 1)
    assert texts(await all_of(log)) == ["a", "b", "c"]


# Sizes


async def test_every_batch_that_the_port_allows_goes_in_whole(log: KafkaBroker) -> None:
    """Also one of so many tiny records that their envelopes are larger than they are: it is compressed."""
    largest = [Draft(None, b".") for _ in range(BATCH_BYTES_MAX)]
    assert await log.append(JOURNAL, 0, largest, expected=0) == 0
    assert await log.end(JOURNAL, 0) == len(largest)
    assert await log.append(JOURNAL, 0, [draft("x", BATCH_BYTES_MAX - 3 - 1 - 2)]) == len(largest)


async def test_a_batch_that_the_topic_refuses_says_so(kafka: str, prefix: str) -> None:
    await kafka_topics.create(kafka, prefix, settings={"max.message.bytes": "2000"})
    async with opened(kafka, prefix) as log:
        assert await log.append(JOURNAL, 0, [draft("a")]) == 0
        with pytest.raises(Broken, match=rf"{JOURNAL}/0.* larger than the topic takes.*topics apply"):
            await log.append(JOURNAL, 0, [draft("b", size=3000)])
        assert await log.append(JOURNAL, 0, [draft("c")], expected=1) == 1


async def test_a_draft_that_is_none_is_refused_alone(log: KafkaBroker) -> None:
    wrong = Draft(b"key", "text")  # type: ignore[arg-type]
    outcomes = await asyncio.gather(
        *(log.append(SHARED, 0, [one]) for one in (draft("a"), wrong, draft("b"))), return_exceptions=True
    )
    assert [outcomes[0], type(outcomes[1]), outcomes[2]] == [0, TypeError, 1]


# Lost answers


@pytest.fixture
async def lossy(tmp_path: Path) -> AsyncIterator[tuple[KafkaBroker, Proxy]]:
    """A port to a broker that can be reached through a proxy only."""
    runnable()
    (port,) = free_ports(1)
    cluster = Cluster(tmp_path, properties={"advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}"})
    async with Proxy(cluster.nodes[0].ports["PLAINTEXT"], port) as proxy:
        await asyncio.to_thread(cluster.start)
        try:
            async with fresh(f"127.0.0.1:{port}") as broker:
                yield broker, proxy
        finally:
            cluster.stop()


async def test_an_append_whose_answer_was_lost_is_in_the_log_once(lossy: tuple[KafkaBroker, Proxy]) -> None:
    log, proxy = lossy
    for n in range(5):
        proxy.cut = n % 3
        assert await log.append(JOURNAL, 0, [draft(f"{n}.0"), draft(f"{n}.1")], expected=2 * n) == 2 * n
    assert texts(await all_of(log)) == [f"{n}.{m}" for n in range(5) for m in (0, 1)]
    assert proxy.appends > 5


async def test_a_broker_that_takes_and_never_answers_leaves_a_doubt_in_time(lossy: tuple[KafkaBroker, Proxy]) -> None:
    """All that was sent meanwhile lies there once; a journal reads it back and goes on."""
    log, proxy = lossy
    mine = journal(log, "a")
    await mine.claim(T0)
    proxy.swallow = True
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(Doubt, match=rf"{SHARED}/0.*did not answer|answer in time"):
        await log.append(SHARED, 0, [draft("doubtful")])
    assert loop.time() - started < 20
    commit = asyncio.create_task(mine.commit([event("x"), event("y")]))
    await asyncio.wait([commit], timeout=1)
    assert not commit.done()
    proxy.swallow = False
    await commit
    await mine.commit([event("z")])
    assert await words(log) == ["claim", "x", "y", "z"]
    assert texts(await all_of(log, SHARED)) == ["doubtful"]
