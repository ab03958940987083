"""The embedded broker beyond the port: its callers, retention and bounds."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tocsin.runtime.broker import Broken, Conflict, Draft
from tocsin.runtime.embedded import EmbeddedBroker
from tocsin.runtime.embedded.broker import TAILS_BYTES_MAX
from tocsin.runtime.embedded.request import ROWS_MAX
from tocsin.runtime.embedded.writer import CHECKPOINT_BYTES
from tocsin.testing.clock import VirtualClock
from tocsin.topics import COMMANDS, INCIDENTS, NORMALIZED, RAW, TOPICS, Kind, Topic

JOURNAL = INCIDENTS.name
Open = Callable[..., EmbeddedBroker]


async def test_only_bytes_and_header_names_are_taken_and_the_neighbours_are_unharmed(open_log: Open) -> None:
    broker = open_log()
    wrong = [Draft("text", b"v"), Draft(b"k", 5), Draft(b"k", b"v", ((b"n", b"v"),)), Draft(b"k", b"v", (("n", "v"),))]  # type: ignore[arg-type]
    outcomes = await asyncio.gather(
        *(broker.append(RAW.name, 0, [draft]) for draft in (Draft(b"k", b"v"), *wrong, Draft(b"k", b"v"))),
        return_exceptions=True,
    )
    assert [outcome for outcome in outcomes if not isinstance(outcome, TypeError)] == [0, 1]


async def test_what_the_caller_changes_afterwards_changes_nothing(open_log: Open) -> None:
    broker = open_log()
    batch = [Draft(b"k", b"v")]
    append = asyncio.create_task(broker.append(RAW.name, 0, batch))
    await asyncio.sleep(0)
    batch.clear()
    await append
    assert len(await broker.read(RAW.name, 0, 0)) == 1


async def test_a_conflict_within_a_group_does_not_touch_its_neighbours(open_log: Open) -> None:
    broker = open_log()
    outcomes = await asyncio.gather(
        *(broker.append(JOURNAL, 0, [Draft(None, b"%d" % n)], expected=n // 2) for n in range(20)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [int, Conflict] * 10


async def test_a_cancelled_append_blocks_nobody(open_log: Open) -> None:
    broker = open_log()
    appends = [asyncio.create_task(broker.append(JOURNAL, 0, [Draft(None, b"x")])) for _ in range(10)]
    await asyncio.sleep(0)
    for append in appends[::2]:
        append.cancel()
    await asyncio.gather(*appends, return_exceptions=True)
    end = await broker.append(JOURNAL, 0, [Draft(None, b"y")])
    assert [record.value for record in await broker.read(JOURNAL, 0, end)] == [b"y"]
    assert len(await broker.read(JOURNAL, 0, 0)) == end + 1


def test_a_log_serves_one_loop_after_the_other(path: Path, clock: VirtualClock) -> None:
    broker = EmbeddedBroker.open(path, clock=clock, instance="i")

    async def cut_off() -> None:
        asyncio.create_task(broker.append(JOURNAL, 0, [Draft(None, b"x")]))  # noqa: RUF006 - the loop ends with it
        await asyncio.sleep(0)

    async def go_on() -> int:
        await broker.append(JOURNAL, 0, [Draft(None, b"y")])
        return len(await broker.read(JOURNAL, 0, 0))

    for n in range(1, 6):
        asyncio.run(cut_off())
        assert asyncio.run(go_on()) == 2 * n
    asyncio.run(broker.close())


async def test_a_closed_log_says_so(open_log: Open) -> None:
    broker = open_log()
    wait = asyncio.create_task(broker.wait({(JOURNAL, 0): 0}, 3600))
    await asyncio.sleep(0)
    await broker.close()
    for call in (wait, broker.end(JOURNAL, 0), broker.append(JOURNAL, 0, [Draft(None, b"x")])):
        with pytest.raises(Broken, match="is closed"):
            await call


# Retention


async def test_what_is_too_old_goes_and_only_from_shared_topics(open_log: Open, clock: VirtualClock) -> None:
    broker = open_log()
    for _ in range(10):
        for topic in (RAW, COMMANDS, INCIDENTS):
            await broker.append(topic.name, 0, [Draft(None, b"a"), Draft(None, b"b")])
        clock.advance(timedelta(days=1))
    assert await broker.retain(clock.now()) == 3
    assert await broker.begin(RAW.name, 0) == 6
    assert await broker.begin(COMMANDS.name, 0) == 0
    assert await broker.begin(INCIDENTS.name, 0) == 0
    assert await broker.retain(clock.now()) == 0
    clock.advance(timedelta(days=100))
    await broker.retain(clock.now())
    assert [await broker.begin(topic.name, 0) for topic in (RAW, COMMANDS, INCIDENTS)] == [20, 20, 0]
    assert await broker.append(RAW.name, 0, [Draft(None, b"on")]) == 20


async def test_what_nobody_has_read_yet_is_kept(open_log: Open, clock: VirtualClock) -> None:
    broker = open_log()
    for topic in (RAW, NORMALIZED):
        for _ in range(10):
            await broker.append(topic.name, 0, [Draft(None, b"a")])
    clock.advance(timedelta(days=50))
    await broker.commit("slow", {(RAW.name, 0): (4, "")})
    await broker.commit("fast", {(RAW.name, 0): (9, "")})
    await broker.retain(clock.now(), keep={(NORMALIZED.name, 0): 7})
    assert (await broker.begin(RAW.name, 0), await broker.begin(NORMALIZED.name, 0)) == (4, 7)


async def test_retention_and_trim_go_in_slices(open_log: Open, clock: VirtualClock) -> None:
    topics = {name: Topic(name, Kind.SHARED, retention_days=1) for name in ("a", "b")}
    broker = open_log(topics=topics)
    half = ROWS_MAX // 2
    for name in topics:
        await asyncio.gather(*(broker.append(name, 0, [Draft(None, b"x")]) for _ in range(half + 100)))
    clock.advance(timedelta(days=2))
    assert await broker.retain(clock.now(), keep={("b", 0): half + 50}) == ROWS_MAX
    assert (await broker.begin("a", 0), await broker.begin("b", 0)) == (half + 100, half - 100)
    assert await broker.retain(clock.now(), keep={("b", 0): half + 50}) == 150
    assert [record.offset for record in await broker.read("b", 0, 0)] == list(range(half + 50, half + 100))
    await asyncio.gather(*(broker.append("a", 0, [Draft(None, b"x")]) for _ in range(ROWS_MAX + 10)))
    end = await broker.end("a", 0)
    await broker.trim("a", 0, end - 1)
    assert [record.offset for record in await broker.read("a", 0, 0)] == [end - 1]


# Bounds


async def test_the_write_ahead_log_stays_bounded(open_log: Open, path: Path) -> None:
    broker = open_log()
    for _ in range(50):
        await broker.append(RAW.name, 0, [Draft(None, b"." * 800_000)])
    assert path.with_name("log.sqlite3-wal").stat().st_size < 3 * CHECKPOINT_BYTES


async def test_old_records_come_from_the_file_and_new_ones_from_memory(open_log: Open) -> None:
    broker = open_log()
    count = 3 * TAILS_BYTES_MAX // len(TOPICS) // 50_000
    for n in range(count):
        await broker.append(JOURNAL, 0, [Draft(b"%d" % n, b"." * 50_000)])
    assert 0 < broker.bytes_in_memory <= 2 * TAILS_BYTES_MAX // len(TOPICS)
    for offset in range(count):
        (record,) = await broker.read(JOURNAL, 0, offset, records_max=1)
        assert (record.offset, record.key) == (offset, b"%d" % offset)
