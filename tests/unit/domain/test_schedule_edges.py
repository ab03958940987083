"""No gap and no overlap over every change of clocks of ten years in more than twenty zones.

The reference knows nothing of turns in real time: it walks real time and remembers the latest reading that the wall
clock has shown. What begins at a reading has begun once the clock has shown it or a later one.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise

import pytest

from tocsin.domain import wall
from tocsin.domain.rules import Layer, Restriction, Rules, Schedule
from tocsin.domain.schedule import on_call_at, shifts

ZONES = (
    "Europe/London",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/Chisinau",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "America/Asuncion",
    "America/Nuuk",
    "America/Scoresbysund",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Asia/Beirut",
    "Asia/Gaza",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Pacific/Norfolk",
    "Antarctica/Troll",
    "Atlantic/Azores",
)
STEADY = {"Asia/Kathmandu"}
BEGIN, END = datetime(2016, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
APIA_SKIPS_A_DAY = datetime(2011, 12, 30, 10, tzinfo=UTC)
AROUND = timedelta(hours=40)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STEP = timedelta(minutes=15)
"""All readings below are multiples of it, and so is every edge."""


@cache
def edges(zone: str) -> tuple[datetime, ...]:
    """The instants at which the offset changes, to the second."""
    place = wall.zone(zone)
    found = []
    at = BEGIN
    while at < END:
        following = at + 6 * HOUR
        if at.astimezone(place).utcoffset() != following.astimezone(place).utcoffset():
            before, after = at, following
            while after - before > timedelta(seconds=1):
                middle = before + (after - before) // (2 * timedelta(seconds=1)) * timedelta(seconds=1)
                same = middle.astimezone(place).utcoffset() == at.astimezone(place).utcoffset()
                before, after = (middle, after) if same else (before, middle)
            found.append(after)
        at = following
    return tuple(found)


def readings(zone: str, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """(instant, latest reading that the clock has shown so far), each `STEP`."""
    place = wall.zone(zone)
    latest = datetime.min
    at = start - DAY
    while at < end:
        latest = max(latest, at.astimezone(place).replace(tzinfo=None))
        if at >= start:
            yield at, latest
        at += STEP


NIGHT = (Restriction(start="22:00", end="06:00"),)
DAYTIME = (Restriction(start="06:00", end="22:00"),)
LAYERS = {
    "daily at midnight": Layer(users=("a", "b", "c"), starts_at="2011-01-01T00:00", unit="day"),
    "daily at half past one": Layer(users=("a", "b", "c"), starts_at="2011-01-01T01:30", unit="day"),
    "daily at two": Layer(users=("a", "b"), starts_at="2011-01-01T02:00", unit="day"),
    "daily at a quarter to three": Layer(users=("a", "b"), starts_at="2011-01-01T02:45", unit="day"),
    "daily at nine": Layer(users=("a", "b"), starts_at="2011-01-01T09:00", unit="day"),
    "weekly": Layer(users=("a", "b"), starts_at="2011-01-02T02:00", unit="week"),
}


def rules_of(zone: str, *layers: Layer) -> Rules:
    return Rules(schedules={"ops": Schedule(time_zone=zone, layers=layers)})


def check_tiling(rules: Rules, start: datetime, end: datetime) -> list[tuple[datetime, datetime, str]]:
    """The shifts, after they have shown to tile the range and to say what `on_call_at` says."""
    found = list(shifts("ops", rules, start, end))
    assert found[0].start == start
    assert found[-1].end == end
    assert all(one.end == other.start for one, other in pairwise(found))
    for one in found:
        assert one.start < one.end
        for at in (one.start, one.start + (one.end - one.start) / 2, one.end - timedelta(microseconds=1)):
            assert "".join(on_call_at("ops", rules, at).users) == one.user
    return [(one.start, one.end, one.user) for one in found]


def walked_users(found: list[tuple[datetime, datetime, str]], instants: list[datetime]) -> Iterator[str]:
    """Who is on duty at each of the instants, which follow one another."""
    rest = iter(found)
    _, end, user = next(rest)
    for at in instants:
        while end <= at:
            _, end, user = next(rest)
        yield user


@pytest.mark.parametrize("zone", ZONES)
def test_every_change_of_clocks_of_ten_years(zone: str) -> None:
    assert bool(edges(zone)) != (zone in STEADY)
    for edge in edges(zone) or (BEGIN,):
        start, end = edge - AROUND, edge + AROUND
        walked = list(readings(zone, start, end))
        for layer in LAYERS.values():
            found = check_tiling(rules_of(zone, layer), start, end)
            begin = datetime.fromisoformat(layer.starts_at)
            length = DAY * (7 if layer.unit == "week" else 1)
            users = walked_users(found, [at for at, _ in walked])
            for (at, latest), user in zip(walked, users, strict=True):
                assert user == layer.users[(latest - begin) // length % len(layer.users)], (edge, layer, at)


@pytest.mark.parametrize("zone", ZONES)
def test_parts_of_a_day_that_meet_on_the_clock_meet_in_time(zone: str) -> None:
    for edge in edges(zone) or (BEGIN,):
        start, end = edge - AROUND, edge + AROUND
        for split in ("00:00", "01:00", "01:30", "02:00", "02:15", "03:00"):
            before = Layer(users=("n",), starts_at="2011-01-01", restrictions=(Restriction(start="12:00", end=split),))
            after = Layer(users=("d",), starts_at="2011-01-01", restrictions=(Restriction(start=split, end="12:00"),))
            found = check_tiling(rules_of(zone, before, after), start, end)
            assert {user for _, _, user in found} == {"n", "d"}, (edge, split)


def test_a_day_that_a_zone_skips_is_nobodys() -> None:
    daily = Layer(users=("a", "b", "c"), starts_at="2011-12-28T00:00", unit="day")
    found = check_tiling(rules_of("Pacific/Apia", daily), APIA_SKIPS_A_DAY - 2 * DAY, APIA_SKIPS_A_DAY + 2 * DAY)
    assert [user for _, _, user in found] == ["a", "b", "a", "b"]  # c's day, the 30th, does not exist
    assert wall.instant_of(datetime(2011, 12, 30, 12), wall.zone("Pacific/Apia")) == APIA_SKIPS_A_DAY


def test_a_day_that_clocks_go_back_over_has_begun_once() -> None:
    sunday = Layer(users=("s",), starts_at="2010-01-01", restrictions=(Restriction(days=(6,)),))
    others = Layer(users=("o",), starts_at="2010-01-01", restrictions=(Restriction(days=(0, 1, 2, 3, 4, 5)),))
    first = datetime(2010, 11, 7, 2, 30, tzinfo=UTC)  # midnight in St John's; a minute later it is 23:01 again
    found = check_tiling(rules_of("America/St_Johns", sunday, others), first - HOUR, first + 4 * HOUR)
    assert found == [(first - HOUR, first, "o"), (first, first + 4 * HOUR, "s")]


def test_hours_are_real_hours() -> None:
    shifted = Layer(users=("a", "b"), starts_at="2026-03-28T12:00", length=6, unit="hour")
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    found = check_tiling(rules_of("Europe/London", shifted), start, start + 2 * DAY)
    assert {end - begin for begin, end, _ in found} == {6 * HOUR}


@pytest.mark.parametrize(
    ("reading", "instant"),
    [
        ("2026-03-29T00:59", "2026-03-29T00:59Z"),
        ("2026-03-29T01:00", "2026-03-29T01:00Z"),  # does not exist: the first instant after the gap
        ("2026-03-29T01:30", "2026-03-29T01:00Z"),
        ("2026-03-29T02:00", "2026-03-29T01:00Z"),
        ("2026-03-29T02:01", "2026-03-29T01:01Z"),
        ("2026-10-25T01:30", "2026-10-25T00:30Z"),  # comes twice: the first
        ("2026-10-25T02:00", "2026-10-25T02:00Z"),
    ],
)
def test_readings_in_london(reading: str, instant: str) -> None:
    found = wall.instant_of(datetime.fromisoformat(reading), wall.zone("Europe/London"))
    assert found == datetime.fromisoformat(instant)


@pytest.mark.parametrize("zone", ZONES)
def test_instants_never_decrease_when_readings_increase(zone: str) -> None:
    place = wall.zone(zone)
    for edge in (*edges(zone), APIA_SKIPS_A_DAY):
        around = edge.astimezone(place).replace(tzinfo=None)
        found = [wall.instant_of(around + STEP * step, place) for step in range(-110, 110)]
        assert found == sorted(found)


@pytest.mark.parametrize("text", ["9:00", "24:01", "12:60", "0900", "", "１２:00", "-1:00", "12:00:00"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time of day"):
        wall.minutes_of(text)


def test_a_reading_has_no_offset() -> None:
    with pytest.raises(ValueError, match="offset"):
        wall.reading("2026-01-05T09:00+01:00")
    assert wall.reading("2026-01-05") == datetime.combine(date(2026, 1, 5), datetime.min.time())


def test_a_zone_that_is_none_is_utc() -> None:
    assert wall.zone("../../etc/passwd") is UTC
    assert "Europe/London" in wall.zones()


def test_zones_are_there_on_a_machine_that_has_none() -> None:
    code = "from tocsin.domain import wall; print(len(wall.zones()) > 400, wall.zone('Europe/London'))"
    environ = {**os.environ, "PYTHONTZPATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "True Europe/London\n"
