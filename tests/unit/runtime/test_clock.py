"""Both clocks: time never goes back, and a wait ends by its event or by its time."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.runtime.clock import Clock, SystemClock
from tocsin.testing.clock import VirtualClock

START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def clocks() -> list[Clock]:
    return [SystemClock(), VirtualClock(START)]


def stepped(*walls: tuple[float, float]) -> tuple[SystemClock, list[float]]:
    """A clock after readings of (uptime, wall) in seconds, and what it showed."""
    readings = iter(walls)
    now: list[float] = [0.0, 0.0]
    clock = SystemClock(lambda: START + timedelta(seconds=now[1]), lambda: now[0])
    shown = []
    for now[0], now[1] in readings:
        shown.append((clock.now() - START).total_seconds())
    return clock, shown


def test_a_small_difference_is_worked_off_slowly() -> None:
    clock, shown = stepped((0, 0), (10, 14), (20, 24), (200, 204), (210, 214))
    assert shown == [0, 10.5, 21, 204, 214]
    assert clock.step == 0


def test_a_step_forward_is_taken_once_the_wall_has_kept_to_it() -> None:
    clock, shown = stepped((0, 0), (10, 3610), (69, 3669))
    assert shown == [0, 10, 69]
    assert clock.step == 3600
    clock, shown = stepped((0, 0), (10, 3610), (69, 3669), (70, 3670), (71, 3671))
    assert shown[3:] == [3670, 3671]
    assert clock.step == 0


def test_a_step_that_is_taken_back_was_never_followed() -> None:
    clock, shown = stepped((0, 0), (10, 3610), (60, 3660), (65, 65), (130, 130))
    assert shown == [0, 10, 60, 65, 130]
    assert clock.step == 0


def test_a_step_back_never_makes_time_stand_still() -> None:
    clock, shown = stepped((0, 0), (10, -3590), (80, -3520), (1080, -2520), (1180, -2420))
    assert shown == [0, 10, 45, 545, 595]
    assert clock.step < 0
    clock, shown = stepped((0, 0), (10, -3590), (80, -3520), (7400, 3800), (7500, 3900))
    assert shown[3:] == [3800, 3900]
    assert clock.step == 0


def test_the_system_clock_shows_the_wall_in_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC


@pytest.mark.parametrize("clock", clocks())
async def test_a_set_event_ends_the_wait_and_stays_set(clock: Clock) -> None:
    event = asyncio.Event()
    wait = asyncio.create_task(clock.wait(event, 3600))
    await asyncio.sleep(0)
    event.set()
    assert await wait is True
    assert event.is_set()
    assert await clock.wait(event, -1) is True


@pytest.mark.parametrize("clock", clocks())
@pytest.mark.parametrize("seconds", [0, -1, 0.001])
async def test_a_wait_without_time_ends_at_once_and_lets_others_run(clock: Clock, seconds: float) -> None:
    if isinstance(clock, VirtualClock):
        asyncio.get_running_loop().call_soon(clock.advance, 0.001)
    ran = asyncio.create_task(asyncio.sleep(0))
    assert await clock.wait(asyncio.Event(), seconds) is False
    assert ran.done() or seconds <= 0
    await ran


async def test_virtual_waits_end_in_the_order_of_their_deadlines() -> None:
    clock = VirtualClock(START)
    ended: list[tuple[int, float]] = []

    async def wait(seconds: int) -> None:
        assert await clock.wait(asyncio.Event(), seconds) is False
        ended.append((seconds, clock.monotonic()))

    waits = [asyncio.create_task(wait(seconds)) for seconds in (30, 10, 20, 40)]
    await asyncio.sleep(0)
    clock.advance(9.999)
    for _ in range(5):
        await asyncio.sleep(0)
    assert ended == []
    clock.advance(timedelta(seconds=20.001))
    await asyncio.gather(*waits[:3])
    assert ended == [(10, 30.0), (20, 30.0), (30, 30.0)]
    assert clock.waiting == 1
    clock.advance(10)
    await waits[3]
    assert clock.now() == START + timedelta(seconds=40)
    assert clock.waiting == 0


async def test_a_cancelled_virtual_wait_is_forgotten() -> None:
    clock = VirtualClock(START)
    wait = asyncio.create_task(clock.wait(asyncio.Event(), 5))
    await asyncio.sleep(0)
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait
    assert clock.waiting == 0
    clock.advance(10)


def test_virtual_time_does_not_go_back_and_starts_in_utc() -> None:
    with pytest.raises(ValueError, match="does not go back"):
        VirtualClock(START).advance(-1)
    with pytest.raises(ValueError, match="UTC"):
        VirtualClock(START.replace(tzinfo=None))
