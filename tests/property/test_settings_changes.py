"""However many processes change the settings at once, and whatever goes wrong with the log: one history, nothing
dangling, and everybody sees the same."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.domain.events import SettingsPublished
from tocsin.domain.soundness import Unsound, dangling
from tocsin.runtime.broker import Draft, Record
from tocsin.runtime.journal import JournalReader
from tocsin.runtime.rules import ABSENT, Refused, SettingsFeed
from tocsin.testing.broker import Fault, MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import toy_world
from tocsin.topics import SETTINGS
from tocsin.wire.events import decode

PROCESSES = 3
T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)
USERS = ("ana", "bo", "cy")
FAULTS = (Fault.DOUBT_LOST, Fault.DOUBT_WRITTEN, Fault.UNAVAILABLE)

users = st.tuples(
    st.sampled_from(USERS).map("user/{}".format), st.none() | st.builds(dict, name=st.sampled_from("xyz"))
)
teams = st.tuples(
    st.sampled_from(("team/dba", "team/web")),
    st.none() | st.builds(dict, members=st.lists(st.sampled_from(USERS), max_size=2)),
)
changes = st.tuples(st.integers(0, PROCESSES - 1), users | teams, st.sampled_from(("whatever", "seen")))


class Shuffling(MemoryBroker):
    """Lets others go first, for as many steps as the test draws."""

    steps: list[int]

    async def _others(self) -> None:
        for _ in range(self.steps.pop() if self.steps else 0):
            await asyncio.sleep(0)

    async def append(self, topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        await self._others()
        return await super().append(topic, partition, drafts, expected)

    async def read(self, topic: str, partition: int, offset: int, **limits: Any) -> Sequence[Record]:
        await self._others()
        return await super().read(topic, partition, offset, **limits)


async def pause(seconds: float) -> None:
    for _ in range(int(seconds * 1000)):
        await asyncio.sleep(0)


async def play(
    kafka_like: bool, wanted: list[tuple[int, tuple[str, Any], str]], steps: list[int], faults: list[Fault | None]
) -> tuple[list[SettingsFeed], list[SettingsPublished], list[int]]:
    """The feeds at the end, what the journal says, and the offsets of that."""
    clock = VirtualClock(T0)
    broker = Shuffling(clock, kafka_like=kafka_like)
    broker.steps = list(steps)
    broker.fault = lambda *_: faults.pop() if faults else None
    feeds = []
    for number in range(PROCESSES):
        world = toy_world(broker, clock, member=f"m{number}", seed=number)
        world.pause = pause
        feeds.append(SettingsFeed(world))

    async def write(number: int) -> None:
        for process, (key, document), expects in wanted:
            if process == number:
                expected = feeds[number].version(key) if expects == "seen" else None
                with suppress(Refused, Unsound):
                    await feeds[number].change(key, document, actor=f"p{number}", expected_version=expected)

    await asyncio.gather(*map(write, range(PROCESSES)))
    broker.fault = None
    for feed in feeds:
        await feed.refresh()
    records, _ = await JournalReader(toy_world(broker, clock)).read(SETTINGS.name, 0, 0)
    events = [(one.offset, decode(one.headers, one.value)) for one in records]
    published = [(offset, event) for offset, event in events if isinstance(event, SettingsPublished)]
    return feeds, [event for _, event in published], [offset for offset, _ in published]


@settings(max_examples=150, deadline=None)
@given(
    kafka_like=st.booleans(),
    wanted=st.lists(changes, max_size=14),
    steps=st.lists(st.integers(0, 6), max_size=60),
    faults=st.lists(st.none() | st.sampled_from(FAULTS), max_size=12),
)
def test_those_who_write_at_once_have_one_history(
    kafka_like: bool,
    wanted: list[tuple[int, tuple[str, Any], str]],
    steps: list[int],
    faults: list[Fault | None],
) -> None:
    feeds, events, offsets = asyncio.run(play(kafka_like, wanted, steps, faults))
    first = feeds[0]
    assert all(feed.rules == first.rules and feed.standing() == first.standing() for feed in feeds)
    assert not list(dangling(first.rules, targets=False)), "nobody deletes what somebody else has just referred to"
    there: dict[str, int] = {}
    documents: dict[str, Any] = {}
    for offset, event in zip(offsets, events, strict=True):
        assert event.previous == there.get(event.key), "each was written over what it had seen"
        assert documents.get(event.key) != event.document, "nothing is written that is there already"
        documents[event.key] = event.document
        if event.document is None:
            del there[event.key]
        else:
            there[event.key] = offset
    assert {f"user/{name}" for name in first.rules.users} | {f"team/{name}" for name in first.rules.teams} == set(there)
    assert all(first.version(key) == there.get(key, ABSENT) for key in documents)
