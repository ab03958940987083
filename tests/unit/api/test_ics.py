"""Schedules as iCalendar files and back. What is said of a foreign calendar that cannot be taken."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tocsin.api import ics
from tocsin.domain.rules import Layer, Override, Restriction, Rules, Schedule, User
from tocsin.domain.schedule import Shift, shifts

NOW = datetime(2026, 3, 27, 12, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
USERS = {
    "ana": User(name="Ana Ünal", contacts={"email": ("ana@example.org",)}),
    "bo": User(),
}


def calendar(*lines: str) -> bytes:
    event = ("BEGIN:VEVENT", "UID:1", *lines, "END:VEVENT")
    text = "\r\n".join(("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", *event, "END:VCALENDAR", ""))
    return text.encode()


def taken(*lines: str) -> ics.Taken:
    found, problems = ics.read(calendar(*lines), LONDON, USERS)
    assert problems == []
    return found[0]


def refused(*lines: str) -> str:
    found, problems = ics.read(calendar(*lines), LONDON, USERS)
    assert found == []
    return problems[0]


def test_a_schedule_goes_out_and_comes_back_over_a_change_of_clocks() -> None:
    nights = Restriction(start="20:00", end="08:00")
    rules = Rules(
        schedules={
            "ops": Schedule(
                time_zone="Europe/London",
                layers=(
                    Layer(users=("ana", "bo"), starts_at="2026-03-01T09:00", unit="day"),
                    Layer(name="nights", users=("bo",), starts_at="2026-03-01", restrictions=(nights,)),
                ),
            )
        },
        users=USERS,
    )
    week = list(shifts("ops", rules, NOW, NOW + timedelta(days=7)))
    content = ics.written("ops", [("ops", one) for one in week], NOW)
    found, problems = ics.read(content, ZoneInfo("Asia/Tokyo"), USERS)
    assert problems == []
    assert [(one.user, one.start, one.end) for one in found] == [(one.user, one.start, one.end) for one in week]
    overrides = {
        str(number): Override(schedule="copy", user=one.user, start=one.start, end=one.end, made_at=NOW)
        for number, one in enumerate(found)
    }
    copied = Rules(schedules={"copy": Schedule(layers=())}, overrides=overrides)
    again = shifts("copy", copied, NOW, NOW + timedelta(days=7))
    assert [(one.user, one.start) for one in again] == [(one.user, one.start) for one in week]


def test_an_event_keeps_its_uid_and_is_whole() -> None:
    shift = Shift(user="ana", start=NOW, end=NOW + timedelta(days=1), by="layer", source="a,b;c\n" + "long " * 40)
    first = ics.written("ops", [("ops", shift)], NOW).decode()
    longer = Shift(user="ana", start=NOW, end=NOW + timedelta(days=2))
    assert ics.uid_of("ops", shift) == ics.uid_of("ops", longer)
    assert ics.uid_of("ops", shift) in first
    assert ics.uid_of("ops", shift) != ics.uid_of("web", shift)
    assert max(len(line.encode()) for line in first.split("\r\n")) <= 75
    assert first.endswith("END:VCALENDAR\r\n")
    assert "DTSTART:20260327T120000Z" in first


def test_time_with_nobody_is_no_event() -> None:
    gap = Shift(user="", start=NOW, end=NOW + timedelta(days=1))
    assert b"VEVENT" not in ics.written("ops", [("ops", gap)], NOW)


@pytest.mark.parametrize(
    ("lines", "start", "end"),
    [
        (("DTSTART:20260401T090000Z", "DTEND:20260401T170000Z"), "2026-04-01T09:00Z", "2026-04-01T17:00Z"),
        (("DTSTART:20260401T090000", "DTEND:20260401T170000"), "2026-04-01T08:00Z", "2026-04-01T16:00Z"),
        (("DTSTART:20260329T013000", "DTEND:20260329T030000"), "2026-03-29T01:00Z", "2026-03-29T02:00Z"),
        (
            ("DTSTART;TZID=America/New_York:20260401T090000", "DURATION:PT8H"),
            "2026-04-01T13:00Z",
            "2026-04-01T21:00Z",
        ),
        (("DTSTART;VALUE=DATE:20260329", "DTEND;VALUE=DATE:20260330"), "2026-03-29T00:00Z", "2026-03-29T23:00Z"),
        (("DTSTART;VALUE=DATE:20260401",), "2026-03-31T23:00Z", "2026-04-01T23:00Z"),
    ],
)
def test_times(lines: tuple[str, ...], start: str, end: str) -> None:
    found = taken(*lines, "SUMMARY:bo")
    assert (found.start, found.end) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


def begins(*lines: str) -> list[str]:
    found, problems = ics.read(calendar(*lines, "SUMMARY:bo"), LONDON, USERS)
    assert problems == []
    assert len({one.uid for one in found}) == len(found)
    return [f"{one.start:%m-%dT%H:%M}+{(one.end - one.start) / timedelta(hours=1):g}" for one in found]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("RRULE:FREQ=DAILY;COUNT=3",), ["03-28T09:00+8", "03-29T08:00+8", "03-30T08:00+8"]),
        (("RRULE:FREQ=DAILY;INTERVAL=2;UNTIL=20260401T080000Z",), ["03-28T09:00+8", "03-30T08:00+8", "04-01T08:00+8"]),
        (("RRULE:FREQ=WEEKLY;BYDAY=SA;COUNT=2",), ["03-28T09:00+8", "04-04T08:00+8"]),
        (("RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=Europe/London:20260329T090000"), ["03-28T09:00+8", "03-30T08:00+8"]),
    ],
)
def test_a_rule_with_an_end_is_taken_by_its_wall_clock(lines: tuple[str, ...], expected: list[str]) -> None:
    times = ("DTSTART;TZID=Europe/London:20260328T090000", "DTEND;TZID=Europe/London:20260328T170000")
    assert begins(*times, *lines) == expected


def test_whole_days_repeat_as_days_of_the_schedule() -> None:
    assert begins("DTSTART;VALUE=DATE:20260328", "RRULE:FREQ=DAILY;UNTIL=20260330") == [
        "03-28T00:00+24",
        "03-29T00:00+23",
        "03-29T23:00+24",
    ]


TIMES = ("DTSTART:20260401T090000Z", "DTEND:20260401T170000Z")


@pytest.mark.parametrize(
    ("lines", "user"),
    [
        (("SUMMARY:bo",), "bo"),
        (("SUMMARY:Bo on call: web",), "bo"),
        (("SUMMARY:ana ünal",), "ana"),
        (("SUMMARY:On call", "ATTENDEE;CN=A:mailto:Ana@Example.org"), "ana"),
        (("SUMMARY:On call", "ATTENDEE:mailto:x@example.org", "ATTENDEE:mailto:ana@example.org"), "ana"),
        (("SUMMARY:ana on call", "X-TOCSIN-USER:bo"), "bo"),
    ],
)
def test_who_is_meant(lines: tuple[str, ...], user: str) -> None:
    assert taken(*TIMES, *lines).user == user


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ((*TIMES, "SUMMARY:ann"), "event 1 (ann): it names no user: 'ann', did you mean 'ana'?"),
        ((*TIMES, "SUMMARY:anabel"), "it names no user"),
        (
            (*TIMES, "SUMMARY:bo", "RRULE:FREQ=WEEKLY;INTERVAL=2"),
            "without end; write it as a layer of the schedule: "
            "{users: […], starts_at: 2026-04-01T09:00, length: 2, unit: week}",
        ),
        ((*TIMES, "SUMMARY:bo", "RRULE:FREQ=MONTHLY;COUNT=2"), "only daily and weekly ones"),
        ((*TIMES, "SUMMARY:bo", "RRULE:FREQ=WEEKLY;COUNT=2;BYDAY=MO"), "only daily and weekly ones"),
        ((*TIMES, "SUMMARY:bo", "RRULE:FREQ=DAILY;COUNT=2;BYHOUR=9,10"), "only daily and weekly ones"),
        ((*TIMES, "SUMMARY:bo", "RRULE:FREQ=DAILY;COUNT=100000"), "more than 2000 times"),
        ((*TIMES, "SUMMARY:bo", "RDATE:20260402T090000Z"), "by RDATE"),
        ((*TIMES, "SUMMARY:bo", "STATUS:CANCELLED"), "it is cancelled"),
        (("SUMMARY:bo",), "no DTSTART"),
        (("SUMMARY:bo", "DTSTART:20260401T090000Z"), "neither DTEND nor DURATION"),
        (("SUMMARY:bo", "DTSTART:20260401T090000Z", "DTEND:20260401T090000Z"), "does not end after it starts"),
        (("SUMMARY:bo", "DTSTART:tomorrow", "DTEND:20260401T090000Z"), "DTSTART"),
        (("SUMMARY:bo", "DTSTART:20260401T090000Z", "DTSTART:20260402T090000Z"), "more than once"),
    ],
)
def test_what_cannot_be_taken_is_said(lines: tuple[str, ...], problem: str) -> None:
    assert problem in refused(*lines)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\xff\xfe", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", b"/etc/passwd"]
)
def test_what_is_no_calendar_is_refused(content: bytes) -> None:
    with pytest.raises(ics.Unreadable):
        ics.read(content, LONDON, USERS)


def test_too_much_is_refused() -> None:
    with pytest.raises(ics.Unreadable, match="bytes"):
        ics.read(b"x" * (ics.BYTES_MAX + 1), LONDON, USERS)
    event = "BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\n"
    content = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{event * (ics.EVENTS_MAX + 1)}END:VCALENDAR\r\n"
    with pytest.raises(ics.Unreadable, match="more than"):
        ics.read(content.encode(), LONDON, USERS)


def test_a_calendar_of_nobody_known_takes_who_tocsin_wrote() -> None:
    known: dict[str, Any] = {}
    [found], problems = ics.read(calendar(*TIMES, "X-TOCSIN-USER:zoe"), LONDON, known)
    assert (found.user, problems) == ("zoe", [])
