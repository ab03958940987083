"""The broker port on compacted topics, on every implementation of ours that compacts when it is told to.

A Kafka cluster compacts when it likes; what it may do is what the port allows, and readers are tested against that.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from contract.broker_rig import JOURNAL, KINDS, Rig, all_of, open_rig
from tocsin.domain.instant import to_ms
from tocsin.runtime.broker import Broker, Draft
from tocsin.runtime.node import Retaining
from tocsin.topics import STATE

TOPIC = STATE.name
DAY = 24 * 60 * 60.0


@pytest.fixture(params=KINDS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    rig = await open_rig(request, tmp_path)
    yield rig
    await rig.close()


def put(key: str, value: str | None, *, size: int = 0) -> Draft:
    return Draft(key.encode(), None if value is None else value.encode() + b"." * size, (("n", key.encode()),))


async def compact(rig: Rig) -> None:
    assert isinstance(rig.broker, Retaining)
    while await rig.broker.retain(rig.clock.now()):
        pass


async def found(broker: Broker, topic: str = TOPIC) -> list[tuple[int, str, str | None]]:
    records = await all_of(broker, topic)
    return [(r.offset, (r.key or b"").decode(), None if r.value is None else r.value.decode()) for r in records]


async def latest(broker: Broker) -> dict[str, str | None]:
    return {key: value for _, key, value in await found(broker)}


async def test_the_newest_record_of_each_key_stays_at_its_offset(rig: Rig) -> None:
    for n in range(6):
        await rig.broker.append(TOPIC, 0, [put("ab"[n % 2], str(n))])
    await compact(rig)
    broker = await rig.reopen()
    assert await found(broker) == [(4, "a", "4"), (5, "b", "5")]
    assert (await broker.begin(TOPIC, 0), await broker.end(TOPIC, 0)) == (0, 6)


async def test_a_read_from_inside_a_hole_goes_on_behind_it(rig: Rig) -> None:
    for n in range(9):
        await rig.broker.append(TOPIC, 0, [put("same", str(n))])
    await compact(rig)
    broker = await rig.reopen()
    for offset in range(9):
        assert [record.offset for record in await broker.read(TOPIC, 0, offset, records_max=1, bytes_max=1)] == [8]
    assert await broker.read(TOPIC, 0, 9) == []


async def test_appends_go_on_at_the_end_after_a_compaction(rig: Rig) -> None:
    for n in range(5):
        await rig.broker.append(TOPIC, 0, [put("same", str(n))])
    await compact(rig)
    broker = await rig.reopen()
    assert await broker.append(TOPIC, 0, [put("same", "new")], expected=5) == 5
    await compact(rig)
    assert (await found(await rig.reopen()))[-1] == (5, "same", "new")


async def test_a_tombstone_stays_for_a_day_and_then_goes_with_what_it_deleted(rig: Rig) -> None:
    await rig.broker.append(TOPIC, 0, [put("a", "1")])
    await rig.broker.append(TOPIC, 0, [put("a", None)])
    await rig.broker.append(TOPIC, 0, [put("b", "2")])
    await compact(rig)
    assert (await latest(await rig.reopen())) == {"a": None, "b": "2"}
    rig.clock.advance(DAY + 1)
    await rig.broker.append(TOPIC, 0, [put("c", "3")])
    await compact(rig)
    assert await latest(await rig.reopen()) == {"b": "2", "c": "3"}


async def test_the_last_record_stays_whatever_it_is(rig: Rig) -> None:
    await rig.broker.append(TOPIC, 0, [put("a", "1")])
    await rig.broker.append(TOPIC, 0, [put("a", None)])
    rig.clock.advance(2 * DAY)
    await compact(rig)
    broker = await rig.reopen()
    assert (await found(broker))[-1] == (1, "a", None)
    assert await broker.end(TOPIC, 0) == 2


async def test_other_topics_are_never_compacted(rig: Rig) -> None:
    for n in range(4):
        await rig.broker.append(JOURNAL, 0, [put("same", str(n))])
    await compact(rig)
    assert len(await found(await rig.reopen(), JOURNAL)) == 4


@pytest.mark.parametrize("number", range(4))
async def test_whatever_is_appended_and_compacted_the_newest_of_each_key_can_be_read(
    rig: Rig, seed: int, number: int
) -> None:
    random = Random(seed * 100 + number)
    said: dict[str, str | None] = {}
    for step in range(60):
        batch = []
        for _ in range(random.choice((1, 1, 3, 40))):
            key = f"k{random.randrange(25)}"
            value = None if random.random() < 0.15 else f"{step}"
            batch.append(put(key, value, size=random.choice((0, 0, 200, 3_000)) if value else 0))
            said[key] = batch[-1].value.decode() if batch[-1].value is not None else None
        await rig.broker.append(TOPIC, 0, batch)
        rig.clock.advance(random.choice((1, 60, DAY / 3)))
        if random.random() < 0.2:
            await compact(rig)
        if random.random() < 0.1:
            await rig.reopen()
    await compact(rig)
    broker = await rig.reopen()
    left = await latest(broker)
    assert {key: value for key, value in left.items() if value is not None} == {
        key: value for key, value in said.items() if value is not None
    }
    offsets = [offset for offset, _, _ in await found(broker)]
    assert offsets == sorted(set(offsets))
    assert to_ms(rig.clock.now()) >= (await broker.read(TOPIC, 0, offsets[-1]))[0].timestamp
