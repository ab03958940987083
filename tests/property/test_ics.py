"""Calendars: what goes out comes back, and no bytes break the reader."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from tocsin.api import ics
from tocsin.domain.rules import User
from tocsin.domain.schedule import Shift

NOW = datetime(2026, 3, 27, 12, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=90)


@st.composite
def rows_of_shifts(draw: st.DrawFn) -> list[Shift]:
    found, at = [], NOW
    for _ in range(draw(st.integers(0, 6))):
        end = at + timedelta(seconds=draw(st.integers(1, 10**6)))
        source = draw(words)
        user = draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True))
        found.append(Shift(user=user, start=at, end=end, by="layer", source=source))
        at = end
    return found


@given(rows_of_shifts(), words)
def test_what_goes_out_comes_back(shifts: list[Shift], schedule: str) -> None:
    content = ics.written(schedule, [(schedule, one) for one in shifts], NOW)
    users = {one.user: User() for one in shifts}
    found, problems = ics.read(content, LONDON, users)
    assert problems == []
    assert [(one.user, one.start, one.end) for one in found] == [(one.user, one.start, one.end) for one in shifts]


LINES = (
    "BEGIN:VEVENT",
    "END:VEVENT",
    "BEGIN:VTIMEZONE\r\nTZID:Nowhere/City\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
    "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE",
    "DTSTART:20260401T090000Z",
    "DTSTART;TZID=Nowhere/City:20260401T090000",
    "DTSTART;TZID=Europe/London:20260329T013000",
    "DTSTART;VALUE=DATE:20260401",
    "DTSTART;VALUE=PERIOD:20260401T090000Z/PT1H",
    "DTSTART:99991231T235959Z",
    "DTSTART:00010101",
    "DTEND:20260401T170000Z",
    "DTEND;VALUE=DATE:99991231",
    "DURATION:P9999999D",
    "DURATION:-PT1H",
    "DURATION:PT8H",
    "RRULE:FREQ=DAILY;COUNT=3",
    "RRULE:FREQ=WEEKLY;UNTIL=99991231T000000Z",
    "RRULE:FREQ=DAILY;INTERVAL=0;COUNT=3",
    "RRULE:FREQ=DAILY;INTERVAL=-1;UNTIL=20260401T000000Z",
    "RRULE:FREQ=DAILY;COUNT=x",
    "RRULE:nonsense",
    "EXDATE:20260401T090000Z",
    "EXDATE:never",
    "SUMMARY:bo",
    'SUMMARY;X="a:b":bo',
    "ATTENDEE:mailto:bo@example.org",
    "UID:1",
    "X-TOCSIN-USER:bo",
    "STATUS:CANCELLED",
    ":",
    ";;;",
)
EVENT = ("BEGIN:VEVENT", "UID:1", "SUMMARY:bo")


@given(st.lists(st.sampled_from(LINES) | words, max_size=8))
@example(["DTSTART:20260401T090000Z", "DURATION:PT8H", "RRULE:FREQ=DAILY;INTERVAL=0;COUNT=3"])
@example(["DTSTART:20260401T090000Z", "DURATION:PT8H", "RRULE:FREQ=DAILY;INTERVAL=-1;UNTIL=20260501T000000Z"])
@example(["DTSTART:99991231T235959Z", "DURATION:PT8H"])
@example(["DTSTART:20260401T090000Z", "DURATION:PT8H", "EXDATE:never"])
@example(["DTSTART:99991231T235959Z", "DURATION:PT8H", "RRULE:FREQ=DAILY;COUNT=3"])
def test_no_lines_break_the_reader(lines: list[str]) -> None:
    text = "\r\n".join(("BEGIN:VCALENDAR", "VERSION:2.0", *EVENT, *lines, "END:VEVENT", "END:VCALENDAR", ""))
    try:
        found, problems = ics.read(text.encode(), LONDON, {"bo": User()})
    except ics.Unreadable:
        return
    assert all(one.start < one.end and one.start.tzinfo is UTC and one.user == "bo" for one in found)
    assert all("event" in problem for problem in problems)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    try:
        ics.read(content, LONDON, {})
    except ics.Unreadable:
        return
