"""Whatever the wall clock does: time goes on, at half speed at least, and nothing is early but by a believed step."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.runtime.slewing import AGREED, BACK, SLEW, STEP, Slewing

SECOND = 1_000_000
HOUR = 3600 * SECOND
START = 1_795_230_000 * SECOND

passing = st.integers(0, 40 * SECOND)
steps = st.sampled_from([0] * 12 + [HOUR, -HOUR, 2 * HOUR, -3 * SECOND, 3 * SECOND, -7 * SECOND, 90 * SECOND])
drift = st.integers(-500, 500)
"""Parts per million: a bad quartz, or a leap second smeared over a minute."""
lives = st.lists(st.tuples(passing, steps, drift), min_size=1, max_size=80)


def live(readings: list[tuple[int, int, int]]) -> list[tuple[int, int, int, int]]:
    """(passed, wall, time, step) at each reading."""
    clock = Slewing(START, 0)
    wall, uptime, seen = START, 0, []
    for passed, step, ppm in readings:
        uptime += passed
        wall += passed + passed * ppm // 1_000_000 + step
        seen.append((passed, wall, clock.read(wall, uptime), clock.step))
    return seen


@given(lives)
def test_time_goes_on_at_half_speed_at_least(readings: list[tuple[int, int, int]]) -> None:
    last = START
    for passed, _, now, _ in live(readings):
        assert now - last >= passed - int(passed * BACK)
        last = now


@given(lives)
def test_time_runs_ahead_only_to_where_the_wall_clock_is(readings: list[tuple[int, int, int]]) -> None:
    last = START
    for passed, wall, now, _ in live(readings):
        faster = now - last - passed
        assert faster <= int(passed * SLEW) or now == wall
        last = now


@given(st.sampled_from([HOUR, -HOUR, 2 * HOUR, 90 * SECOND, -7 * SECOND]), st.integers(1, SECOND), st.integers(1, 50))
def test_a_step_that_lasts_less_than_a_minute_leaves_nothing_behind(step: int, gap: int, times: int) -> None:
    readings = [(gap, step if number == 0 else 0, 0) for number in range(times)] + [(gap, -step, 0)]
    seen = live(readings)
    assert sum(reading[0] for reading in readings[1:-1]) < AGREED
    assert all(away == step for *_, away in seen[:-1])
    _, wall, now, away = seen[-1]
    assert (now, away) == (wall, 0)
    assert now == START + gap * len(readings)


@given(st.sampled_from([HOUR, -HOUR, -7 * SECOND, 30 * SECOND]), st.integers(1, 20))
def test_a_step_that_lasts_is_followed_in_the_end(step: int, seconds: int) -> None:
    gap = seconds * SECOND
    readings = [(gap, step, 0)] + [(gap, 0, 0)] * (3 * HOUR // gap)
    seen = live(readings)
    _, wall, now, away = seen[-1]
    assert (now, away) == (wall, 0)
    followed = next(number for number, (_, _, _, away) in enumerate(seen) if away == 0)
    assert followed * gap >= AGREED


@given(lives)
def test_only_a_step_is_reported(readings: list[tuple[int, int, int]]) -> None:
    assert all(away == 0 or abs(away) > STEP for *_, away in live(readings))
