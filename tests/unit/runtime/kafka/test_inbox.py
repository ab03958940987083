"""The inbox: what readers get is the log from where they ask, however the group delivers it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tocsin.runtime.broker import Draft, Record
from tocsin.runtime.kafka.inbox import SHELF_BYTES_MAX, Inbox, Inboxes
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.topics import INCIDENTS

T = INCIDENTS.name
PLACE = (T, 0)
LIMITS = {"records_max": 1000, "bytes_max": 1_000_000}


async def log_of(count: int) -> MemoryBroker:
    broker = MemoryBroker(VirtualClock(datetime(2026, 11, 21, tzinfo=UTC)), 1)
    if count:
        await broker.append(T, 0, [Draft(None, str(n).encode()) for n in range(count)])
    return broker


async def records(broker: MemoryBroker, first: int, last: int) -> Sequence[Record]:
    return [one for one in await broker.read(T, 0, first, records_max=last - first) if one.offset < last]


async def test_batches_that_arrive_meanwhile_are_one_pull() -> None:
    broker = await log_of(30)
    inbox = Inbox(broker)
    inbox.open({PLACE}, {PLACE: 0}, {T: ("one",)})
    for first in (0, 10, 20):
        inbox.put(T, 0, await records(broker, first, first + 10))
    assert [one.offset for one in await inbox.pull("one", T, 0, 0, **LIMITS)] == list(range(30))
    assert await inbox.pull("one", T, 0, 30, **LIMITS) == ()


async def test_a_record_stays_until_every_reader_is_past_it() -> None:
    broker = await log_of(10)
    inbox = Inbox(broker)
    inbox.open({PLACE}, {PLACE: 0}, {T: ("one", "two")})
    inbox.put(T, 0, await records(broker, 0, 10))
    assert len(await inbox.pull("one", T, 0, 0, **LIMITS)) == 10
    assert await inbox.pull("one", T, 0, 10, **LIMITS) == ()
    assert len(await inbox.pull("two", T, 0, 4, **LIMITS)) == 6


async def test_a_full_partition_is_not_fetched_until_it_was_worked() -> None:
    broker = await log_of(0)
    inbox = Inbox(broker)
    assert not inbox.takes(T, 0)
    inbox.open({PLACE}, {PLACE: 0}, {T: ("one",)})
    big = [Record(n, 0, None, b"." * (SHELF_BYTES_MAX // 4)) for n in range(4)]
    inbox.put(T, 0, big)
    assert not inbox.takes(T, 0)
    assert len(await inbox.pull("one", T, 0, 0, records_max=1000, bytes_max=1)) == 1
    assert not inbox.takes(T, 0)  # the first is not worked before somebody asks for the next
    await inbox.pull("one", T, 0, 3, **LIMITS)
    assert inbox.takes(T, 0)


async def test_what_arrives_for_a_partition_that_was_taken_away_is_dropped() -> None:
    broker = await log_of(5)
    inbox = Inbox(broker)
    inbox.open({PLACE}, {PLACE: 0}, {T: ("one",)})
    inbox.shut()
    inbox.put(T, 0, await records(broker, 0, 5))
    inbox.open({PLACE}, {PLACE: 0}, {T: ("one",)})
    assert await inbox.pull("one", T, 0, 0, **LIMITS) == ()


async def test_a_partition_whose_place_is_not_known_yet_begins_with_the_first_pull() -> None:
    broker = await log_of(9)
    inbox = Inbox(broker)
    inbox.open({PLACE}, {}, {T: ("one",)})
    assert not inbox.takes(T, 0)
    assert await inbox.pull("one", T, 0, 4, **LIMITS) == ()
    assert inbox.takes(T, 0)
    assert inbox.wanted() == {PLACE: 4}
    inbox.put(T, 0, await records(broker, 2, 9))
    assert inbox.wanted() == {}
    assert [one.offset for one in await inbox.pull("one", T, 0, 4, **LIMITS)] == [4, 5, 6, 7, 8]


async def test_a_delivery_that_went_past_its_reader_is_called_back() -> None:
    broker = await log_of(9)
    inbox = Inbox(broker)
    inbox.open({PLACE}, {PLACE: 3}, {T: ("one",)})
    inbox.put(T, 0, await records(broker, 7, 9))
    assert inbox.wanted() == {PLACE: 3}


async def test_what_cannot_be_delivered_is_read_from_the_log_and_delivery_goes_on_behind_it() -> None:
    broker = await log_of(9)
    inbox = Inbox(broker)
    inbox.open({PLACE}, {PLACE: 0}, {T: ("one",)})
    inbox.put(T, 0, await records(broker, 0, 2))
    inbox.unreadable([PLACE, ("unknown", 0)])
    assert not inbox.takes(T, 0)
    await inbox.wait({PLACE: 2}, 30)  # there is something to do at once
    assert len(await inbox.pull("one", T, 0, 0, **LIMITS)) == 2
    assert inbox.skipped() == {}
    assert [one.offset for one in await inbox.pull("one", T, 0, 2, records_max=3, bytes_max=1000)] == [2, 3, 4]
    assert inbox.skipped() == {PLACE: 5}
    assert inbox.skipped() == {}
    assert inbox.takes(T, 0)


async def test_a_wait_ends_with_what_is_waited_for() -> None:
    broker = await log_of(2)
    inboxes, inbox = Inboxes(), Inbox(broker)
    inboxes.add("core", {"one"}, inbox)
    inbox.open({PLACE}, {PLACE: 0}, {T: ("one",)})
    waiting = asyncio.ensure_future(inboxes.wait("core", {PLACE: 0}, 30))
    await asyncio.sleep(0)
    assert not waiting.done()
    inbox.put(T, 0, await records(broker, 0, 1))
    await waiting
    await inboxes.wait("core", {PLACE: 1}, 0.001)  # nothing there: the time-out ends it
    assert len(await inboxes.pull("one", T, 0, 0, **LIMITS)) == 1


@given(
    deliveries=st.lists(st.tuples(st.integers(0, 59), st.integers(1, 20)), max_size=12),
    pulls=st.lists(st.integers(1, 25), min_size=1, max_size=12),
)
async def test_however_it_is_delivered_a_reader_misses_nothing(
    deliveries: list[tuple[int, int]], pulls: list[int]
) -> None:
    """Batches repeated, overlapping, from anywhere: a reader that goes on where it stopped sees the log."""
    broker = await log_of(60)
    inbox = Inbox(broker)
    inbox.open({PLACE}, {PLACE: 0}, {T: ("one",)})
    seen: list[int] = []
    for index in range(max(len(deliveries), len(pulls))):
        if index < len(deliveries):
            first, count = deliveries[index]
            inbox.put(T, 0, await records(broker, first, min(60, first + count)))
        if index < len(pulls):
            slice_ = await inbox.pull("one", T, 0, len(seen), records_max=pulls[index], bytes_max=10_000)
            seen += [one.offset for one in slice_]
    assert seen == list(range(len(seen)))
    inbox.put(T, 0, await records(broker, 59, 60))
    while slice_ := await inbox.pull("one", T, 0, len(seen), records_max=1000, bytes_max=10_000):
        seen += [one.offset for one in slice_]
    assert seen == list(range(60))
