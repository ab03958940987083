"""Business hours: when a calendar is open, and when open time has passed.

In: a calendar and instants. Out: instants and durations of real time (an open hour in which clocks go back is two).
Invariant: `open_between(calendar, since, due_after(calendar, since, time)) == time` within the horizon. Nothing is
looked for beyond `HORIZON`; a calendar that is closed all that time is closed for good.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tocsin.domain.instant import Instant
from tocsin.domain.rules.schedule import Calendar
from tocsin.domain.schedule.weekly import Stretch, stretches
from tocsin.domain.wall import zone

HORIZON: Final = timedelta(days=3660)
"""Ten years, the longest duration that settings take."""
_SECOND: Final = timedelta(seconds=1)
_PATTERN: Final = timedelta(days=16)
"""Two weeks and two days: what does not change within it, holidays aside, never does."""


def open_at(calendar: Calendar, at: Instant) -> bool:
    """Whether it is open at `at`."""
    first = next(_open(calendar, at, at + _SECOND), None)
    return first is not None and first.start == at


def next_change(calendar: Calendar, at: Instant) -> Instant | None:
    """The next instant after `at` at which it opens or closes; None when it does neither any more."""
    end = at if open_at(calendar, at) else None
    for stretch in _open(calendar, at, at + HORIZON):
        if end is None:
            return stretch.start
        if stretch.start > end:
            return end
        end = stretch.end
        if end - at > _PATTERN and _beyond_holidays(calendar, end):
            return None
        if end == at + HORIZON:
            return None
    return end


def due_after(calendar: Calendar, since: Instant, open_time: timedelta) -> Instant:
    """The instant at which `open_time` of open hours have passed since `since`.

    Returns:
        At most `since + open_time + HORIZON`: that for a calendar that does not open often enough.
    """
    if open_time <= timedelta(0):
        return since
    left, ends = open_time, since + open_time + HORIZON
    for stretch in _open(calendar, since, ends):
        if stretch.end - stretch.start >= left:
            return stretch.start + left
        left -= stretch.end - stretch.start
    return ends


def open_between(calendar: Calendar, start: Instant, end: Instant) -> timedelta:
    """How long it is open between the two."""
    return sum((one.end - one.start for one in _open(calendar, start, end)), timedelta(0))


def _open(calendar: Calendar, since: Instant, until: Instant) -> Iterator[Stretch]:
    """When it is open, in order and without overlap; stretches may touch."""
    begin = since
    holidays = frozenset(calendar.holidays)
    for stretch in stretches(calendar.hours, holidays, zone(calendar.time_zone), since, until):
        start = max(stretch.start, begin)
        if start < stretch.end:
            yield Stretch(start, stretch.end)
            begin = stretch.end


def _beyond_holidays(calendar: Calendar, at: Instant) -> bool:
    return not calendar.holidays or at.date() > max(calendar.holidays) + timedelta(days=1)
