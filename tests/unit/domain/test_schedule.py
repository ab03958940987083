"""Who is on call: layers, overrides, absences, backups; calendars; load and handovers."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tocsin.domain.rules import Calendar, Layer, Override, Restriction, Rules, Schedule, User
from tocsin.domain.rules.directory import Absence
from tocsin.domain.schedule import OnCall, calendar, on_call_at, shifts
from tocsin.domain.schedule.check import backup_loop, zone_problem
from tocsin.domain.schedule.report import load, next_handover, next_shifts
from tocsin.domain.schedule.shifts import whole_shifts

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEKLY = Layer(name="week", users=("ana", "bo", "cyd"), starts_at="2026-01-05T09:00")
OFFICE = Calendar(time_zone="Europe/London", hours=(Restriction(days=(0, 1, 2, 3, 4), start="09:00", end="17:00"),))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rules(*layers: Layer, away: dict[str, tuple[str, str]] | None = None, **more: Any) -> Rules:
    users = {name: User(away=(Absence(start=at(start), end=at(end)),)) for name, (start, end) in (away or {}).items()}
    return Rules(schedules={"ops": Schedule(layers=layers, backup=more.pop("backup", ""))}, users=users, **more)


def override(user: str, start: str, end: str, made: int = 0, replaces: str = "", schedule: str = "ops") -> Override:
    made_at = MONDAY + made * HOUR
    return Override(schedule=schedule, user=user, start=at(start), end=at(end), made_at=made_at, replaces=replaces)


def answer(given: Rules, when: str) -> tuple[str, str, str]:
    found = on_call_at("ops", given, at(when))
    return ",".join(found.users), found.by, found.source


def test_turns_follow_one_another_and_begin_again() -> None:
    given = rules(WEEKLY)
    assert answer(given, "2026-01-05T08:59") == ("", "", "")
    assert answer(given, "2026-01-05T09:00") == ("ana", "layer", "week")
    assert answer(given, "2026-01-12T09:00") == ("bo", "layer", "week")
    assert answer(given, "2026-01-26T09:00") == ("ana", "layer", "week")
    assert on_call_at("ops", given, at("2026-01-05T08:00")).until == at("2026-01-05T09:00")
    assert on_call_at("ops", given, at("2026-01-06T08:00")).until == at("2026-01-12T09:00")


def test_a_schedule_that_is_not_there_has_nobody() -> None:
    assert on_call_at("nowhere", Rules(), MONDAY) == OnCall(schedule="nowhere")
    assert [one.user for one in shifts("nowhere", Rules(), MONDAY, MONDAY + DAY)] == [""]


def test_the_last_layer_with_somebody_on_duty_counts() -> None:
    nights = Layer(
        users=("dan",), starts_at="2026-01-05", restrictions=(Restriction(days=(4,), start="22:00", end="06:00"),)
    )
    given = rules(WEEKLY, nights)
    assert answer(given, "2026-01-09T21:59") == ("ana", "layer", "week")
    assert answer(given, "2026-01-09T22:00") == ("dan", "layer", "2")
    assert answer(given, "2026-01-10T05:59") == ("dan", "layer", "2")
    assert answer(given, "2026-01-10T06:00") == ("ana", "layer", "week")
    assert answer(given, "2026-01-10T23:00") == ("ana", "layer", "week")


def test_a_rotation_ends_where_it_says() -> None:
    given = rules(msgspec.structs.replace(WEEKLY, until="2026-01-13T12:00"))
    assert answer(given, "2026-01-13T11:59") == ("bo", "layer", "week")
    found = on_call_at("ops", given, at("2026-01-13T12:00"))
    assert (found.users, found.until) == ((), None)


def test_the_override_made_last_counts() -> None:
    given = rules(
        WEEKLY,
        overrides={
            "z": override("dan", "2026-01-06", "2026-01-08", made=1),
            "a": override("eve", "2026-01-07", "2026-01-09", made=2),
        },
    )
    assert answer(given, "2026-01-06T12:00") == ("dan", "override", "z")
    assert answer(given, "2026-01-07T12:00") == ("eve", "override", "a")
    assert answer(given, "2026-01-09T00:00") == ("ana", "layer", "week")
    assert on_call_at("ops", given, at("2026-01-06T12:00")).instead_of == "ana"


def test_a_swap_is_two_overrides_that_name_whom_they_replace() -> None:
    given = rules(
        WEEKLY,
        overrides={
            "1": override("bo", "2026-01-05", "2026-01-12T09:00", replaces="ana"),
            "2": override("ana", "2026-01-12T09:00", "2026-01-19T09:00", replaces="bo"),
        },
    )
    users = [one.user for one in shifts("ops", given, at("2026-01-05T09:00"), at("2026-01-26T09:00"))]
    assert users == ["bo", "ana", "cyd"]


def test_an_override_for_somebody_leaves_the_shifts_of_others() -> None:
    given = rules(WEEKLY, overrides={"1": override("dan", "2026-01-05", "2026-02-09", replaces="bo")})
    users = [one.user for one in shifts("ops", given, at("2026-01-05T09:00"), at("2026-01-26T09:00"))]
    assert users == ["ana", "dan", "cyd"]


def test_who_is_away_is_replaced_by_the_next_of_the_rotation() -> None:
    given = rules(WEEKLY, away={"ana": ("2026-01-06", "2026-01-07")})
    found = on_call_at("ops", given, at("2026-01-06T10:00"))
    assert (found.users, found.instead_of, found.until) == (("bo",), "ana", at("2026-01-07"))
    assert [(one.user, one.reason) for one in found.skipped] == [("ana", "away")]
    assert answer(given, "2026-01-07T00:00") == ("ana", "layer", "week")


def test_a_rotation_that_is_away_leaves_the_duty_to_the_layer_below_and_to_the_backup() -> None:
    alone = Layer(name="top", users=("dan",), starts_at="2026-01-05")
    given = rules(WEEKLY, alone, away={"dan": ("2026-01-06", "2026-01-07")})
    assert answer(given, "2026-01-06T10:00") == ("ana", "layer", "week")
    given = rules(alone, away={"dan": ("2026-01-06", "2026-01-07")}, backup="second")
    given.schedules["second"] = Schedule(layers=(WEEKLY,))
    found = on_call_at("ops", given, at("2026-01-06T10:00"))
    assert (found.users, found.by, found.source) == (("ana",), "backup", "second")
    assert [one.user for one in found.skipped] == ["dan"]


def test_somebody_who_is_away_is_never_the_answer_even_when_nobody_else_is_there() -> None:
    given = rules(
        Layer(users=("ana",), starts_at="2026-01-05"),
        away={"ana": ("2026-01-06", "2026-01-07"), "bo": ("2026-01-06", "2026-01-07")},
        overrides={"1": override("bo", "2026-01-06", "2026-01-08")},
    )
    found = on_call_at("ops", given, at("2026-01-06T10:00"))
    assert found.users == ()
    assert [(one.user, one.by) for one in found.skipped] == [("ana", "layer"), ("bo", "override")]
    assert answer(given, "2026-01-07T10:00") == ("bo", "override", "1")


def test_backups_that_lead_in_circles_end() -> None:
    given = rules(backup="second")
    given.schedules["second"] = Schedule(layers=(), backup="ops")
    assert answer(given, "2026-01-06T10:00") == ("", "", "")
    assert backup_loop("ops", {"ops": "second", "second": "ops"}) == ("ops", "second", "ops")
    assert backup_loop("a", {"a": "ops", "ops": "second", "second": "ops"}) == ()


def test_a_zone_that_is_none_is_told_with_the_nearest() -> None:
    assert zone_problem("Europe/Lundon") == "'Europe/Lundon' is no time zone, did you mean 'Europe/London'?"
    assert zone_problem("+02:00").startswith("'+02:00' is no time zone")
    assert zone_problem("UTC") == zone_problem("Europe/London") == ""


@pytest.mark.parametrize(
    ("key", "document", "problem"),
    [
        (Layer, {"users": [], "starts_at": "2026-01-05"}, "needs at least one"),
        (Layer, {"users": ["a"], "starts_at": "monday"}, "not a date and time"),
        (Layer, {"users": ["a"], "starts_at": "2026-01-05T09:00Z"}, "has an offset"),
        (Layer, {"users": ["a"], "starts_at": "2026-01-05", "unit": "month"}, "not one of hour, day, week"),
        (Layer, {"users": ["a"], "starts_at": "2026-01-05", "length": 0}, "between 1 and"),
        (Layer, {"users": ["a"], "starts_at": "2026-01-05", "length": 1001}, "between 1 and"),
        (Layer, {"users": ["a"], "starts_at": "2026-01-05", "until": "2026-01-05"}, "not after starts_at"),
        (Layer, {"users": ["a"] * 501, "starts_at": "2026-01-05"}, "too many"),
        (Restriction, {"days": [7]}, "7 is not a day of the week"),
        (Restriction, {"start": "24:00"}, "next day"),
        (Restriction, {"end": "25:00"}, "time of day"),
    ],
)
def test_a_document_that_cannot_be_understood_is_refused(key: Any, document: Any, problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.convert(document, key)


def test_the_longest_turn_is_understood() -> None:
    longest = msgspec.convert({"users": ["a"], "starts_at": "2026-01-05", "length": 1000, "unit": "week"}, Layer)
    assert answer(rules(longest), "2040-01-01T00:00") == ("a", "layer", "1")


def test_an_override_ends_after_it_starts() -> None:
    with pytest.raises(ValueError, match="is not after start"):
        override("a", "2026-01-06", "2026-01-06")


def test_office_hours() -> None:
    friday = at("2026-03-27T16:00")
    assert calendar.open_at(OFFICE, friday)
    assert not calendar.open_at(OFFICE, friday + HOUR)
    assert calendar.next_change(OFFICE, friday) == friday + HOUR
    # The weekend between has the change of clocks: Monday opens at 8 UTC.
    assert calendar.next_change(OFFICE, friday + HOUR) == at("2026-03-30T08:00")
    assert calendar.due_after(OFFICE, friday, 2 * HOUR) == at("2026-03-30T09:00")
    assert calendar.due_after(OFFICE, friday, HOUR) == friday + HOUR
    assert calendar.due_after(OFFICE, friday, timedelta(0)) == friday
    assert calendar.open_between(OFFICE, friday, friday + 7 * DAY) == 41 * HOUR


def test_holidays_are_closed_and_end_the_night_before() -> None:
    always = Calendar(time_zone="UTC", holidays=(date(2026, 1, 6),))
    assert calendar.next_change(always, MONDAY) == MONDAY + DAY
    assert calendar.next_change(always, MONDAY + DAY) == MONDAY + 2 * DAY
    assert calendar.next_change(always, MONDAY + 2 * DAY) is None
    night = Calendar(hours=(Restriction(start="22:00", end="06:00"),), holidays=(date(2026, 1, 6),))
    assert calendar.next_change(night, at("2026-01-05T23:00")) == at("2026-01-06T00:00")
    assert calendar.next_change(night, at("2026-01-06T00:00")) == at("2026-01-07T22:00")


def test_no_time_has_no_shifts() -> None:
    assert list(shifts("ops", rules(WEEKLY), MONDAY, MONDAY)) == []
    assert list(shifts("ops", rules(WEEKLY), MONDAY, MONDAY - DAY)) == []


def test_an_override_a_day_ahead_is_the_next_change() -> None:
    given = rules(WEEKLY, overrides={"1": override("dan", "2026-01-07", "2026-01-08")})
    for hours in (24, 25, 100):
        assert on_call_at("ops", given, at("2026-01-07T00:00") - hours * HOUR).until in (
            at("2026-01-07T00:00"),
            at("2026-01-05T09:00"),
        )
    [(name, found)] = next_shifts("dan", given, MONDAY, 5)
    assert (name, found.start, found.end) == ("ops", at("2026-01-07T00:00"), at("2026-01-08T00:00"))


def test_every_holiday_ahead_is_seen() -> None:
    always = Calendar(holidays=(date(2025, 1, 1), date(2026, 1, 6), date(2026, 6, 1)))
    assert calendar.next_change(always, at("2026-01-07T00:00")) == at("2026-06-01T00:00")
    assert calendar.next_change(always, at("2026-06-01T00:00")) == at("2026-06-02T00:00")
    assert calendar.next_change(always, at("2026-06-02T00:00")) is None


def test_a_calendar_that_never_closes_or_opens_has_no_next_change() -> None:
    assert calendar.next_change(Calendar(), MONDAY) is None
    whole = Calendar(hours=(Restriction(start="09:00", end="09:00"),))
    assert calendar.next_change(whole, MONDAY) is None
    assert calendar.open_at(whole, MONDAY)


def test_open_time_that_never_comes_is_due_at_the_horizon() -> None:
    holidays = tuple(date(2026, 1, 1) + DAY * day for day in range(4500))
    closed = Calendar(holidays=holidays)
    assert calendar.due_after(closed, MONDAY, HOUR) == MONDAY + HOUR + calendar.HORIZON
    assert calendar.next_change(closed, MONDAY) is None


def test_load_counts_nights_and_weekends_in_each_users_zone() -> None:
    daily = Layer(users=("ana", "bo"), starts_at="2026-01-05", unit="day")
    given = rules(daily, overrides={"1": override("bo", "2026-01-05T00:00", "2026-01-05T12:00")})
    given.users.update({"ana": User(), "bo": User(time_zone="Asia/Tokyo")})
    found = {one.user: one for one in load("ops", given, MONDAY - HOUR, MONDAY + 6 * DAY)}
    assert found["ana"].total == 12 * HOUR + 2 * 24 * HOUR
    assert found["ana"].night == 2 * HOUR + 2 * 8 * HOUR
    assert found["bo"].taken_over == 12 * HOUR
    # 00:00 to 12:00 UTC is 09:00 to 21:00 in Tokyo; of his own days 13:00 to 21:00 UTC are night there.
    assert found["bo"].night == 3 * 8 * HOUR
    assert found["bo"].weekend == 9 * HOUR + 24 * HOUR - 9 * HOUR
    assert found[""].total == HOUR
    assert [one.user for one in load("ops", given, MONDAY - HOUR, MONDAY + 6 * DAY)] == ["bo", "ana", ""]


def test_the_nights_of_somebody_unknown_are_those_of_the_schedule() -> None:
    given = rules(
        Layer(users=("zoe",), starts_at="2026-01-05", restrictions=(Restriction(start="08:00", end="20:00"),))
    )
    given.schedules["ops"] = msgspec.structs.replace(given.schedules["ops"], time_zone="Asia/Tokyo")
    assert [one.night for one in load("ops", given, MONDAY + DAY, MONDAY + 3 * DAY)] == [timedelta(0), 16 * HOUR]


def test_handovers_and_next_shifts() -> None:
    given = rules(WEEKLY)
    found = next_handover("ops", given, at("2026-01-06T00:00"))
    assert found is not None
    assert (found.at, found.giving, found.taking) == (at("2026-01-12T09:00"), "ana", "bo")
    mine = next_shifts("ana", given, at("2026-01-06T00:00"), 2)
    assert [(name, one.start, one.end) for name, one in mine] == [
        ("ops", at("2026-01-05T09:00"), at("2026-01-12T09:00")),
        ("ops", at("2026-01-26T09:00"), at("2026-02-02T09:00")),
    ]
    assert next_shifts("dan", given, MONDAY, 2) == []


def test_whole_shifts_are_not_cut() -> None:
    given = rules(msgspec.structs.replace(WEEKLY, length=10))
    [found] = whole_shifts("ops", given, at("2026-02-01T00:00"), at("2026-02-02T00:00"))
    assert (found.start, found.end) == (at("2026-01-05T09:00"), at("2026-03-16T09:00"))
    assert whole_shifts("ops", given, at("2026-01-05T09:00"), at("2026-01-06T00:00")) == [found]
    assert whole_shifts("ops", given, at("2026-03-16T08:00"), at("2026-03-16T09:00")) == [found]
