"""Wall clocks: between what a clock on the wall of a place shows and the instant it is.

In: naive datetimes (a wall clock's reading) and IANA zone names. Out: instants in UTC, and back. Invariants:
`instant_of` never decreases when the reading increases, in any zone, so stretches that tile the wall clock tile real
time too. A reading that does not exist is the first instant after the gap; one that comes twice is the first of the
two. It does not know what time it is, and knows no offsets: `+02:00` is no zone.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from tocsin.domain.instant import Instant

MINUTES_OF_A_DAY: Final = 24 * 60
_SECOND: Final = timedelta(seconds=1)


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """The IANA names that this machine knows."""
    return frozenset(available_timezones() | {"UTC"}) - {"localtime", "Factory"}


@lru_cache(maxsize=1024)
def zone(name: str) -> tzinfo:
    """The zone of that name; UTC where there is none, since a decision has to be made. Settings refuse such names."""
    return ZoneInfo(name) if name != "UTC" and name in zones() else UTC


def reading_of(at: Instant, place: tzinfo) -> datetime:
    """What a wall clock shows at `at`: naive."""
    return at.astimezone(place).replace(tzinfo=None)


@lru_cache(maxsize=65536)
def instant_of(reading: datetime, place: tzinfo) -> Instant:
    """The instant at which a wall clock shows the naive `reading`; see the module for gaps and doubles."""
    found = reading.replace(tzinfo=place, fold=0).astimezone(UTC)
    if reading_of(found, place) == reading:
        return found
    # In a gap: `found` lies at or after the jump (by the offset before it), `early` before (by the offset after it).
    early = reading.replace(tzinfo=place, fold=1).astimezone(UTC)
    after = found.astimezone(place).utcoffset()
    while found - early > _SECOND:
        middle = early + (found - early) // (2 * _SECOND) * _SECOND
        if middle.astimezone(place).utcoffset() == after:
            found = middle
        else:
            early = middle
    return found.replace(microsecond=0)


def minutes_of(text: str) -> int:
    """Minutes since midnight of `HH:MM`, up to `24:00`.

    Raises:
        ValueError: it is no such time.
    """
    hours, colon, minutes = text.partition(":")
    good = colon and len(hours) == len(minutes) == 2 and (hours + minutes).isascii() and (hours + minutes).isdigit()
    found = int(hours) * 60 + int(minutes) if good else -1
    if not good or int(minutes) > 59 or found > MINUTES_OF_A_DAY:
        raise ValueError(f"{text!r} is not a time of day; write HH:MM between 00:00 and 24:00")
    return found


def reading(text: str) -> datetime:
    """The wall clock reading that `2026-01-05T09:00` (or only the day) names; naive.

    Raises:
        ValueError: it is none, or it names an offset, which a wall clock does not.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date and time; write 2026-01-05T09:00") from None
    if found.tzinfo is not None:
        raise ValueError(f"{text!r} has an offset; write the time of the wall clock alone: {found:%Y-%m-%dT%H:%M}")
    return found.replace(microsecond=0)
