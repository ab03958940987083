"""What stands still is named, and what is dead ends the process."""

from datetime import UTC, datetime

import pytest

from tocsin.runtime.watch import SILENT_FOR_EVER, STANDS_FOR_EVER, Signs, Stuck, Watch
from tocsin.runtime.world import World
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.toy import toy_world

PLACE = ("incidents.events.v1", 3)


class Desk:
    def __init__(self) -> None:
        self.clock = VirtualClock(datetime(2026, 11, 21, tzinfo=UTC))
        self.world: World = toy_world(MemoryBroker(self.clock, 1), self.clock)
        self.signs = Signs(0.0, 0.0, 15.0)
        self.watch = Watch(self.world, lambda: {"tocsin.core": self.signs})

    def after(self, seconds: float) -> list[str]:
        self.clock.advance(seconds)
        self.watch.look()
        return self.world.problems.lines()

    def lag(self, offset: int, waiting: int, *, after: float) -> list[str]:
        self.clock.advance(after)
        self.watch.lagging("notify", [(PLACE, offset, waiting)])
        return self.world.problems.lines()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_loop_that_comes_back_late_is_a_problem_until_it_does_not(desk: Desk) -> None:
    assert desk.after(1.0) == []
    assert desk.after(4.0) == ["event loop: came back 3.0 s late"]
    assert desk.after(1.0) == []


def test_silence_of_the_log_is_a_problem_and_then_the_end(desk: Desk) -> None:
    desk.signs = Signs(20.0, 0.0, 15.0)
    assert desk.after(1.0) == ["tocsin.core delivery: nothing heard from the log for 20 s"]
    desk.signs = Signs(0.5, 0.0, 15.0)
    assert desk.after(1.0) == []
    desk.signs = Signs(SILENT_FOR_EVER + 1, 0.0, 15.0)
    with pytest.raises(Stuck, match="delivery is dead"):
        desk.after(1.0)


def test_a_member_that_nobody_confirms_says_that_it_sends_nothing(desk: Desk) -> None:
    desk.signs = Signs(0.0, 16.0, 15.0)
    (line,) = desk.after(1.0)
    assert line.startswith("tocsin.core membership: not confirmed for 16 s")
    assert b'tocsin_heartbeat_age_seconds{group="tocsin.core"} 16.0' in desk.world.metrics.exposition()


def test_a_position_that_stands_while_records_wait_is_a_problem_and_then_the_end(desk: Desk) -> None:
    assert desk.lag(5, 7, after=10) == []
    assert desk.lag(5, 9, after=50) == []
    assert desk.lag(5, 9, after=20) == ["notify incidents.events.v1/3: has stood at 5 for 70 s while 9 records wait"]
    assert desk.lag(6, 8, after=10) == []
    with pytest.raises(Stuck, match="has stood at 6"):
        desk.lag(6, 8, after=STANDS_FOR_EVER + 1)


def test_who_says_why_it_waits_is_not_dead(desk: Desk) -> None:
    desk.lag(5, 7, after=10)
    desk.world.problems.put("read incidents.events.v1/3", "attempt 9 failed: the broker is away")
    assert len(desk.lag(5, 7, after=STANDS_FOR_EVER + 1)) == 2


def test_nothing_to_read_is_no_standstill(desk: Desk) -> None:
    assert desk.lag(5, 0, after=10) == []
    assert desk.lag(5, 0, after=10_000) == []
    assert desk.lag(5, 1, after=10) == []


def test_a_partition_that_others_read_is_no_longer_shown_and_begins_anew_when_it_comes_back(desk: Desk) -> None:
    def shown() -> str:
        return desk.world.metrics.exposition().decode()

    desk.world.metrics.set("tocsin_consumer_lag_records", 7, "notify", "incidents.events.v1", "3")
    desk.lag(5, 7, after=10)
    assert desk.lag(5, 7, after=70) != []
    assert 'tocsin_position_age_seconds{partition="3",stage="notify"} 70.0' in shown()
    desk.watch.only({("notify", ("incidents.events.v1", 4))})
    assert desk.world.problems.lines() == []
    assert 'stage="notify"' not in shown()
    assert desk.lag(5, 7, after=STANDS_FOR_EVER + 1) == []


def test_the_age_of_a_partition_is_that_of_the_topic_that_stands_longest(desk: Desk) -> None:
    for seconds in (10, 50):
        desk.clock.advance(seconds)
        desk.watch.lagging("notify", [(PLACE, 5, 7), (("escalations.events.v1", 3), 9, 0)])
    assert b'tocsin_position_age_seconds{partition="3",stage="notify"} 50.0' in desk.world.metrics.exposition()
