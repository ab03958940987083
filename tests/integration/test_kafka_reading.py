"""What other software may have put into a topic, and what reading makes of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

from integration.kafka_log import JOURNAL, SHARED, all_of, draft, opened, texts
from kafka import topics as kafka_topics
from tocsin.runtime.broker import Broken
from tocsin.runtime.kafka.broker import KafkaBroker
from tocsin.runtime.kafka.cluster import Cluster
from tocsin.topics import STATE

pytestmark = pytest.mark.integration


@pytest.fixture
async def log(kafka: str, prefix: str) -> AsyncIterator[KafkaBroker]:
    await kafka_topics.create(kafka, prefix)
    async with opened(kafka, prefix) as broker:
        yield broker


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd", None])
async def test_batches_of_every_codec_are_read_and_written(
    log: KafkaBroker, kafka: str, prefix: str, codec: str | None
) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka, compression_type=codec, linger_ms=20) as producer:
        sends = [await producer.send(prefix + SHARED, b"x" * 2000, headers=[("n", b"%d" % n)]) for n in range(50)]
        await asyncio.gather(*sends)
    assert texts(await all_of(log, SHARED)) == [str(n) for n in range(50)]
    ours = await KafkaBroker.open(log._connection, clock=log._producer._clock, compression=codec)
    try:
        assert await ours.append(JOURNAL, 0, [draft(str(n), 2000) for n in range(50)], expected=0) == 0
    finally:
        await ours.close()
    assert texts(await all_of(log)) == [str(n) for n in range(50)]
    assert len(await log.read(JOURNAL, 0, 20, records_max=5)) == 5


async def test_a_codec_whose_library_is_missing_is_named_with_the_remedy(
    log: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = await KafkaBroker.open(log._connection, clock=log._producer._clock, compression="zstd")
    try:
        await ours.append(JOURNAL, 0, [draft(str(n), 2000) for n in range(9)])
    finally:
        await ours.close()
    monkeypatch.setattr("aiokafka.codec.cramjam", None)
    with pytest.raises(Broken, match=rf"{JOURNAL}/0.*offset 0.*codec.*install"):
        await log.read(JOURNAL, 0, 0)


async def test_marks_of_transactions_are_stepped_over(log: KafkaBroker, kafka: str, prefix: str) -> None:
    """They take offsets and are no records; what was aborted is read, as everything else of an uncommitted read."""
    async with AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{prefix}x") as producer:
        for n in range(3):
            async with producer.transaction():
                await producer.send_and_wait(prefix + SHARED, b"x", headers=[("n", b"%d" % n)])
    found = await all_of(log, SHARED)
    assert texts(found) == ["0", "1", "2"]
    assert [record.offset for record in found] == [0, 2, 4]
    assert await log.end(SHARED, 0) == 6
    assert list(await log.read(SHARED, 0, 5)) == [], "nothing but a mark is left"


async def test_holes_that_compaction_leaves_are_stepped_over(log: KafkaBroker, kafka: str, prefix: str) -> None:
    """Also whole batches of them. The broker compacts when it likes: it is asked to like it soon."""
    topic = STATE.name
    await kafka_topics.delete(kafka, [prefix + topic])
    await kafka_topics.create(
        kafka,
        prefix,
        topics={topic: STATE},
        settings={"segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0.001", "min.compaction.lag.ms": "0"},
    )
    for _ in range(40):
        await log.append(topic, 0, [draft(f"{n}", 50_000) for n in range(3)])

    async def compacted() -> bool:
        return len(await all_of(log, topic)) < 60

    async with asyncio.timeout(50):
        while not await compacted():  # noqa: ASYNC110 - the broker says to nobody when it is done
            await asyncio.sleep(0.2)
    for offset in range(0, 120, 7):
        # It goes on compacting meanwhile: what is there after a read was there during it, and the read finds it or,
        # where it still was, a record before it.
        records = await log.read(topic, 0, offset, records_max=1)
        found = [record.offset for record in await all_of(log, topic)]
        assert found == sorted(set(found))
        assert found[-1] == 119
        assert offset <= records[0].offset <= next(one for one in found if one >= offset)


async def test_a_wait_ends_with_an_append_of_another_process(log: KafkaBroker, kafka: str, prefix: str) -> None:
    wait = asyncio.create_task(log.wait({(SHARED, 0): 0, (JOURNAL, 0): 0}, 30))
    await asyncio.wait([wait], timeout=0.3)
    assert not wait.done()
    async with opened(kafka, prefix) as other:
        await other.append(JOURNAL, 0, [draft("a")])
    async with asyncio.timeout(5):
        await wait
    async with asyncio.timeout(5):
        await log.wait({(JOURNAL, 0): 0}, 30)


async def test_many_waits_share_a_poll(log: KafkaBroker) -> None:
    waits = [asyncio.create_task(log.wait({(JOURNAL, 0): n}, 30)) for n in range(50)]
    await asyncio.wait(waits, timeout=0.3)
    assert not any(wait.done() for wait in waits)
    assert len(log._watch._polls) == 1
    async with asyncio.timeout(5):
        await log.append(JOURNAL, 0, [draft(str(n)) for n in range(25)])
        await asyncio.gather(*waits[:25])
        assert not any(wait.done() for wait in waits[25:])
        await log.append(JOURNAL, 0, [draft(str(n)) for n in range(25)])
        await asyncio.gather(*waits)


async def test_a_wait_for_what_lies_beyond_the_end_costs_little(log: KafkaBroker) -> None:
    """A position may lie there when a topic was made anew; the poll must not spin."""
    before = log._cluster.version
    await log.wait({(JOURNAL, 0): 99}, 1.2)
    assert log._cluster.version - before < 10


async def test_positions_go_through_the_member_that_is_attached(log: KafkaBroker) -> None:
    through: list[object] = []

    async def committer(positions: object) -> None:
        through.append(positions)

    log.attach("g", committer)
    await log.commit("g", {(JOURNAL, 0): (3, "m")})
    assert through == [{(JOURNAL, 0): (3, "m")}]
    assert await log.committed("g", JOURNAL, 0) is None
    log.detach("g")
    await log.commit("g", {(JOURNAL, 0): (3, "m")})
    assert await log.committed("g", JOURNAL, 0) == (3, "m")


async def test_a_topic_that_vanishes_is_named(log: KafkaBroker, kafka: str, prefix: str) -> None:
    await kafka_topics.delete(kafka, [prefix + JOURNAL])
    with pytest.raises(Broken, match=rf"{prefix}{JOURNAL}.*does not exist.*topics apply"):
        await log.incarnation(JOURNAL)
    with pytest.raises(Broken, match=rf"{prefix}{JOURNAL}/0.*does not exist.*topics apply"):
        await log.read(JOURNAL, 0, 0)


async def test_nothing_is_connected_twice(log: KafkaBroker) -> None:
    cluster: Cluster = log._cluster
    await asyncio.gather(*(log.end(JOURNAL, 0) for _ in range(30)), *(log.read(SHARED, 0, 0) for _ in range(30)))
    assert {purpose for _, purpose in cluster._links} == {"metadata", "read"}
