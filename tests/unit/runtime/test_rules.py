"""Settings that change while running: what the files say, what people ask for, and two who write at once."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tocsin.domain.events import SettingsPublished
from tocsin.domain.rules import LabelMatch, NotifyRules, Rules, Silence, Team, User, documents_of
from tocsin.domain.soundness import COUNT_MAX, Unsound
from tocsin.runtime.broker import Draft, Record
from tocsin.runtime.journal import Journal, JournalReader, Lost
from tocsin.runtime.rules import ABSENT, Refused, SettingsFeed
from tocsin.testing.broker import Fault, MemoryBroker, SimulatedCrash
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import toy_world
from tocsin.topics import SETTINGS
from tocsin.wire.events import decode, encode

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANA = {"name": "Ana"}


class Yielding(MemoryBroker):
    """Lets others run before every call, as a broker over a network does."""

    async def append(self, topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        await asyncio.sleep(0)
        return await super().append(topic, partition, drafts, expected)

    async def read(self, topic: str, partition: int, offset: int, **limits: Any) -> Sequence[Record]:
        await asyncio.sleep(0)
        return await super().read(topic, partition, offset, **limits)


async def others_first(seconds: float) -> None:
    """Wait, in steps of the others instead of time."""
    for _ in range(int(seconds * 1000)):
        await asyncio.sleep(0)


class Desk:
    """A settings journal, and processes that come and go."""

    def __init__(self, *, kafka_like: bool) -> None:
        self.clock = VirtualClock(T0)
        self.broker = Yielding(self.clock, kafka_like=kafka_like)
        self.members = 0

    async def process(self, file: Rules | None = None) -> SettingsFeed:
        """A started process whose settings file says `file`; None = one that publishes nothing."""
        self.members += 1
        world = toy_world(self.broker, self.clock, member=f"m{self.members}", seed=self.members)
        world.pause = others_first
        feed = SettingsFeed(world)
        await feed.refresh()
        if file is not None:
            await feed.publish(file)
        return feed

    async def history(self, prefix: str = "") -> list[SettingsPublished]:
        """The settings events that count, in order."""
        records, _ = await JournalReader(toy_world(self.broker, self.clock)).read(SETTINGS.name, 0, 0)
        events = [decode(one.headers, one.value) for one in records]
        return [one for one in events if isinstance(one, SettingsPublished) and one.key.startswith(prefix)]


@pytest.fixture(params=[False, True], ids=["refusing", "kafka_like"])
def desk(request: pytest.FixtureRequest) -> Desk:
    return Desk(kafka_like=request.param)


def people(*names: str, **teams: Team) -> Rules:
    return Rules(users={name: User(name=name) for name in names}, teams=teams)


async def test_a_file_publishes_what_is_new_and_deletes_what_it_no_longer_says(desk: Desk) -> None:
    first = await desk.process(people("ana", "bo"))
    assert set(first.rules.users) == {"ana", "bo"}
    assert await first.publish(people("ana", "bo")) == 0
    second = await desk.process(people("ana"))
    assert set(second.rules.users) == {"ana"}
    await first.refresh()
    assert first.rules == second.rules
    last = (await desk.history("user/"))[-1]
    assert (last.key, last.document, last.origin) == ("user/bo", None, "file")


async def test_what_a_file_says_is_changed_there_only(desk: Desk) -> None:
    feed = await desk.process(people("ana"))
    for key, document in (("user/ana", {"name": "x"}), ("user/bo", ANA), ("user/ana", None)):
        with pytest.raises(Refused) as refused:
            await feed.change(key, document, actor="leo")
        assert refused.value.word == "managed_by_file"
        assert "settings file" in str(refused.value)
    await feed.change("calendar/office", {"time_zone": "Europe/London"}, actor="leo")  # another kind
    await desk.process(people())
    await feed.change("user/bo", ANA, actor="leo")
    assert set(feed.rules.users) == {"bo"}


async def test_a_file_that_takes_a_kind_over_leaves_what_was_there_to_be_deleted(desk: Desk) -> None:
    feed = await desk.process(people())
    await feed.change("user/bo", ANA, actor="leo")
    await desk.process(people("ana"))
    with pytest.raises(Refused):
        await feed.change("user/bo", {"name": "Bo"}, actor="leo")
    await feed.change("user/bo", None, actor="leo")
    assert set(feed.rules.users) == {"ana"}


async def test_what_a_file_does_not_mention_stays_as_it_was_set(desk: Desk) -> None:
    feed = await desk.process(Rules())
    document = {**documents_of(Rules())["notify/settings"], "attempts_max": 3}
    await feed.change("notify/settings", document, actor="leo")
    again = await desk.process(Rules())
    assert again.rules.notify.attempts_max == 3
    assert not again.is_managed_by_file("notify/settings")
    says = await desk.process(Rules(notify=NotifyRules(attempts_max=5)))
    assert says.rules.notify.attempts_max == 5
    with pytest.raises(Refused):
        await says.change("notify/settings", document, actor="leo")
    silent = await desk.process(Rules())
    assert silent.rules.notify.attempts_max == Rules().notify.attempts_max
    await silent.change("notify/settings", document, actor="leo")


async def test_an_event_says_who_why_and_what_it_replaced(desk: Desk) -> None:
    feed = await desk.process()
    first = await feed.change("user/ana", ANA, actor="leo", reason="joined")
    second = await feed.change("user/ana", {"name": "Ana B."}, actor="mia")
    gone = await feed.change("user/ana", None, actor="mia")
    back = await feed.change("user/ana", ANA, actor="mia")
    assert [one.previous for one in await desk.history()] == [None, first.version, second.version, None]
    assert [(one.actor, one.reason) for one in await desk.history()][:2] == [("leo", "joined"), ("mia", "")]
    assert gone.deleted
    assert feed.version("user/ana") == back.version


async def test_the_watchers_are_told_after_the_rules_have_changed(desk: Desk) -> None:
    feed = await desk.process()
    seen: list[int] = []
    feed.watch(lambda: seen.append(len(feed.rules.users)))
    await feed.change("user/ana", ANA, actor="leo")
    await feed.change("user/ana", ANA, actor="leo")
    assert seen == [1], "what is there already is not written again"


async def test_of_two_who_expect_the_same_version_one_wins(desk: Desk) -> None:
    one, other = await desk.process(), await desk.process()
    version = (await one.change("user/ana", ANA, actor="leo")).version
    results = await asyncio.gather(
        one.change("user/ana", {"name": "one"}, actor="leo", expected_version=version),
        other.change("user/ana", {"name": "other"}, actor="mia", expected_version=version),
        return_exceptions=True,
    )
    [lost] = [result for result in results if isinstance(result, Refused)]
    assert lost.word == "version_mismatch"
    assert len(await desk.history()) == 2
    with pytest.raises(Refused):
        await one.change("user/ana", ANA, actor="leo", expected_version=ABSENT)


async def test_processes_that_write_at_once_end_in_one_history(desk: Desk) -> None:
    feeds = [await desk.process() for _ in range(3)]

    async def write(number: int) -> None:
        for turn in range(5):
            await feeds[number].change(f"user/u{number}-{turn}", {"name": f"{number}"}, actor=f"p{number}")
            await feeds[number].change("team/shared", {"members": [f"u{number}-{turn}"]}, actor=f"p{number}")

    await asyncio.gather(*map(write, range(3)))
    late = await desk.process()
    for feed in feeds:
        await feed.refresh()
        assert feed.rules == late.rules
    history = await desk.history()
    assert len(history) == 30
    assert len(late.rules.users) == 15
    shared = [one for one in history if one.key == "team/shared"]
    assert [one.previous is None for one in shared] == [True] + [False] * 14, "each knows what it replaced"


async def test_a_team_cannot_name_a_user_that_another_process_deletes(desk: Desk) -> None:
    one, other = await desk.process(), await desk.process()
    await one.change("user/ana", ANA, actor="leo")
    await other.refresh()
    results = await asyncio.gather(
        one.change("user/ana", None, actor="leo"),
        other.change("team/dba", {"members": ["ana"]}, actor="mia"),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Unsound) for result in results) == 1
    await one.refresh()
    assert ("ana" in one.rules.users) == ("dba" in one.rules.teams)


@pytest.mark.parametrize("fault", [Fault.DOUBT_LOST, Fault.DOUBT_WRITTEN, Fault.UNAVAILABLE])
async def test_a_fault_neither_loses_nor_doubles_a_change(desk: Desk, fault: Fault) -> None:
    feed = await desk.process()
    queue: list[Fault | None] = [fault, fault, None, fault]
    desk.broker.fault = lambda *_: queue.pop(0) if queue else None
    await feed.change("user/ana", ANA, actor="leo")
    await feed.change("user/bo", ANA, actor="leo")
    assert [one.key for one in await desk.history()] == ["user/ana", "user/bo"]


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
async def test_after_a_crash_all_documents_of_a_change_are_there_or_none(desk: Desk, fault: Fault) -> None:
    feed = await desk.process()
    desk.broker.fault = lambda *_: fault
    with pytest.raises(SimulatedCrash):
        await feed.change_all({"user/ana": ANA, "team/dba": {"members": ["ana"]}}, actor="leo")
    desk.broker.fault = None
    after = await desk.process()
    assert len(after.rules.users) == len(after.rules.teams) == (fault is Fault.CRASH_AFTER)
    await after.change("user/bo", ANA, actor="leo")
    assert "bo" in after.rules.users


async def test_many_documents_of_a_file_go_in_several_appends(desk: Desk) -> None:
    rules = Rules(users={f"u{number}": User(name="x" * 1000) for number in range(1200)})
    feed = await desk.process(rules)
    assert len(feed.rules.users) == 1200
    assert await feed.publish(rules) == 0


async def test_a_document_of_another_version_is_a_problem_and_stops_nothing(desk: Desk) -> None:
    world = toy_world(desk.broker, desk.clock)
    feed = SettingsFeed(world)
    journal = Journal(world, SETTINGS.name, 0, 0)
    for document in (ANA, {"name": "Ana", "shoe_size": 38}):
        await journal.commit([encode(SettingsPublished(recorded_at=T0, key="user/ana", document=document))])
    await feed.refresh()
    assert feed.rules.users["ana"].name == "Ana"
    assert feed.rules.version == 1
    assert "user/ana" in world.problems.lines()[0]
    await journal.commit([encode(SettingsPublished(recorded_at=T0, key="user/ana", document={"name": "B"}))])
    await feed.refresh()
    assert not world.problems.lines()


async def test_there_is_a_most_of_each_kind(desk: Desk) -> None:
    most = COUNT_MAX["maintenance"]
    feed = await desk.process()
    await feed.change_all({f"maintenance/m{number}": {} for number in range(most)}, actor="leo")
    with pytest.raises(Unsound) as refused:
        await feed.change("maintenance/more", {}, actor="leo")
    assert refused.value.word == "too_many"
    await feed.change("maintenance/m1", {"description": "a change is no addition"}, actor="leo")


async def test_silences_that_are_long_over_leave_the_rules(desk: Desk) -> None:
    def silence(days: float) -> Mapping[str, Any]:
        matcher = LabelMatch(name="host", value="a")
        over = T0 - timedelta(days=days)
        found: Mapping[str, Any] = msgspec.to_builtins(
            Silence(matchers=(matcher,), starts_at=over - timedelta(days=1), ends_at=over)
        )
        return found

    one, other = await desk.process(), await desk.process()
    await one.change_all({"silence/old": silence(6), "silence/new": silence(4)}, actor="leo")
    await other.refresh()
    results = await asyncio.gather(one.drop_expired(), other.drop_expired(), return_exceptions=True)
    assert sum(result for result in results if isinstance(result, int)) == 1
    assert all(isinstance(result, int | Lost) for result in results)
    await other.refresh()
    assert set(other.rules.silences) == {"new"}
    assert (await desk.history("silence/old"))[-1].reason == "expired"
