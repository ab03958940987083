"""Events of a calendar that repeat (RFC 5545, RRULE), as far as they can be taken exactly.

In: a rule, the first begin and end. Out: each begin and end. Daily and weekly rules with an end are taken, by the wall
clock that the event is written in; every other rule is refused with what to do instead. It does not look at overrides
of single occurrences (RECURRENCE-ID), which the caller refuses.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from tocsin.domain.instant import as_utc

UNITS: Final = {"DAILY": "day", "WEEKLY": "week"}
_LENGTH: Final = {"DAILY": timedelta(days=1), "WEEKLY": timedelta(weeks=1)}
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_KNOWN: Final = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST"})


def occurrences(rule: Mapping[str, Any], begin: date, end: date, most: int) -> Iterator[tuple[date, date]]:
    """(begin, end) of each, as `begin` and `end` are: days, or times with or without a zone.

    Raises:
        ValueError: the rule is not daily or weekly, has no end, or gives more than `most`.
    """
    found = {str(word).upper(): value if isinstance(value, list) else [value] for word, value in rule.items()}
    freq = str(found.get("FREQ", [""])[0]).upper()
    interval = _number(found, "INTERVAL") or 1
    if freq not in _LENGTH or not found.keys() <= _KNOWN or not _own_day(found, begin, freq):
        raise ValueError("it repeats by a rule that cannot be taken; only daily and weekly ones can")
    count, until = _number(found, "COUNT"), found.get("UNTIL", [None])[0]
    if count is None and until is None:
        raise ValueError(
            "it repeats without end; write it as a layer of the schedule: "
            f"{{users: […], starts_at: {_text(begin)}, length: {interval}, unit: {UNITS[freq]}}}"
        )
    step, number = _LENGTH[freq] * interval, 0
    while (count is None or number < count) and (until is None or not _after(begin + step * number, until)):
        if number >= most:
            raise ValueError(f"it repeats more than {most} times")
        # Adding days to a time with a zone keeps the time of the wall clock.
        yield begin + step * number, end + step * number
        number += 1


def _number(found: Mapping[str, list[Any]], word: str) -> int | None:
    return int(found[word][0]) if word in found else None


def _own_day(found: Mapping[str, list[Any]], begin: date, freq: str) -> bool:
    """Whether BYDAY says no more than the begin does."""
    days = [str(day).upper() for day in found.get("BYDAY", [])]
    return not days or (freq == "WEEKLY" and days == [_DAYS[begin.weekday()]])


def _after(begin: date, until: date) -> bool:
    if isinstance(begin, datetime) and isinstance(until, datetime):
        # RFC 5545 wants UNTIL in UTC where the event has a zone; some write it by the wall clock all the same.
        if begin.tzinfo is not None and until.tzinfo is not None:
            return as_utc(begin) > as_utc(until)
        return begin.replace(tzinfo=None) > until.replace(tzinfo=None)
    return _day(begin) > _day(until)


def _day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _text(value: date) -> str:
    return f"{value:%Y-%m-%dT%H:%M}" if isinstance(value, datetime) else f"{value:%Y-%m-%d}"
