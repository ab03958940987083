"""Sends: after their commit, within the lanes, once; and again, marked, after a crash."""

import asyncio
from datetime import timedelta

import pytest

from tocsin.domain import events as ev
from tocsin.notify.channel import Sent
from tocsin.runtime.effects import Effects
from tocsin.runtime.journal import JournalReader
from tocsin.runtime.lanes import Lanes
from tocsin.stage import Effect, Want
from tocsin.testing.broker import Fault, MemoryBroker, SimulatedCrash
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import toy_world
from tocsin.topics import INCIDENTS
from tocsin.wire.events import decode
from unit.runtime.sending import T0, Desk, Receiver


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
