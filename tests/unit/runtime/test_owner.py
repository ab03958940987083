"""The owner over the toy stage: nothing decided twice, nothing skipped, and the journal gives the state back."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.domain import events as ev
from tocsin.domain.agenda import Deadline
from tocsin.domain.alert import AlertStatus, Episode, Sighting
from tocsin.domain.command import Command
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.runtime.broker import BATCH_BYTES_MAX
from tocsin.runtime.journal import JournalReader, Lost
from tocsin.runtime.owner import Owner, StageBug
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.world import SourceLost, World
from tocsin.stage import Input
from tocsin.testing.broker import Fault, MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import Toy, toy_world
from tocsin.topics import COMMANDS, ESCALATIONS, INCIDENTS, NORMALIZED, NOTIFICATIONS, RAW, REJECTED
from tocsin.wire.command import encode_command
from tocsin.wire.events import POSITION, decode
from tocsin.wire.normalized import encode_batches
from tocsin.wire.position import decode_position
from tocsin.wire.record import Draft, Record

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)
JOURNAL = INCIDENTS.name


def sighting(name: str, offset: int, index: int = 0, incarnation: str = "i1") -> Sighting:
    return Sighting(
        raw_topic=RAW.name,
        raw_partition=0,
        incarnation=incarnation,
        offset=offset,
        index=index,
        received_at=T0 + timedelta(seconds=offset),
        fingerprint=name,
        status=AlertStatus.FIRING,
        episode=Episode.WINDOW,
    )


class Desk:
    """One owner of the toy stage on a memory broker."""

    def __init__(self, partitions: int = 1, kafka_like: bool = False) -> None:
        self.clock = VirtualClock(T0)
        self.broker = MemoryBroker(self.clock, partitions=partitions, kafka_like=kafka_like)
        self.partitions = partitions
        self.members = 0
        self.owner: Owner

    def world(self) -> World:
        self.members += 1
        return toy_world(self.broker, self.clock, member=f"m{self.members}")

    async def load(self, stage: Toy | None = None) -> Owner:
        world = self.world()
        feed = SettingsFeed(world)
        await feed.refresh()
        self.owner = Owner(stage or Toy(), world, feed, partitions=self.partitions)
        await self.owner.load()
        return self.owner

    async def alerts(self, *sightings: Sighting) -> None:
        for value in encode_batches(sightings):
            await self.broker.append(NORMALIZED.name, 0, [Draft(None, value)])

    async def command(self, name: str, partition: int = 0, incident: str = "", **arguments: int) -> None:
        key, value = encode_command(Command(command_id=name, verb="note", incident=incident, arguments=dict(arguments)))
        await self.broker.append(COMMANDS.name, partition, [Draft(key, value)])

    async def turn(self) -> None:
        while await self.owner.read():
            pass
        await self.owner.tick()

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def events(self, topic: str = JOURNAL) -> list[ev.Event]:
        records, _ = await JournalReader(self.world()).read(topic, 0, 0, records_max=100_000)
        return [decode(r.headers, r.value) for r in records]

    async def types(self) -> list[str]:
        return [event.TYPE.split(".")[1] for event in await self.events()]

    async def batches(self) -> list[list[Record]]:
        """The records of the journal by commit: a position ends one."""
        batches: list[list[Record]] = [[]]
        for record in await self.broker.read(JOURNAL, 0, 0, records_max=100_000, bytes_max=10**9):
            batches[-1].append(record)
            if record.header(POSITION) is not None:
                batches.append([])
        return [batch for batch in batches if batch]

    async def check_reload(self) -> None:
        """A new owner has the same state and the same positions, and finds nothing left to do."""
        before = self.owner
        end = await self.broker.end(JOURNAL, 0)
        after = await self.load(before.stage)
        assert after.state == before.state
        assert after.places() == before.places()
        assert not await after.read()
        assert await self.broker.end(JOURNAL, 0) == end + 1


async def test_a_batch_is_decided_and_committed_with_its_position() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0), sighting("b", 0, 1), sighting("a", 1))
    await desk.turn()
    assert await desk.types() == ["claimed", "tombstoned", "tombstoned", "tallied"]
    last = (await desk.broker.read(JOURNAL, 0, 3))[0]
    position = decode_position(last.header(POSITION) or b"")
    assert position.sources[f"{NORMALIZED.name}/0"][0] == 1
    assert (position.raw[f"{RAW.name}/0"].offset, position.raw[f"{RAW.name}/0"].index) == (1, 0)
    assert desk.owner.state.counts == {"a": 2, "b": 1}
    await desk.check_reload()


async def test_repeats_wait_a_second_and_go_out_as_one_sum() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0))
    await desk.turn()
    for n in range(1, 8):
        await desk.alerts(sighting("a", n), sighting("a", n, 1))
        await desk.turn()
        desk.wait(0.1)
    assert await desk.types() == ["claimed", "tombstoned"]
    assert 0 < desk.owner.idle_for() <= 0.31
    desk.wait(0.31)
    await desk.turn()
    tallied = (await desk.events())[-1]
    assert isinstance(tallied, ev.Tallied)
    assert [(t.alert_id, t.count) for t in tallied.tallies] == [("a", 14)]
    assert (tallied.tallies[0].start, tallied.tallies[0].last) == (
        T0 + timedelta(seconds=1),
        T0 + timedelta(seconds=7),
    )
    await desk.check_reload()


async def test_pending_repeats_go_in_front_of_the_next_commit() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0))
    await desk.turn()
    await desk.alerts(sighting("a", 1))
    await desk.turn()
    await desk.command("c1")
    await desk.turn()
    assert await desk.types() == ["claimed", "tombstoned", "tallied", "applied"]
    await desk.check_reload()


async def test_a_repeat_in_the_commit_of_its_first_sighting_stands_behind_it() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(*[sighting(name, n) for n, name in enumerate("aabab")])
    await desk.turn()
    assert await desk.types() == ["claimed", "tombstoned", "tallied", "tombstoned", "tallied"]
    assert desk.owner.state.counts == {"a": 3, "b": 2}
    await desk.check_reload()


async def test_stretches_more_than_ten_minutes_apart_stay_apart_in_a_sum() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0), sighting("a", 10), sighting("a", 610), sighting("a", 1211))
    await desk.turn()
    tallied = (await desk.events())[-1]
    assert isinstance(tallied, ev.Tallied)
    assert [t.count for t in tallied.tallies] == [2, 1]
    assert desk.owner.state.counts == {"a": 4}
    await desk.check_reload()


async def test_a_repeat_of_ingest_is_not_applied_twice() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0), sighting("a", 0, 1))
    await desk.alerts(sighting("a", 0), sighting("a", 0, 1), sighting("a", 1))
    await desk.turn()
    assert desk.owner.state.counts == {"a": 3}
    await desk.load()
    await desk.alerts(sighting("a", 0, 1), sighting("a", 1), sighting("a", 1, 1))
    await desk.turn()
    assert desk.owner.state.counts == {"a": 4}


async def test_a_raw_topic_created_anew_starts_its_own_marks() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 7))
    await desk.alerts(sighting("a", 0, incarnation="i2"))
    await desk.turn()
    assert desk.owner.state.counts == {"a": 2}


async def test_commits_are_cut_between_inputs_and_none_is_too_large() -> None:
    desk = Desk()
    await desk.load()
    for n in range(30):
        await desk.command(f"c{n}", times=3, size=30_000)
    await desk.turn()
    batches = await desk.batches()
    assert len(batches) > 2
    del batches[0][0]  # the claim carries no position
    names = []
    for batch in batches:
        assert sum(len(r.value or b"") + len(r.key or b"") for r in batch) <= BATCH_BYTES_MAX
        ids = [(r.header("ce_id") or b"").decode() for r in batch]
        assert len(ids) % 3 == 0
        names += ids
    assert names == [f"c{n}{tail}" for n in range(30) for tail in ("", ".1", ".2")]
    await desk.check_reload()


async def test_an_input_that_does_not_fit_one_commit_is_a_bug() -> None:
    desk = Desk()
    await desk.load()
    await desk.command("c", times=10, size=100_000)
    with pytest.raises(StageBug, match="one commit holds at most"):
        await desk.turn()
    assert await desk.types() == ["claimed"]


async def test_tallies_beyond_one_record_are_split() -> None:
    desk = Desk()
    await desk.load()
    names = [f"alt_{n:028d}" for n in range(9000)]
    await desk.alerts(*[sighting(name, 0, n) for n, name in enumerate(names)])
    await desk.turn()
    await desk.alerts(*[sighting(name, 1, n) for n, name in enumerate(names)])
    desk.wait(1)
    await desk.turn()
    desk.wait(1)
    await desk.turn()
    records = await desk.broker.read(JOURNAL, 0, 0, records_max=100_000, bytes_max=10**9)
    tallies = [r for r in records if b"tallied" in (r.header("ce_type") or b"")]
    assert len(tallies) == 8  # in two commits
    assert max(len(r.value or b"") for r in tallies) <= 200 * 1024
    assert set(desk.owner.state.counts.values()) == {2}
    await desk.check_reload()


@pytest.mark.parametrize("kafka_like", [False, True])
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.DOUBT_LOST, Fault.DOUBT_WRITTEN])
@pytest.mark.parametrize("which", range(4))
async def test_a_crash_or_a_doubt_at_any_append_changes_nothing(fault: Fault, which: int, kafka_like: bool) -> None:
    desk = Desk(kafka_like=kafka_like)
    countdown = which

    def strike(op: str, topic: str, partition: int) -> Fault | None:
        nonlocal countdown
        if topic != JOURNAL:
            return None
        countdown -= 1
        return fault if countdown == -1 else None

    desk.broker.fault = strike
    for n in range(6):
        await desk.alerts(sighting("a", n), sighting(f"b{n}", n, 1))
        await desk.command(f"c{n}")
        for _ in range(3):
            try:
                if n == 0 or not hasattr(desk, "owner") or desk.owner.journal is None:
                    await desk.load()
                await desk.turn()
                break
            except BaseException as error:
                if type(error).__name__ != "SimulatedCrash":
                    raise
                desk.owner.journal = None
    await desk.turn()
    assert desk.owner.state.counts == {"a": 6, **{f"b{n}": 1 for n in range(6)}}
    assert desk.owner.state.commands == [f"c{n}" for n in range(6)]
    await desk.check_reload()


async def test_a_position_is_written_after_ten_seconds_without_a_commit() -> None:
    desk = Desk()
    toy = Toy(reads=(INCIDENTS,), journal=ESCALATIONS, name="escalate")
    toy.decide = lambda *_: ()  # type: ignore[method-assign]
    other = await desk.load(toy)
    await desk.load()
    await desk.command("c")
    await desk.turn()
    assert await other.read()
    await other.tick()
    assert await desk.broker.end(ESCALATIONS.name, 0) == 1
    assert other.idle_for() == 10
    desk.wait(10)
    await other.tick()
    (positioned,) = (await desk.events(ESCALATIONS.name))[1:]
    assert isinstance(positioned, ev.Positioned)
    assert other.idle_for() == float("inf")
    again = await desk.load(toy)
    assert again.next(JOURNAL) == other.next(JOURNAL) == 2


async def test_deadlines_fire_in_order_once_due_and_never_early() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0))
    await desk.turn()
    desk.wait(30)
    await desk.alerts(sighting("b", 1))
    await desk.turn()
    assert desk.owner.idle_for() == 30
    desk.wait(29.999)
    await desk.turn()
    assert "followed" not in await desk.types()
    desk.wait(0.001)
    await desk.turn()
    assert (await desk.types())[-1] == "followed"
    desk.wait(3600)
    await desk.turn()
    fired = [event for event in await desk.events() if isinstance(event, ev.Followed)]
    assert [event.incident_id for event in fired] == ["a", "b"]
    await desk.check_reload()


async def test_a_deadline_waits_for_what_was_written_before_it() -> None:
    """Nothing is read between the command and the deadline: the tick alone must not let the deadline pass first."""
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0))
    await desk.turn()
    desk.wait(61)
    await desk.command("c")
    await desk.owner.tick()
    assert (await desk.types())[-1] == "tombstoned"
    await desk.turn()
    assert (await desk.types())[-2:] == ["applied", "followed"]


async def test_a_deadline_of_a_later_stage_waits_for_commands_that_the_first_has_not_read() -> None:
    desk = Desk()
    first = await desk.load()
    world = desk.world()
    toy = Toy(reads=(INCIDENTS,), journal=ESCALATIONS, name="escalate")
    later = Owner(toy, world, SettingsFeed(world), partitions=1, ahead=first)
    await later.load()
    await desk.command("c0")
    await first.read()
    await later.read()
    later.state.agenda.put("toy", "late", T0 + timedelta(seconds=5))
    desk.wait(60)
    await desk.command("acknowledge")
    await later.tick()
    assert "late" not in later.state.facts
    await first.read()
    await later.tick()
    assert "late" not in later.state.facts, "what the command brought about has not been read"
    await later.read()
    await later.tick()
    assert later.state.facts[-2:] == [f"{JOURNAL}/2", "late"]


async def test_a_deadline_that_stays_due_is_a_bug() -> None:
    class Stuck(Toy):
        def due(self, state: object) -> Deadline | None:
            return Deadline(T0, "stuck", "x")

    desk = Desk()
    await desk.load(Stuck())
    with pytest.raises(StageBug, match="still due"):
        await desk.turn()


async def test_now_never_goes_back_across_owners() -> None:
    desk = Desk()
    await desk.load()
    desk.wait(100)
    await desk.command("c0")
    await desk.turn()
    desk.clock = VirtualClock(T0)  # another machine, whose clock is late
    await desk.load()
    await desk.command("c1")
    await desk.turn()
    instants = [event.recorded_at for event in await desk.events()]
    assert instants == sorted(instants)
    assert instants[-1] == T0 + timedelta(seconds=100)


async def test_new_rules_apply_between_commits_and_the_position_names_them() -> None:
    desk = Desk()
    await desk.load()
    world = desk.world()
    publisher = SettingsFeed(world)
    assert await publisher.publish(Rules()) == 7
    assert await publisher.publish(Rules()) == 0
    await desk.alerts(sighting("a", 0), sighting("a", 1))
    await desk.turn()
    await desk.owner._feed.refresh()
    await desk.command("c")
    await desk.turn()
    events = await desk.events()
    assert [event.rules_version for event in events] == [-1, -1, -1, 7]
    last = (await desk.broker.read(JOURNAL, 0, 3))[0]
    assert decode_position(last.header(POSITION) or b"").sources["settings.events.v1/0"][0] == 8


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
    await desk.owner.work(COMMANDS, records[:2])
    await desk.owner.work(COMMANDS, records[:3])
    await desk.owner.work(COMMANDS, records[5:])
    await desk.owner.work(COMMANDS, records)
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
    await notify.work(ESCALATIONS, records)
    facts = notify.state.facts
    first = facts.index(f"{ESCALATIONS.name}/0")
    assert facts[:first] == [f"{JOURNAL}/{n}" for n in range(await desk.broker.end(JOURNAL, 0))]


async def test_an_owner_that_was_replaced_stops_at_its_next_commit() -> None:
    desk = Desk()
    old = await desk.load()
    await desk.load()
    await desk.command("c")
    with pytest.raises(Lost):
        await old.read()
    await desk.turn()
    assert (await desk.types()).count("applied") == 1


async def test_a_release_says_everything() -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0))
    await desk.turn()
    await desk.alerts(sighting("a", 1))
    await desk.turn()
    await desk.owner.release()
    assert (await desk.types())[-1] == "tallied"
    await desk.check_reload()


async def test_decide_sees_each_event_evolved_before_the_next() -> None:
    seen: list[int] = []

    class Careful(Toy):
        def decide(self, state: object, given: Input, rules: Rules, now: Instant) -> Iterable[ev.Event]:
            for event in super().decide(state, given, rules, now):  # type: ignore[arg-type]
                yield event
                seen.append(len(state.commands))  # type: ignore[attr-defined]

    desk = Desk()
    await desk.load(Careful())
    await desk.command("c", times=3)
    await desk.turn()
    assert seen == [1, 2, 3]
