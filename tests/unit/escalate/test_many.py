"""Ten thousand deadlines at one instant, through the real owner, and one that dies in their middle."""

from collections import Counter
from datetime import timedelta

from tocsin.domain import events as ev
from tocsin.domain.rules import EscalationRule, Rules
from tocsin.escalate.decide import Escalate
from tocsin.runtime.journal import JournalReader
from tocsin.runtime.owner import Owner
from tocsin.runtime.rules import SettingsFeed
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import toy_world
from tocsin.topics import ESCALATIONS, INCIDENTS
from tocsin.wire.events import decode, encode, stamp
from tocsin.wire.record import Draft
from unit.escalate.story import T0, Subject

COUNT = 10_000
RULES = Rules(escalation=(EscalationRule(escalate_to="on_call", escalate_after_minutes=5),), sla={})


def opened(n: int) -> Draft:
    encoded = encode(Subject(incident_id=f"inc_aa{n:020d}").opened())
    headers = stamp(encoded, source="/test", journal=INCIDENTS.name, partition=0, offset=n, claim=0)
    return Draft(encoded.key, encoded.value, headers)


async def owner(broker: MemoryBroker, clock: VirtualClock, member: str) -> Owner:
    world = toy_world(broker, clock, member=member)
    feed = SettingsFeed(world)
    await feed.refresh()
    await feed.publish(RULES)
    found = Owner(Escalate(0, 1), world, feed, partitions=1)
    await found.load()
    return found


async def test_ten_thousand_deadlines_of_one_instant_are_one_event_each() -> None:
    clock = VirtualClock(T0)
    broker = MemoryBroker(clock, partitions=1)
    for start in range(0, COUNT, 500):
        await broker.append(INCIDENTS.name, 0, [opened(n) for n in range(start, start + 500)])
    first = await owner(broker, clock, "one")
    while await first.read():
        pass
    await first.tick()
    clock.advance(timedelta(minutes=5))
    for _ in range(4):
        assert await first.tick()
    second = await owner(broker, clock, "two")  # the first one is gone with a part of them done
    while await second.tick():
        pass
    reader = JournalReader(toy_world(broker, clock, member="reader"))
    calls: Counter[str] = Counter()
    following = 0
    while True:
        records, end = await reader.read(ESCALATIONS.name, 0, following)
        if end == following:
            break
        for record in records:
            event = decode(record.headers, record.value)
            if isinstance(event, ev.EscalationFired):
                calls[event.incident_id] += 1
                assert event.lateness_seconds == 0
        following = end
    assert len(calls) == COUNT
    assert set(calls.values()) == {1}
