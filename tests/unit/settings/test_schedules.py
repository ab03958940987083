"""Schedules and calendars in the settings: what people write, and what is said when it is wrong."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tocsin.domain.rules import Calendar, Layer, Restriction, Schedule
from tocsin.domain.schedule import on_call_at
from tocsin.settings.schedule import days_of, gaps
from unit.settings.reading import problems_of, settings_of

PEOPLE = "people: {users: {ana: {}, bo: {}}, teams: {everyone: {}}}\n"
GOOD = (
    PEOPLE
    + """
schedules:
  ops:
    time_zone: Europe/London
    layers:
      - {name: week, users: [ana, bo], starts_at: 2026-01-05T09:00}
      - name: nights
        users: bo
        starts_at: 2026-01-05T00:00:00
        length: 2
        unit: day
        until: 2027-01-01
        restrictions: [{days: fri-mon, start: 22:00, end: 6:30}, {days: [wed]}]
    backup: second
    description: the first line
  second: {layers: [{users: ana, starts_at: 2026-01-05}]}
calendars:
  office: {time_zone: Europe/London, hours: [{days: weekdays, start: 09:00, end: 17:30}], holidays: [2026-12-25]}
"""
)


def test_schedules_and_calendars_arrive(tmp_path: Path) -> None:
    rules = settings_of(tmp_path, GOOD).rules()
    nights = Layer(
        name="nights",
        users=("bo",),
        starts_at="2026-01-05T00:00:00",
        length=2,
        unit="day",
        until="2027-01-01",
        restrictions=(Restriction(days=(0, 4, 5, 6), start="22:00", end="06:30"), Restriction(days=(2,))),
    )
    week = Layer(name="week", users=("ana", "bo"), starts_at="2026-01-05T09:00")
    assert rules.schedules["ops"] == Schedule(
        time_zone="Europe/London", layers=(week, nights), backup="second", description="the first line"
    )
    assert rules.calendars == {
        "office": Calendar(
            time_zone="Europe/London",
            hours=(Restriction(days=(0, 1, 2, 3, 4), start="09:00", end="17:30"),),
            holidays=(date(2026, 12, 25),),
        )
    }
    assert on_call_at("ops", rules, datetime(2026, 1, 6, 12, tzinfo=UTC)).users == ("ana",)


def test_what_config_show_prints_can_be_read_again(tmp_path: Path) -> None:
    first = settings_of(tmp_path, GOOD)
    shown = {name: first.published()[name] for name in ("people", "schedules", "calendars")}
    again = settings_of(tmp_path, yaml.safe_dump(shown))
    assert again.rules() == first.rules()


@pytest.mark.parametrize(
    ("value", "days"),
    [
        ("mon", (0,)),
        ("mon-fri", (0, 1, 2, 3, 4)),
        ("Sat - Mon", (0, 5, 6)),
        (["weekend", "monday"], (0, 5, 6)),
        ("every day", ()),
        ("mon-sun", ()),
        ([0, 4], (0, 4)),
        ([], ()),
    ],
)
def test_days_have_words(value: Any, days: tuple[int, ...]) -> None:
    assert days_of(value) == days


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{time_zone: Europe/Lundon}", "did you mean 'Europe/London'?"),
        ("{time_zone: +02:00}", "'+02:00' is"),
        ("{layers: [{users: anna, starts_at: 2026-01-05}]}", "no user 'anna' in people.users, did you mean 'ana'?"),
        ("{layers: [{users: [], starts_at: 2026-01-05}]}", "at least 1"),
        ("{layers: [{users: ana, starts_at: next monday}]}", "'next monday' is not a date and time"),
        ("{layers: [{users: ana, starts_at: 2026-01-05T09:00Z}]}", "has an offset"),
        ("{layers: [{users: ana, starts_at: 2026-01-05, unit: month}]}", "'month' is not one of hour, day, week"),
        ("{layers: [{users: ana, starts_at: 2026-01-05, until: 2026-01-04}]}", "must lie after starts_at"),
        ("{layers: [{users: ana, starts_at: 2026-01-05, restrictions: [{days: tusday}]}]}", "did you mean 'tuesday'?"),
        ("{layers: [{users: ana, starts_at: 2026-01-05, restrictions: [{start: 25:00}]}]}", "time of day"),
        ("{layers: [{users: ana, starts_at: 2026-01-05, restrictions: [{start: 24:00}]}]}", "ends a day"),
        ("{backup: secnd}", "no schedule 'secnd' in schedules, did you mean 'second'?"),
        ("{backup: ops}", "the backup leads back to the schedule itself: ops -> ops"),
        ("{layer: []}", "unknown field 'layer', did you mean 'layers'?"),
    ],
)
def test_a_mistake_is_said_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    found = problems_of(tmp_path, f"{PEOPLE}schedules:\n  second: {{}}\n  ops: {text}\n")
    assert len(found) == 1
    assert found[0].startswith("4:")
    assert problem in found[0]


def test_a_circle_of_backups_is_said_at_each_of_its_schedules(tmp_path: Path) -> None:
    circle = "schedules:\n  a: {backup: b}\n  b: {backup: c}\n  c: {backup: b}\n"
    assert problems_of(tmp_path, circle) == [
        "3:15: the backup leads back to the schedule itself: b -> c -> b",
        "4:15: the backup leads back to the schedule itself: c -> b -> c",
    ]


def test_holidays_are_days(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path, "calendars: {office: {holidays: [christmas]}}")
    assert "date" in problem


def test_time_with_nobody_on_duty_is_said(tmp_path: Path) -> None:
    layers = """layers:
      - {users: ana, starts_at: 2026-01-05T09:00, restrictions: [{days: mon-fri, start: 09:00, end: 17:00}]}
"""
    rules = settings_of(tmp_path, f"{PEOPLE}schedules:\n  ops:\n    {layers}").rules()
    assert list(gaps(rules)) == [
        "schedule 'ops' has nobody on duty for 128 of 168 hours of a week, such as Mon 17:00 to Tue 09:00, "
        "and no backup"
    ]
    backed = f"{PEOPLE}schedules:\n  second: {{}}\n  ops:\n    backup: second\n    {layers}"
    assert list(gaps(settings_of(tmp_path, backed).rules())) == []
    assert list(gaps(settings_of(tmp_path, GOOD).rules())) == []
