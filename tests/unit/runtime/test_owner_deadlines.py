"""The owner and time: deadlines fire in order, once, never early, and after what was written before them."""

from datetime import timedelta

import pytest

from tocsin.domain import events as ev
from tocsin.domain.agenda import Deadline
from tocsin.domain.instant import Instant
from tocsin.runtime.owner import Owner, StageBug
from tocsin.runtime.rules import SettingsFeed
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import Toy
from tocsin.topics import ESCALATIONS, INCIDENTS
from unit.runtime.desk import JOURNAL, T0, Desk, sighting


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


async def test_deadlines_of_one_turn_have_one_now(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    await desk.load()
    await desk.alerts(sighting("a", 0), sighting("b", 1), sighting("c", 2))
    await desk.turn()
    desk.wait(3600)
    now = desk.clock.now

    def later() -> Instant:
        desk.wait(0.001)
        return now()

    monkeypatch.setattr(desk.clock, "now", later)
    await desk.owner.tick()
    fired = [event.recorded_at for event in await desk.events() if isinstance(event, ev.Followed)]
    assert (len(fired), len(set(fired))) == (3, 1)


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
