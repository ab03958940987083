"""Parts of each week by the wall clock, as real time.

In: restrictions, holidays and a zone. Out: the stretches of real time that they cover. Invariants: a stretch begins
and ends where the wall clock says so (`domain.wall`), so it is an hour longer or shorter on some days, and two
restrictions that meet on the clock meet in time. It does not merge stretches that touch or overlap.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple

from tocsin.domain.instant import Instant
from tocsin.domain.rules.schedule import Restriction
from tocsin.domain.wall import instant_of, minutes_of, reading_of

_DAY: Final = timedelta(days=1)
_MIDNIGHT: Final = datetime.min.time()
DAYS_AROUND: Final = 8
"""A weekly part that is not here within so many days will not come: it lies in a gap of the clock each time."""


class Stretch(NamedTuple):
    start: Instant
    end: Instant


@lru_cache(maxsize=65536)
def of_day(day: date, restrictions: tuple[Restriction, ...], place: tzinfo) -> tuple[Stretch, ...]:
    """The stretches that begin on `day`, by their start; the last may end on the next day."""
    begin = datetime.combine(day, _MIDNIGHT)
    found = []
    for one in restrictions:
        if one.days and day.weekday() not in one.days:
            continue
        first, last = minutes_of(one.start), minutes_of(one.end)
        last += 24 * 60 if last <= first else 0
        start = instant_of(begin + timedelta(minutes=first), place)
        end = instant_of(begin + timedelta(minutes=last), place)
        if end > start:  # the clock may skip all of it
            found.append(Stretch(start, end))
    return tuple(sorted(found))


def covers(restrictions: tuple[Restriction, ...], place: tzinfo, at: Instant) -> bool:
    """Whether `at` lies in one of them; no restriction covers everything."""
    if not restrictions:
        return True
    today = reading_of(at, place).date()
    # The next day too: where clocks go back over midnight, it has begun once already.
    return any(
        stretch.start <= at < stretch.end
        for day in (today - _DAY, today, today + _DAY)
        for stretch in of_day(day, restrictions, place)
    )


def boundary_after(restrictions: tuple[Restriction, ...], place: tzinfo, at: Instant) -> Instant | None:
    """The next instant after `at` at which one of them begins or ends; None when there is none."""
    if not restrictions:
        return None
    day = reading_of(at, place).date() - _DAY
    soonest: Instant | None = None
    for _ in range(DAYS_AROUND + 2):
        for stretch in of_day(day, restrictions, place):
            for one in stretch:
                if one > at and (soonest is None or one < soonest):
                    soonest = one
        # What begins on a later day lies later, but for the days on which clocks change; one more day is sure.
        if soonest is not None and reading_of(soonest, place).date() < day:
            break
        day += _DAY
    return soonest


def stretches(
    restrictions: tuple[Restriction, ...], holidays: frozenset[date], place: tzinfo, since: Instant, until: Instant
) -> Iterator[Stretch]:
    """What lies from `since` to `until` (cut there) outside of holidays, by day; stretches may touch or overlap."""
    every_day = restrictions or (Restriction(),)
    day = reading_of(since, place).date() - _DAY
    last = reading_of(until, place).date() + _DAY
    while day <= last:
        for stretch in of_day(day, every_day, place) if day not in holidays else ():
            end = stretch.end
            if day + _DAY in holidays:
                end = min(end, instant_of(datetime.combine(day + _DAY, _MIDNIGHT), place))
            start, end = max(stretch.start, since), min(end, until)
            if start < end:
                yield Stretch(start, end)
        day += _DAY
