"""The lease: how old a confirmed heartbeat may be before something begins that takes its time."""

import asyncio

import pytest

from tocsin.runtime.kafka import heartbeat
from tocsin.runtime.kafka.heartbeat import HeartbeatLease


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(heartbeat, "boottime", lambda: now[0])
    return now


def test_nothing_is_allowed_before_the_first_heartbeat(now: list[float]) -> None:
    assert not HeartbeatLease(15, 3).holds(0)


@pytest.mark.parametrize(
    ("age", "seconds", "holds"),
    [
        (4.9, 10, True),  # ends before the session can
        (6.1, 10, False),
        (14.9, 0, True),
        (15.1, 0, False),
        (5.9, 30, True),  # longer than a session: only right after a heartbeat
        (6.1, 30, False),
    ],
)
def test_what_begins_has_to_end_before_others_may_take_over(
    now: list[float], age: float, seconds: float, holds: bool
) -> None:
    lease = HeartbeatLease(15, 3)
    lease.beat(now[0] - age)
    assert lease.holds(seconds) is holds


def test_an_answer_that_comes_late_counts_from_when_it_was_asked(now: list[float]) -> None:
    lease = HeartbeatLease(15, 3)
    lease.beat(now[0])
    now[0] += 20
    lease.beat(now[0] - 18)
    assert not lease.holds(0)
    lease.beat(now[0] - 30)  # the answer of an earlier one, even later
    assert lease.age() == 18


async def test_renewed_means_asked_after_the_question(now: list[float]) -> None:
    lease = HeartbeatLease(15, 3)
    lease.beat(now[0])
    waiting = asyncio.ensure_future(lease.renewed())
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    lease.beat(now[0] + 0.1)
    await asyncio.wait_for(waiting, 5)
