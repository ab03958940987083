"""The commit protocol: what counts, what is doubtful, who has lost."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from tocsin.domain.events import Positioned
from tocsin.runtime.broker import Broken, Doubt, Draft
from tocsin.runtime.journal import Journal, JournalReader, Lost
from tocsin.runtime.world import SourceLost
from tocsin.testing.broker import Fault, MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import toy_world
from tocsin.topics import INCIDENTS
from tocsin.wire.events import CLAIM, POSITION, SEQUENCE, Encoded, counts, decode, encode, header

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)
TOPIC = INCIDENTS.name


def event(word: str) -> Encoded:
    return encode(Positioned(recorded_at=T0, reason=word))


class Desk:
    """A journal on a memory broker, and what a reader sees of it."""

    def __init__(self, kafka_like: bool = False) -> None:
        self.clock = VirtualClock(T0)
        self.broker = MemoryBroker(self.clock, kafka_like=kafka_like)

    def journal(self, member: str, end: int = 0) -> Journal:
        return Journal(toy_world(self.broker, self.clock, member=member), TOPIC, 0, end)

    def faults(self, *faults: Fault | None) -> None:
        queue = list(faults)
        self.broker.fault = lambda *_: queue.pop(0) if queue else None

    async def words(self) -> list[str]:
        """Reasons (or types, for claims) of the records that count."""
        reader = JournalReader(toy_world(self.broker, self.clock))
        records, _ = await reader.read(TOPIC, 0, 0)
        return [decode(r.headers, r.value).reason or "claim" for r in records]

    async def count(self) -> int:
        return await self.broker.end(TOPIC, 0)


@pytest.fixture(params=[False, True], ids=["refusing", "kafka_like"])
def desk(request: pytest.FixtureRequest) -> Desk:
    return Desk(kafka_like=request.param)


async def test_a_commit_carries_its_place_its_claim_and_the_position(desk: Desk) -> None:
    journal = desk.journal("a")
    await journal.claim(T0)
    assert await journal.commit([event("x"), event("y")], b'{"sources":{}}') == 1

    claim, x, y = await desk.broker.read(TOPIC, 0, 0)
    assert [header(r.headers, SEQUENCE) for r in (claim, x, y)] == [b"%020d" % n for n in range(3)]
    assert [header(r.headers, CLAIM) for r in (claim, x, y)] == [b"%020d" % 0] * 3
    assert [header(r.headers, POSITION) for r in (x, y)] == [None, b'{"sources":{}}']
    assert header(x.headers, "ce_id") == b"incidents.events.v1.0.1"
    assert header(x.headers, "ce_source") == b"/test/incidents.events.v1/0"


@pytest.mark.parametrize("fault", [Fault.DOUBT_LOST, Fault.DOUBT_WRITTEN, Fault.UNAVAILABLE])
async def test_a_fault_neither_loses_nor_doubles(desk: Desk, fault: Fault) -> None:
    journal = desk.journal("a")
    desk.faults(fault)
    await journal.claim(T0)
    desk.faults(fault, fault)
    await journal.commit([event("x"), event("y")])
    await journal.commit([event("z")])
    assert await desk.words() == ["claim", "x", "y", "z"]
    assert await desk.count() == 4


async def test_whoever_meets_a_foreign_commit_has_lost(desk: Desk) -> None:
    old = desk.journal("old")
    await old.claim(T0)
    new = desk.journal("new", end=1)
    await new.claim(T0)
    await new.commit([event("new")])

    with pytest.raises(Lost):
        await old.commit([event("old")])
    assert await desk.words() == ["claim", "claim", "new"]


async def test_whoever_loaded_too_early_has_lost(desk: Desk) -> None:
    old = desk.journal("old")
    await old.claim(T0)
    late = desk.journal("late", end=1)
    await old.commit([event("one more")])

    with pytest.raises(Lost):
        await late.claim(T0)
    assert await desk.words() == ["claim", "one more"]


async def test_a_doubtful_append_that_lost_its_place_has_lost(desk: Desk) -> None:
    """The append failed, and before it was read back somebody else wrote."""
    old, new = desk.journal("old"), desk.journal("new", end=1)
    await old.claim(T0)
    append = desk.broker.append

    async def overtaken(topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        desk.broker.append = append  # type: ignore[method-assign]
        await new.claim(T0)
        raise Doubt("the connection was reset")

    desk.broker.append = overtaken  # type: ignore[method-assign]
    with pytest.raises(Lost):
        await old.commit([event("x")])
    assert await desk.words() == ["claim", "claim"]


async def test_what_does_not_count_is_stepped_over() -> None:
    """On Kafka the batch of a former owner lies in the log. The owner writes behind it, stamped anew."""
    desk = Desk(kafka_like=True)
    old, new = desk.journal("old"), desk.journal("new", end=1)
    await old.claim(T0)
    await new.claim(T0)
    with pytest.raises(Lost):
        await old.commit([event("stale"), event("stale")])  # lies at 2 and 3, stamped 1 and 2
    await new.commit([event("x")])  # lies at 4, stamped 2, and again at 5
    assert await desk.words() == ["claim", "claim", "x"]
    assert new.expected == await desk.count() == 6
    x = (await desk.broker.read(TOPIC, 0, 5))[0]
    assert counts(x.headers, 5)
    assert header(x.headers, CLAIM) == b"%020d" % 1


async def test_half_a_batch_is_a_broken_log() -> None:
    desk = Desk()
    journal = desk.journal("a")
    await journal.claim(T0)
    append = desk.broker.append

    async def halved(topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        await append(topic, partition, drafts[:1], expected)
        raise Doubt("the connection was reset")

    desk.broker.append = halved  # type: ignore[method-assign]
    with pytest.raises(Broken, match="1 of 2 records"):
        await journal.commit([event("x"), event("y")])


async def test_a_broker_that_answers_another_offset_is_not_believed() -> None:
    """Some clients answer -1 for a duplicate that was dropped."""
    desk = Desk()
    journal = desk.journal("a")
    append = desk.broker.append

    async def confused(topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        await append(topic, partition, drafts, expected)
        return -1

    desk.broker.append = confused  # type: ignore[method-assign]
    await journal.claim(T0)
    await journal.commit([event("x")])
    assert await desk.words() == ["claim", "x"]


async def test_unavailable_is_waited_out_with_growing_patience() -> None:
    desk = Desk()
    journal = desk.journal("a")
    desk.faults(*[Fault.UNAVAILABLE] * 20)
    await journal.claim(T0)
    assert 5 < desk.clock.monotonic() < 100
    assert await desk.words() == ["claim"]


async def test_a_reader_drops_what_does_not_count_and_moves_past_it() -> None:
    desk = Desk()
    journal = desk.journal("a")
    await journal.claim(T0)
    await desk.broker.append(TOPIC, 0, [Draft(None, b"{}"), Draft(None, b"{}", ((SEQUENCE, b"%020d" % 7),))])
    reader = JournalReader(toy_world(desk.broker, desk.clock))
    assert await reader.read(TOPIC, 0, 1) == ([], 3)
    assert await reader.read(TOPIC, 0, 3) == ([], 3)


async def test_a_reader_refuses_a_trimmed_start() -> None:
    desk = Desk()
    journal = desk.journal("a")
    await journal.claim(T0)
    await journal.commit([event("x")])
    await desk.broker.trim(TOPIC, 0, 1)
    with pytest.raises(SourceLost, match="source_trimmed"):
        await JournalReader(toy_world(desk.broker, desk.clock)).read(TOPIC, 0, 0)


@pytest.mark.parametrize("trial", range(20))
async def test_four_writers_who_all_believe_they_own_it_write_one_history(seed: int, trial: int) -> None:
    """Each writer folds, claims and writes until it has lost; random stalls, random faults, no coordination."""
    chance = random.Random(seed * 1000 + trial)
    desk = Desk(kafka_like=chance.random() < 0.5)
    acknowledged: list[str] = []
    faults = [Fault.DOUBT_LOST, Fault.DOUBT_WRITTEN, Fault.UNAVAILABLE]
    desk.broker.fault = lambda *_: chance.choice(faults) if chance.random() < 0.2 else None

    async def life(name: str, budget: int) -> None:
        journal: Journal | None = None
        for turn in range(budget):
            await stall(chance)
            try:
                if journal is None:
                    journal = desk.journal(f"{name}{turn}", end=await desk.count())
                    await journal.claim(T0)
                words = [f"{name}{turn}.{n}" for n in range(chance.randint(1, 3))]
                await journal.commit([event(word) for word in words])
                acknowledged.extend(words)
            except Lost:
                journal = None

    append = desk.broker.append

    async def stalling(topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        await stall(chance)
        return await append(topic, partition, drafts, expected)

    desk.broker.append = stalling  # type: ignore[method-assign]
    await asyncio.gather(*(life(name, 12) for name in "abcd"))
    seen = [word for word in await desk.words() if word != "claim"]
    assert seen == acknowledged
    assert len(set(seen)) == len(seen)


async def stall(chance: random.Random) -> None:
    for _ in range(chance.randint(0, 4)):
        await asyncio.sleep(0)
