"""Sends: after their commit, within the lanes, once; and again, marked, after a crash."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.command import Command
from tocsin.domain.rules import NotifyRules, Rules
from tocsin.notify.channel import Sent
from tocsin.runtime.effects import Effects
from tocsin.runtime.journal import JournalReader
from tocsin.runtime.lanes import Lanes
from tocsin.runtime.owner import Owner
from tocsin.runtime.rules import SettingsFeed
from tocsin.stage import Effect, Want
from tocsin.testing.broker import Fault, MemoryBroker, SimulatedCrash
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import Toy, ToyState, toy_world
from tocsin.topics import COMMANDS, INCIDENTS
from tocsin.wire.command import encode_command
from tocsin.wire.events import decode
from tocsin.wire.record import Draft

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Receiver:
    """A channel that answers when it is told to, and keeps a journal."""

    kind = "toy"
    timeout_seconds = 1000.0

    def __init__(self, name: str = "toy", in_flight_max: int = 2) -> None:
        self.name = name
        self.in_flight_max = in_flight_max
        self.journal: list[tuple[str, int, bool]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.running = 0
        self.most = 0
        self.answers: list[Sent | Exception] = []

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            self.journal.append((effect.delivery_id, effect.attempt, possible_duplicate))
            await self.open.wait()
            answer = self.answers.pop(0) if self.answers else Sent("delivered", "ok")
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.running -= 1

    async def close(self) -> None: ...


class Desk:
    def __init__(
        self,
        *channels: Receiver,
        per_second: Mapping[str, float] | None = None,
        stage: Toy | None = None,
        rules: Rules | None = None,
    ) -> None:
        self.rules = rules or Rules()
        self.per_second = per_second
        self.stage = stage or Toy()
        self.effects: Effects
        self.clock = VirtualClock(T0)
        self.broker = MemoryBroker(self.clock)
        self.channels = {channel.name: channel for channel in channels}
        self.lanes = Lanes(self.channels)
        self.held = True
        self.wakes = 0
        self.owner: Owner

    async def load(self) -> None:
        world = toy_world(self.broker, self.clock)
        feed = SettingsFeed(world)
        await feed.refresh()
        await feed.publish(self.rules)
        self.lanes = Lanes(self.channels, self.per_second)
        self.effects = Effects(world, self.lanes, lambda _: self.held, self.wake)
        self.owner = Owner(self.stage, world, feed, partitions=1, effects=self.effects)
        await self.owner.load()

    def wake(self) -> None:
        self.wakes += 1

    async def declare(self, *names: str) -> None:
        drafts = [Draft(*encode_command(Command(command_id=name, verb="declare"))) for name in names]
        await self.broker.append(COMMANDS.name, 0, drafts)

    async def turn(self, times: int = 4) -> None:
        for _ in range(times):
            await self.owner.read()
            await self.owner.tick()
            for _ in range(3):
                await asyncio.sleep(0)

    async def events(self) -> list[ev.DeliveryEvent]:
        found: list[ev.DeliveryEvent] = []
        reader, offset = JournalReader(toy_world(self.broker, self.clock)), 0
        while offset < await self.broker.end(INCIDENTS.name, 0):
            records, offset = await reader.read(INCIDENTS.name, 0, offset)
            events = (decode(r.headers, r.value) for r in records)
            found += [event for event in events if isinstance(event, ev.DeliveryEvent)]
        return found

    async def story(self) -> list[str]:
        return [f"{event.delivery_id} {event.TYPE.split('.')[1]}" for event in await self.events()]


async def test_a_message_is_planned_attempted_sent_and_recorded() -> None:
    desk = Desk(Receiver())
    await desk.load()
    await desk.declare("d")
    await desk.turn()
    assert await desk.story() == ["d planned", "d attempted", "d delivered"]
    assert desk.channels["toy"].journal == [("d", 1, False)]
    assert desk.owner.idle_for() == float("inf")


async def test_nothing_is_sent_before_its_attempt_is_in_the_log() -> None:
    receiver = Receiver()
    desk = Desk(receiver)
    await desk.load()
    await desk.declare("d")
    await desk.owner.read()
    seen: list[list[tuple[str, int, bool]]] = []

    def watch(op: str, topic: str, partition: int) -> Fault | None:
        seen.append(list(receiver.journal))
        return Fault.CRASH_BEFORE

    desk.broker.fault = watch
    with pytest.raises(SimulatedCrash):
        await desk.owner.tick()
    await asyncio.sleep(0)
    assert seen == [[]]
    assert receiver.journal == []


async def test_a_full_channel_leaves_the_rest_planned() -> None:
    receiver = Receiver(in_flight_max=2)
    receiver.open.clear()
    desk = Desk(receiver)
    await desk.load()
    await desk.declare(*"abcde")
    await desk.turn()
    assert (await desk.story()).count("c attempted") == 0
    assert desk.owner.idle_for() == float("inf"), "it waits to be woken"
    assert len(receiver.journal) == 2
    receiver.open.set()
    await desk.turn(8)
    assert desk.wakes >= 5
    assert [line for line in await desk.story() if "delivered" in line] == [f"{n} delivered" for n in "abcde"]
    assert receiver.most == 2


async def test_a_page_goes_before_what_waits_in_other_partitions() -> None:
    world = toy_world(MemoryBroker(VirtualClock(T0)), VirtualClock(T0))
    lanes = Lanes({"toy": Receiver(in_flight_max=3), "other": Receiver(in_flight_max=3)})
    woken: list[str] = []
    one = Effects(world, lanes, lambda _: True, lambda: woken.append("one"))
    two = Effects(world, lanes, lambda _: True, lambda: woken.append("two"))
    two.heed([Want("toy", T0, page_at=T0)], T0)
    assert (one.room("toy"), one.room("other"), two.room("toy")) == (0, 3, 3)
    one.heed([Want("toy", T0, page_at=T0)], T0)
    assert (one.room("toy"), two.room("toy")) == (1, 1)
    two.heed([Want("toy", T0, page_at=T0 + timedelta(seconds=5))], T0)  # a retry, not ready yet
    assert (one.room("toy"), two.room("toy")) == (3, 0)
    assert woken == ["one", "two"]  # nobody waits for the page of `two` any more
    one.drop()
    assert two.room("toy") == 3


async def test_partitions_share_the_lanes_of_a_channel() -> None:
    receiver = Receiver(in_flight_max=3)
    lanes = Lanes({"toy": receiver})
    world = toy_world(MemoryBroker(VirtualClock(T0)), VirtualClock(T0))
    one, two = (Effects(world, lanes, lambda _: True, lambda: None) for _ in range(2))
    effects = [Effect(delivery_id=n, channel="toy", attempt=1, recipient="r", contacts={}, context={}) for n in "abcd"]
    one.reserve(effects[:2])
    assert (one.room("toy"), two.room("toy")) == (1, 1)
    two.resume(effects[2:])
    assert two.room("toy") == 0
    receiver.open.clear()
    one.start()
    two.start()
    await asyncio.sleep(0)
    assert [name for name, *_ in receiver.journal] == ["a", "b", "c"]
    receiver.open.set()
    for _ in range(3):
        await asyncio.sleep(0)
    two.start()
    for _ in range(3):
        await asyncio.sleep(0)
    assert [name for name, *_ in receiver.journal] == ["a", "b", "c", "d"]
    assert receiver.most == 3
    assert one.room("toy") == 3


async def test_after_a_crash_what_was_attempted_is_sent_again_and_says_so() -> None:
    receiver = Receiver()
    receiver.open.clear()
    desk = Desk(receiver)
    await desk.load()
    await desk.declare("d")
    await desk.turn()
    await desk.load()
    receiver.open.set()
    await desk.turn()
    assert receiver.journal == [("d", 1, False), ("d", 1, True)]
    assert (await desk.story())[-1] == "d delivered"


async def test_what_was_only_planned_is_not_a_possible_duplicate() -> None:
    receiver = Receiver(in_flight_max=1)
    receiver.open.clear()
    desk = Desk(receiver)
    await desk.load()
    await desk.declare("a", "b")
    await desk.turn()
    await desk.load()
    receiver.open.set()
    await desk.turn(8)
    assert receiver.journal == [("a", 1, False), ("a", 1, True), ("b", 1, False)]


async def test_a_failed_attempt_is_tried_again_when_its_time_has_come() -> None:
    receiver = Receiver()
    receiver.answers = [Sent("failed", "503", retry_after_seconds=30), RuntimeError("secret"), Sent("delivered")]
    desk = Desk(receiver)
    await desk.load()
    await desk.declare("d")
    await desk.turn()
    assert receiver.journal == [("d", 1, False)]
    assert desk.owner.idle_for() == 30
    desk.clock.advance(30)
    await desk.turn()
    desk.clock.advance(1)
    await desk.turn()
    assert receiver.journal == [("d", 1, False), ("d", 2, False), ("d", 3, False)]
    records, _ = await JournalReader(toy_world(desk.broker, desk.clock)).read(INCIDENTS.name, 0, 0)
    errors = [e.error for r in records if isinstance(e := decode(r.headers, r.value), ev.DeliveryFailed)]
    assert errors == ["503", "the channel failed with RuntimeError"]


async def test_a_channel_that_is_not_configured_refuses() -> None:
    desk = Desk()
    await desk.load()
    await desk.declare("d")
    await desk.turn()
    assert await desk.story() == ["d planned", "d attempted", "d gave_up"]


async def test_no_send_after_the_partition_is_gone() -> None:
    receiver = Receiver()
    desk = Desk(receiver)
    await desk.load()
    desk.held = False
    await desk.declare("d")
    await desk.turn()
    assert receiver.journal == []
    assert await desk.story() == ["d planned", "d attempted"]


async def test_a_release_waits_for_running_sends_and_records_them() -> None:
    receiver = Receiver(in_flight_max=1)
    receiver.open.clear()
    desk = Desk(receiver)
    await desk.load()
    await desk.declare("a", "b")
    await desk.turn()
    release = asyncio.ensure_future(desk.owner.release())
    await asyncio.sleep(0)
    assert not release.done()
    receiver.open.set()
    await release
    assert await desk.story() == ["a planned", "b planned", "a attempted", "a delivered"]
    assert receiver.journal == [("a", 1, False)]


async def test_a_release_does_not_wait_for_ever() -> None:
    receiver = Receiver()
    receiver.open.clear()
    desk = Desk(receiver)
    await desk.load()
    await desk.declare("a")
    await desk.turn()
    release = asyncio.ensure_future(desk.owner.release())
    await asyncio.sleep(0)
    desk.clock.advance(5)
    await release
    await asyncio.sleep(0)
    assert receiver.running == 0
    assert await desk.story() == ["a planned", "a attempted"]


# ---- pace, patience, breaker -----------------------------------------------------------------------------------------


class Paging(Toy):
    """Every message is a page."""

    def wants(self, state: ToyState) -> Sequence[Want]:
        return [Want("toy", one.at, one.at) for one in super().wants(state)]

    def effects(self, state: ToyState) -> Sequence[Effect]:
        return [replace(effect, page=True) for effect in super().effects(state)]


async def test_a_paced_channel_sends_by_its_pace_and_wakes_its_owner() -> None:
    desk = Desk(Receiver(in_flight_max=8), per_second={"toy": 1.0})
    await desk.load()
    await desk.declare(*"abc")
    await desk.turn()
    assert len(desk.channels["toy"].journal) == 1
    for count in (2, 3):
        assert 0.9 < desk.owner.idle_for() <= 1
        desk.clock.advance(desk.owner.idle_for())
        await desk.turn()
        assert len(desk.channels["toy"].journal) == count
    assert desk.owner.idle_for() == float("inf")


async def test_a_receiver_that_asks_for_patience_is_left_alone_by_every_delivery() -> None:
    receiver = Receiver(in_flight_max=1)
    receiver.answers = [Sent("failed", "429", retry_after_seconds=30)]
    desk = Desk(receiver)
    await desk.load()
    await desk.declare(*"abc")
    await desk.turn()
    assert [name for name, *_ in receiver.journal] == ["a"]
    assert desk.owner.idle_for() == 30
    desk.clock.advance(30)
    await desk.turn(8)
    assert sorted(name for name, *_ in receiver.journal) == ["a", "a", "b", "c"]


async def test_an_outage_costs_few_attempts_however_many_wait() -> None:
    receiver = Receiver(in_flight_max=4)
    receiver.answers = [Sent("failed", "503")] * 1000
    desk = Desk(receiver)
    await desk.load()
    await desk.declare(*(f"m{n:02d}" for n in range(40)))
    for _ in range(600):  # ten minutes
        await desk.turn(2)
        desk.clock.advance(1)
    outage = len(receiver.journal)
    assert outage < 40, "attempts are kept for when it works again"
    assert [one["state"] for one in desk.lanes.shown(desk.clock)] == ["open"]
    assert desk.lanes.notes(desk.clock)[0].startswith("channel toy: open since 2026-11-21T12:00:")
    receiver.answers = []
    for _ in range(40):
        await desk.turn(30)
        desk.clock.advance(1)
    story = await desk.story()
    assert sum("delivered" in line for line in story) == 40
    assert desk.lanes.notes(desk.clock) == []


async def test_a_page_goes_another_way_when_its_channel_has_been_down_for_long() -> None:
    receiver = Receiver(in_flight_max=1)
    receiver.answers = [Sent("failed", "503")] * 1000
    rules = Rules(notify=NotifyRules(fallback={"toy": ("console",)}))
    desk = Desk(receiver, stage=Paging(), rules=rules)
    await desk.load()
    await desk.declare("a")
    for _ in range(300):
        await desk.turn(2)
        desk.clock.advance(1)
    gave_up = [one for one in await desk.events() if isinstance(one, ev.DeliveryGaveUp)]
    assert [one.error for one in gave_up] == ["breaker open: 503"]
    assert timedelta(seconds=120) <= gave_up[0].recorded_at - T0 <= timedelta(seconds=160)
    sends = len(receiver.journal)
    await desk.declare("b")
    await desk.turn(8)
    assert (await desk.story())[-1] == "b gave_up", "at once: nobody waits for a channel that is known to be down"
    assert len(receiver.journal) <= sends + 1


async def test_without_another_way_a_page_waits_for_its_channel() -> None:
    receiver = Receiver(in_flight_max=1)
    receiver.answers = [Sent("failed", "503")] * 1000
    desk = Desk(receiver, stage=Paging())
    await desk.load()
    await desk.declare("a")
    for _ in range(300):
        await desk.turn(2)
        desk.clock.advance(1)
    receiver.answers = []
    for _ in range(60):
        await desk.turn(2)
        desk.clock.advance(1)
    story = await desk.story()
    assert "a gave_up" not in story
    assert story[-1] == "a delivered"


async def test_a_probe_of_a_process_that_loses_the_partition_is_tried_by_others() -> None:
    world = toy_world(MemoryBroker(VirtualClock(T0)), VirtualClock(T0))
    receiver = Receiver()
    receiver.open.clear()
    lanes = Lanes({"toy": receiver})
    one, two = (Effects(world, lanes, lambda _: True, lambda: None) for _ in range(2))
    for _ in range(5):
        lanes.ended("toy", Sent("failed", "503"), world.clock)
    world.clock.advance(1)  # type: ignore[attr-defined]
    one.reserve([Effect(delivery_id="a", channel="toy", attempt=1, recipient="r", contacts={}, context={})])
    one.start()
    await asyncio.sleep(0)
    assert (one.room("toy"), two.room("toy")) == (0, 0)
    one.drop()
    for _ in range(3):
        await asyncio.sleep(0)
    assert two.room("toy") == 1
