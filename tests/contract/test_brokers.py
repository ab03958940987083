"""The broker port, sentence by sentence, on every implementation: topics, append and read.

What one cannot do is a strict xfail. `test_brokers_keeping.py` goes on with time, trim, wait and positions.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random

import pytest

from contract.broker_rig import EVERY_KIND, JOURNAL, SHARED, Rig, all_of, draft, drafts, open_rig, texts
from tocsin.runtime.broker import BATCH_BYTES_MAX, Broker, Conflict, Draft, Record
from tocsin.topics import SETTINGS, TOPICS
from tocsin.wire.events import counts


@pytest.fixture(params=EVERY_KIND)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    rig = await open_rig(request, tmp_path)
    yield rig
    await rig.close()


# Topics and partitions


async def test_every_topic_has_its_partitions_and_each_takes_records(rig: Rig) -> None:
    for topic in TOPICS.values():
        assert rig.broker.partitions(topic.name) == (topic.partitions or rig.partitions)
        for partition in range(rig.broker.partitions(topic.name)):
            assert await rig.broker.append(topic.name, partition, [draft(f"{topic.name}/{partition}")]) == 0
    for name in TOPICS:
        for partition in range(rig.broker.partitions(name)):
            assert texts(await all_of(rig.broker, name, partition)) == [f"{name}/{partition}"]
    assert rig.broker.partitions(SETTINGS.name) == 1


CALLS: dict[str, Callable[[Broker, str, int], Awaitable[object]]] = {
    "append": lambda broker, topic, partition: broker.append(topic, partition, [draft("a")]),
    "read": lambda broker, topic, partition: broker.read(topic, partition, 0),
    "begin": lambda broker, topic, partition: broker.begin(topic, partition),
    "end": lambda broker, topic, partition: broker.end(topic, partition),
    "wait": lambda broker, topic, partition: broker.wait({(topic, partition): 0}, 0),
    "commit": lambda broker, topic, partition: broker.commit("g", {(topic, partition): (0, "")}),
    "committed": lambda broker, topic, partition: broker.committed("g", topic, partition),
    "trim": lambda broker, topic, partition: broker.trim(topic, partition, 0),
}


@pytest.mark.parametrize("call", CALLS)
async def test_an_unknown_topic_or_partition_is_named(rig: Rig, call: str) -> None:
    for topic, partition, name in (("no.such", 0, "no.such"), (JOURNAL, 9, f"{JOURNAL}/9"), (JOURNAL, -1, "/-1")):
        with pytest.raises(LookupError, match=name):
            await CALLS[call](rig.broker, topic, partition)


async def test_an_unknown_topic_has_neither_partitions_nor_an_incarnation(rig: Rig) -> None:
    with pytest.raises(LookupError, match=r"no\.such"):
        rig.broker.partitions("no.such")
    with pytest.raises(LookupError, match=r"no\.such"):
        await rig.broker.incarnation("no.such")


# Append


async def test_offsets_rise_by_one_from_zero(rig: Rig) -> None:
    assert (await rig.broker.begin(JOURNAL, 0), await rig.broker.end(JOURNAL, 0)) == (0, 0)
    firsts = [await rig.broker.append(JOURNAL, 0, drafts(0, count)) for count in (1, 3, 2)]
    assert firsts == [0, 1, 4]
    assert await rig.broker.end(JOURNAL, 0) == 6
    assert [record.offset for record in await all_of(rig.broker)] == list(range(6))


async def test_an_append_at_the_expected_end_takes_effect(rig: Rig) -> None:
    assert await rig.broker.append(JOURNAL, 0, drafts(0, 2), expected=0) == 0
    assert await rig.broker.append(JOURNAL, 0, drafts(2, 1), expected=2) == 2
    assert texts(await all_of(rig.broker)) == ["0", "1", "2"]


@pytest.mark.parametrize("expected", [0, 1, 3, 99])
async def test_an_append_that_expects_another_end_is_a_conflict(rig: Rig, expected: int) -> None:
    await rig.broker.append(JOURNAL, 0, drafts(0, 2), expected=0)
    with pytest.raises(Conflict, match=rf"{JOURNAL}/0 ends at 2, not at {expected}"):
        await rig.broker.append(JOURNAL, 0, drafts(7, 2), expected=expected)


async def test_a_conflict_leaves_nothing_behind(rig: Rig, request: pytest.FixtureRequest) -> None:
    if rig.kafka_like:
        request.applymarker(
            pytest.mark.xfail(reason="Kafka knows no expected offset: the batch lies there", strict=True)
        )
    await rig.broker.append(JOURNAL, 0, drafts(0, 2), expected=0)
    with pytest.raises(Conflict):
        await rig.broker.append(JOURNAL, 0, drafts(7, 2), expected=1)
    assert texts(await all_of(rig.broker)) == ["0", "1"]
    assert await rig.broker.append(JOURNAL, 0, drafts(2, 1), expected=2) == 2


@pytest.mark.parametrize("batch", [[], [draft("a", size=BATCH_BYTES_MAX)], [draft("a", size=BATCH_BYTES_MAX // 2)] * 2])
async def test_a_batch_that_is_empty_or_too_large_is_refused_whole(rig: Rig, batch: list[Draft]) -> None:
    with pytest.raises(ValueError, match=r"in one append|at least one"):
        await rig.broker.append(JOURNAL, 0, batch)
    assert await rig.broker.end(JOURNAL, 0) == 0


async def test_a_batch_of_the_largest_size_is_taken(rig: Rig) -> None:
    largest = [draft("a", size=BATCH_BYTES_MAX - draft("a").size)]
    assert await rig.broker.append(JOURNAL, 0, largest) == 0
    assert [record.value for record in await all_of(rig.broker)] == [largest[0].value]


async def test_concurrent_appends_lie_one_after_the_other_each_whole(rig: Rig) -> None:
    batches = {f"{n}": [draft(f"{n}.{m}") for m in range(1 + n % 5)] for n in range(60)}
    firsts = await asyncio.gather(*(rig.broker.append(SHARED, 0, batch) for batch in batches.values()))
    found = texts(await all_of(rig.broker, SHARED))
    assert len(found) == sum(map(len, batches.values()))
    for first, batch in zip(firsts, batches.values(), strict=True):
        assert found[first : first + len(batch)] == texts([Record(0, 0, *item) for item in batch])


async def test_of_concurrent_appends_at_one_expected_end_one_takes_effect(rig: Rig) -> None:
    outcomes = await asyncio.gather(
        *(rig.broker.append(JOURNAL, 0, [draft(str(n))], expected=0) for n in range(20)), return_exceptions=True
    )
    assert [outcome for outcome in outcomes if not isinstance(outcome, Conflict)] == [0]


async def test_four_writers_who_all_believe_they_own_a_partition_write_one_history(rig: Rig, seed: int) -> None:
    """PROTOCOL §1: only records count that lie where their writer expected them. Each writer counts on from what
    it has seen; stalled at random, it writes on what is no longer true."""
    random = Random(seed)
    goal, conflicts = (40 if rig.remote else 100), 0

    async def writer(name: str) -> None:
        nonlocal conflicts
        expected = counted = 0
        while True:
            for record in await rig.broker.read(JOURNAL, 0, expected):
                expected = record.offset + 1
                counted += counts(record.headers, record.offset)
            if counted >= goal:
                return
            for _ in range(random.choice((0, 0, 1, 5, 40))):
                await asyncio.sleep(0)
            stamped = [
                Draft(name.encode(), b"%d" % (counted + n), (("ce_sequence", b"%020d" % (expected + n)),))
                for n in range(random.randint(1, 3))
            ]
            try:
                await rig.broker.append(JOURNAL, 0, stamped, expected=expected)
            except Conflict:
                conflicts += 1

    await asyncio.gather(*(writer(name) for name in "abcd"))
    counted = [record for record in await all_of(rig.broker) if counts(record.headers, record.offset)]
    assert [int(record.value or b"") for record in counted] == list(range(len(counted)))
    assert len(counted) >= goal
    assert conflicts > 0, "nobody was ever wrong: this proves nothing"


# Read


async def test_a_record_is_what_was_appended(rig: Rig) -> None:
    odd = [
        Draft(None, None),
        Draft(b"", b""),
        Draft(b"\0\xff", bytes(range(256)), (("b", b""), ("a", b"1"), ("a", b"2"), ("ä", b"\0"))),
    ]
    await rig.broker.append(JOURNAL, 0, odd)
    async for broker in rig.now_and_reopened():
        assert [(r.key, r.value, r.headers) for r in await all_of(broker)] == odd


async def test_all_is_the_same_after_it_was_opened_again(rig: Rig, seed: int) -> None:
    random = Random(seed)
    for n in range(40):
        rig.clock.advance(random.random())
        await rig.broker.append(JOURNAL, 0, [draft(f"{n}.{m}", size=random.randint(0, 3000)) for m in range(1 + n % 9)])
    before = await all_of(rig.broker)
    broker = await rig.reopen()
    assert await all_of(broker) == before
    assert await broker.append(JOURNAL, 0, [draft("on")], expected=len(before)) == len(before)
    assert await all_of(broker) == [*before, *await broker.read(JOURNAL, 0, len(before))]


@pytest.mark.parametrize("reopened", [False, True])
async def test_a_read_keeps_its_limits(rig: Rig, reopened: bool) -> None:
    for n in range(0, 30, 3):
        await rig.broker.append(JOURNAL, 0, [draft(str(m), size=100) for m in range(n, n + 3)])
    broker = await rig.reopen() if reopened else rig.broker
    size = draft("00", size=100).size
    for offset in (0, 1, 2, 27, 29):
        for count in (1, 2, 3, 7, 100):
            found = await broker.read(JOURNAL, 0, offset, records_max=count)
            assert [record.offset for record in found] == list(range(offset, min(offset + count, 30)))
        for bytes_max in (0, 1, size, 4 * size, 9 * size + 3):
            found = await broker.read(JOURNAL, 0, offset, bytes_max=bytes_max)
            assert [record.offset for record in found] == list(range(offset, offset + len(found)))
            assert len(found) == 1 or sum(Draft(*record[2:]).size for record in found) <= bytes_max
            assert found


async def test_one_record_is_read_whatever_its_size(rig: Rig) -> None:
    await rig.broker.append(JOURNAL, 0, [draft("large", size=800_000)])
    async for broker in rig.now_and_reopened():
        assert texts(await broker.read(JOURNAL, 0, 0, bytes_max=10)) == ["large"]


async def test_at_and_beyond_the_end_there_is_nothing(rig: Rig) -> None:
    assert list(await rig.broker.read(JOURNAL, 0, 0)) == []
    await rig.broker.append(JOURNAL, 0, drafts(0, 2))
    assert list(await rig.broker.read(JOURNAL, 0, 2)) == []
    assert list(await rig.broker.read(JOURNAL, 0, 99)) == []


# All together


async def test_any_sequence_of_calls_agrees_with_a_list(rig: Rig, seed: int) -> None:
    """A plain list with a begin is all that a partition is."""
    random = Random(seed)
    log: list[str] = []
    begin = 0
    for step in range(150):
        broker = rig.broker
        match random.choices(("append", "read", "trim", "reopen"), (6, 6, 1, 0.3))[0]:
            case "append":
                batch = [f"{step}.{m}" for m in range(random.randint(1, 6))]
                items = [draft(text, size=random.choice((0, 10, 2000))) for text in batch]
                assert await broker.append(JOURNAL, 0, items, random.choice((None, len(log)))) == len(log)
                log += batch
            case "read":
                offset = random.randint(0, len(log) + 2)
                found = await broker.read(JOURNAL, 0, offset, records_max=random.randint(1, 20), bytes_max=9_000)
                start = max(offset, begin)
                assert texts(found) == log[start : start + len(found)]
                assert bool(found) == (start < len(log))
            case "trim":
                before = random.randint(0, len(log))
                await broker.trim(JOURNAL, 0, before)
                begin = max(begin, before)
            case "reopen":
                await rig.reopen()
        assert (await rig.broker.begin(JOURNAL, 0), await rig.broker.end(JOURNAL, 0)) == (begin, len(log))
    assert texts(await all_of(rig.broker)) == log[begin:]
