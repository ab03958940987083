"""The broker port, sentence by sentence, on every implementation: time, trim, wait, positions, end of life."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from contract.broker_rig import EVERY_KIND, JOURNAL, SHARED, START, Rig, all_of, drafts, open_rig, texts
from tocsin.domain.instant import to_ms
from tocsin.topics import TOPICS


@pytest.fixture(params=EVERY_KIND)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    rig = await open_rig(request, tmp_path)
    yield rig
    await rig.close()


# Time


async def test_a_record_carries_the_millisecond_of_its_append(rig: Rig) -> None:
    await rig.broker.append(JOURNAL, 0, drafts(0, 2))
    rig.clock.advance(1.5)
    await rig.broker.append(JOURNAL, 0, drafts(2, 1))
    start = to_ms(START)
    assert [record.timestamp for record in await all_of(rig.broker)] == [start, start, start + 1500]


async def test_the_time_of_records_never_goes_back(rig: Rig, request: pytest.FixtureRequest) -> None:
    if rig.remote:
        request.applymarker(
            pytest.mark.xfail(reason="Kafka keeps the time that a writer stamps, or stamps its own", strict=True)
        )
    await rig.broker.append(JOURNAL, 0, drafts(0, 1))
    rig.clock.back = timedelta(hours=1)
    await rig.broker.append(JOURNAL, 0, drafts(1, 1))
    broker = await rig.reopen()
    await broker.append(JOURNAL, 0, drafts(2, 1))
    await broker.append(SHARED, 0, drafts(2, 1))
    start = to_ms(START)
    assert [record.timestamp for record in await all_of(broker)] == [start] * 3
    assert [record.timestamp for record in await all_of(broker, SHARED)] == [start - 3_600_000]


# Trim


@pytest.mark.parametrize("before", [1, 3, 4, 5, 8, 9])
async def test_trimmed_records_are_gone_and_the_others_keep_their_offsets(rig: Rig, before: int) -> None:
    for n in range(0, 9, 3):
        await rig.broker.append(JOURNAL, 0, drafts(n, 3))
    await rig.broker.trim(JOURNAL, 0, before)
    async for broker in rig.now_and_reopened():
        assert (await broker.begin(JOURNAL, 0), await broker.end(JOURNAL, 0)) == (before, 9)
        found = [record.offset for record in await broker.read(JOURNAL, 0, 0)]
        assert found == list(range(before, 9))
        assert texts(await all_of(broker)) == [str(n) for n in found]


async def test_an_emptied_partition_goes_on_where_it_was(rig: Rig) -> None:
    await rig.broker.append(JOURNAL, 0, drafts(0, 5))
    await rig.broker.trim(JOURNAL, 0, 5)
    broker = await rig.reopen()
    assert (await broker.begin(JOURNAL, 0), await broker.end(JOURNAL, 0)) == (5, 5)
    assert await broker.append(JOURNAL, 0, drafts(5, 1), expected=5) == 5
    assert texts(await all_of(broker)) == ["5"]


async def test_a_trim_below_the_begin_or_beyond_the_end_does_no_harm(rig: Rig) -> None:
    await rig.broker.append(JOURNAL, 0, drafts(0, 4))
    await rig.broker.trim(JOURNAL, 0, 2)
    await rig.broker.trim(JOURNAL, 0, 1)
    assert await rig.broker.begin(JOURNAL, 0) == 2
    await rig.broker.trim(JOURNAL, 0, 1_000)
    assert (await rig.broker.begin(JOURNAL, 0), await rig.broker.end(JOURNAL, 0)) == (4, 4)
    assert await rig.broker.append(JOURNAL, 0, drafts(4, 1)) == 4


# Wait


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_wait_for_what_is_there_ends_at_once(rig: Rig) -> None:
    await rig.broker.append(JOURNAL, 0, drafts(0, 1))
    await rig.broker.wait({(SHARED, 0): 5, (JOURNAL, 0): 0}, 3600)
    assert rig.clock.waiting == 0


@pytest.mark.parametrize("topic", [JOURNAL, SHARED])
async def test_an_append_ends_the_wait_for_it(rig: Rig, topic: str) -> None:
    waits = [asyncio.create_task(rig.broker.wait({(JOURNAL, 0): 0, (SHARED, 0): 0}, 3600)) for _ in range(3)]
    await settle()
    assert not any(wait.done() for wait in waits)
    await rig.broker.append(topic, 0, drafts(0, 1))
    await asyncio.gather(*waits)


async def test_a_wait_lasts_until_the_end_is_above_the_offset(rig: Rig) -> None:
    wait = asyncio.create_task(rig.broker.wait({(JOURNAL, 0): 1}, 3600))
    await settle()
    await rig.broker.append(SHARED, 0, drafts(0, 5))
    await rig.broker.append(JOURNAL, 0, drafts(0, 1))
    await settle()
    assert not wait.done()
    await rig.broker.append(JOURNAL, 0, drafts(1, 1))
    await wait


async def test_a_wait_ends_when_its_time_is_over(rig: Rig) -> None:
    wait = asyncio.create_task(rig.broker.wait({(JOURNAL, 0): 0}, 10))
    await settle()
    rig.clock.advance(9)
    await settle()
    assert not wait.done()
    rig.clock.advance(1)
    await wait
    await rig.broker.wait({(JOURNAL, 0): 0}, 0)


async def test_nobody_waits_on_after_the_wait(rig: Rig) -> None:
    wait = asyncio.create_task(rig.broker.wait({(JOURNAL, 0): 0}, 10))
    await settle()
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait
    assert rig.clock.waiting == 0


# Positions of groups


async def test_a_group_finds_what_it_committed_last(rig: Rig) -> None:
    assert await rig.broker.committed("g", SHARED, 0) is None
    await rig.broker.commit("g", {(SHARED, 0): (3, "first"), (JOURNAL, 0): (8, "")})
    await rig.broker.commit("g", {(SHARED, 0): (2, "zurück ⟲")})
    await rig.broker.commit("g", {})
    async for broker in rig.now_and_reopened():
        assert await broker.committed("g", SHARED, 0) == (2, "zurück ⟲")
        assert await broker.committed("g", JOURNAL, 0) == (8, "")
        assert await broker.committed("other", SHARED, 0) is None


async def test_positions_are_stored_all_or_none(rig: Rig) -> None:
    with pytest.raises(LookupError, match=r"no\.such"):
        await rig.broker.commit("g", {(SHARED, 0): (1, ""), ("no.such", 0): (1, "")})
    assert await rig.broker.committed("g", SHARED, 0) is None


# Incarnation and end of life


async def test_a_topic_that_was_made_anew_has_another_incarnation(rig: Rig) -> None:
    before = await rig.broker.incarnation(SHARED)
    await rig.broker.append(SHARED, 0, drafts(0, 1))
    assert await (await rig.reopen()).incarnation(SHARED) == before
    broker = await rig.recreate(SHARED)
    assert await broker.incarnation(SHARED) != before
    assert await broker.end(SHARED, 0) == 0


async def test_topics_have_different_incarnations(rig: Rig) -> None:
    assert len({await rig.broker.incarnation(topic) for topic in TOPICS}) == len(TOPICS)


async def test_closing_twice_is_closing_once(rig: Rig) -> None:
    await rig.broker.append(JOURNAL, 0, drafts(0, 1))
    await asyncio.gather(rig.broker.close(), rig.broker.close())
    await rig.broker.close()
    assert texts(await all_of(await rig.reopen())) == ["0"]


async def test_what_was_begun_before_the_close_is_finished(rig: Rig) -> None:
    appends = [asyncio.create_task(rig.broker.append(SHARED, 0, drafts(n, 1))) for n in range(50)]
    await asyncio.sleep(0)  # all of them have been called
    broker = await rig.reopen()
    assert await asyncio.gather(*appends) == list(range(50))
    assert texts(await all_of(broker, SHARED)) == [str(n) for n in range(50)]
