"""What the owner reads: commands find their home, bad records harm nobody, a source that changed stops it."""

import pytest

from tocsin.runtime.world import SourceLost
from tocsin.testing.toy import Toy
from tocsin.topics import COMMANDS, ESCALATIONS, INCIDENTS, NORMALIZED, NOTIFICATIONS, REJECTED
from tocsin.wire.record import Draft
from unit.runtime.desk import JOURNAL, Desk, sighting


async def test_a_bad_command_is_rejected_and_its_neighbours_are_not() -> None:
    desk = Desk()
    await desk.load()
    await desk.command("c0")
    await desk.broker.append(COMMANDS.name, 0, [Draft(b"k", b'{"verb": 3}', (("traceparent", b"t"),))])
    await desk.command("c1")
    await desk.turn()
    assert desk.owner.state.commands == ["c0", "c1"]
    (rejected,) = await desk.broker.read(REJECTED.name, 0, 0)
    assert rejected.value == b'{"verb": 3}'
    assert rejected.header("tocsin_error_reason") == b"bad_command"
    assert rejected.header("tocsin_error_stage") == b"correlate"
    assert rejected.header("tocsin_error_source") == b"incidents.commands.v1/0"
    assert rejected.header("tocsin_error_position") == b"1"
    assert rejected.header("traceparent") == b"t"


@pytest.mark.parametrize("incident", ["inc_ab" + "x" * 20, "INC-2026-11-21-002", "inc-2026-11-21-004"])
async def test_a_command_goes_to_the_owner_of_its_incident_unchanged(incident: str) -> None:
    desk = Desk(partitions=2)
    await desk.load(Toy(0, 2))
    await desk.command("c", incident=incident)
    await desk.turn()
    assert desk.owner.state.commands == []
    (there,) = await desk.broker.read(COMMANDS.name, 1, 0)
    (here,) = await desk.broker.read(COMMANDS.name, 0, 0)
    assert (there.key, there.value) == (here.key, here.value)


@pytest.mark.parametrize(
    "incident", ["", "inc_aa" + "x" * 20, "inc_77xxx", "INC-2026-11-21-001", "INC-x", "nonsense", "INC-0"]
)
async def test_a_command_that_belongs_nowhere_else_is_decided_here(incident: str) -> None:
    desk = Desk(partitions=2)
    await desk.load(Toy(0, 2))
    await desk.command("c", incident=incident)
    await desk.turn()
    assert desk.owner.state.commands == ["c"]


async def test_poison_among_the_batches_is_rejected() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0))
    await desk.broker.append(NORMALIZED.name, 0, [Draft(None, b"\x93garbage"), Draft(None, None)])
    await desk.alerts(sighting("a", 1))
    await desk.turn()
    assert desk.owner.state.counts == {"a": 2}
    assert await desk.broker.end(REJECTED.name, 0) == 2


async def test_a_source_that_was_trimmed_unread_stops_the_partition() -> None:
    desk = Desk()
    await desk.load()
    for n in range(4):
        await desk.command(f"c{n}")
    await desk.broker.trim(COMMANDS.name, 0, 2)
    with pytest.raises(SourceLost, match="source_trimmed"):
        await desk.turn()
    with pytest.raises(SourceLost, match=r"source_trimmed: incidents.commands.v1/0 begins at 2; 0 was"):
        await desk.load()


async def test_a_source_that_was_created_anew_stops_the_partition() -> None:
    desk = Desk()
    await desk.load()
    await desk.command("c0")
    await desk.command("c1")
    await desk.turn()
    desk.broker.recreate(COMMANDS.name)
    with pytest.raises(SourceLost, match="source_recreated"):
        await desk.load()
    for n in range(5):
        await desk.command(f"d{n}")
    with pytest.raises(SourceLost, match="source_recreated"):
        await desk.load()


async def test_a_source_trimmed_up_to_the_position_is_whole() -> None:
    desk = Desk()
    await desk.load()
    await desk.command("c0")
    await desk.turn()
    await desk.broker.trim(COMMANDS.name, 0, 1)
    await desk.load()
    await desk.command("c1")
    await desk.turn()
    assert desk.owner.state.commands == ["c0", "c1"]


async def test_a_journal_without_its_beginning_is_not_loaded() -> None:
    desk = Desk()
    await desk.load()
    await desk.broker.trim(JOURNAL, 0, 1)
    with pytest.raises(SourceLost, match="journal_trimmed"):
        await desk.load()


async def test_records_given_out_of_place_are_dropped_or_fetched() -> None:
    """A Kafka client may give records again, or from further on, after a rebalance."""
    desk = Desk()
    await desk.load()
    for n in range(6):
        await desk.command(f"c{n}")
    records = await desk.broker.read(COMMANDS.name, 0, 0)
    await desk.owner.take(COMMANDS, records[:2])
    await desk.owner.tick()
    await desk.owner.take(COMMANDS, records[:3])
    await desk.owner.tick()
    await desk.owner.take(COMMANDS, records[5:])
    await desk.owner.tick()
    await desk.owner.take(COMMANDS, records)
    await desk.owner.tick()
    assert desk.owner.state.commands == [f"c{n}" for n in range(6)]


async def test_an_earlier_journal_is_read_first() -> None:
    """An escalation rests on an incident event; whoever reads both has read that event before it acts."""
    desk = Desk()
    await desk.load()
    escalate = await desk.load(Toy(reads=(INCIDENTS,), journal=ESCALATIONS, name="escalate"))
    notify = await desk.load(Toy(reads=(INCIDENTS, ESCALATIONS), journal=NOTIFICATIONS, name="notify"))
    correlate = await desk.load()
    await desk.command("c", times=1500)
    await correlate.read()
    while await escalate.read():
        pass
    records = await desk.broker.read(ESCALATIONS.name, 0, 0)
    await notify.take(ESCALATIONS, records)
    await notify.tick()
    facts = notify.state.facts
    first = facts.index(f"{ESCALATIONS.name}/0")
    assert facts[:first] == [f"{JOURNAL}/{n}" for n in range(await desk.broker.end(JOURNAL, 0))]
