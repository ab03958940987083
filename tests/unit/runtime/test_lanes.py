"""What a channel is given: by its pace, while its receiver asks for patience, and while it fails."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.rules import NotifyRules, Rules
from tocsin.notify.channel import Sent
from tocsin.runtime.effects import Effects
from tocsin.runtime.lanes import Lanes
from tocsin.stage import Effect, Want
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import Toy, ToyState, toy_world
from unit.runtime.sending import T0, Desk, Receiver


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
