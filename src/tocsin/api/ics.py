"""Schedules as calendars of other programs (iCalendar, RFC 5545), and calendars as overrides.

In: shifts; or the bytes of a calendar. Out: the bytes of a calendar; or who takes over when, with a sentence for each
event that cannot be taken exactly. Invariants: a shift keeps its UID for as long as user and begin stay the same; what
was written reads as the same shifts; nothing that is not understood is guessed at. It asks nobody and writes nothing.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from tocsin.api.ics_repeat import occurrences
from tocsin.domain.instant import Instant, as_utc
from tocsin.domain.rules.directory import User
from tocsin.domain.schedule import Shift
from tocsin.domain.wall import instant_of

MEDIA_TYPE: Final = "text/calendar; charset=utf-8"
BYTES_MAX: Final = 2 * 1024 * 1024
EVENTS_MAX: Final = 2000
"""Overrides are looked at for every question, so they are no place for years of shifts."""
REFRESH: Final = timedelta(hours=1)
"""How often a program is asked to look again; overrides are made at short notice."""
PRODUCT: Final = "-//tocsin//on call//EN"
OWN_USER: Final = "X-TOCSIN-USER"


class Taken(NamedTuple):
    """An event that can be taken exactly."""

    uid: str
    user: str
    start: Instant
    end: Instant


class Unreadable(ValueError):
    """The bytes are no calendar."""


def written(title: str, shifts: Iterable[tuple[str, Shift]], now: Instant) -> bytes:
    """A calendar with an event for each (schedule, shift); shifts without a user are left out.

    Args:
        now: the DTSTAMP of each event.
    """
    from icalendar import Calendar, Event

    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", title)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for schedule, shift in shifts:
        if not shift.user:
            continue
        event = Event()
        event.add("uid", uid_of(schedule, shift))
        event.add("dtstamp", now)
        event.add("dtstart", shift.start)
        event.add("dtend", shift.end)
        event.add("summary", f"{shift.user} on call: {schedule}")
        event.add("description", said(shift))
        event.add("transp", "TRANSPARENT")
        event.add(OWN_USER, shift.user)
        calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def uid_of(schedule: str, shift: Shift) -> str:
    """The same for as long as this user's shift begins then."""
    text = "\n".join((schedule, shift.user, shift.start.isoformat()))
    return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}@tocsin"


def said(shift: Shift) -> str:
    """Why this user, in words."""
    word = {"layer": "layer", "override": "override", "backup": "backup schedule"}.get(shift.by, shift.by)
    text = f"by {word} {shift.source}"
    return f"{text}, instead of {shift.instead_of}" if shift.instead_of else text


def read(content: bytes, place: tzinfo, users: Mapping[str, User]) -> tuple[list[Taken], list[str]]:
    """The events of a calendar that say who is on duty when, and what cannot be taken, by event.

    The user is the one that tocsin wrote, else the attendee whose e-mail address a user has, else the summary, if it
    is or begins with the name of a user. Times without a zone, and whole days, are by the wall clock of `place`.

    Raises:
        Unreadable: it is no calendar, or has more than `EVENTS_MAX` events.
    """
    from icalendar import Calendar

    if len(content) > BYTES_MAX:
        raise Unreadable(f"larger than {BYTES_MAX} bytes")
    try:
        calendars = Calendar.from_ical(content, multiple=True)
        events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    except Exception as error:  # the library raises whatever its parts do; the text is somebody else's
        raise Unreadable(f"no iCalendar: {str(error)[:200]}") from error
    if not calendars:
        raise Unreadable("no iCalendar: there is no VCALENDAR in it")
    _few_enough(len(events))
    names = _names(users)
    found: list[Taken] = []
    problems: list[str] = []
    for number, event in enumerate(events, 1):
        try:
            found += _taken(event, place, users, names)
        except ValueError as error:
            problems.append(f"{_called(event, number)}: {error}")
        except (ArithmeticError, AttributeError, LookupError, TypeError):  # what the library made of a broken line
            problems.append(f"{_called(event, number)}: it cannot be read")
        _few_enough(len(found))
    return found, problems


def _called(event: Any, number: int) -> str:
    return f"event {number} ({_text(event, 'SUMMARY')[:80] or 'no summary'})"


def _few_enough(count: int) -> None:
    if count > EVENTS_MAX:
        raise Unreadable(f"{count} events are more than {EVENTS_MAX}")


def _taken(event: Any, place: tzinfo, users: Mapping[str, User], names: Mapping[str, str]) -> list[Taken]:
    if word := next((word for word in ("RDATE", "RECURRENCE-ID", "EXRULE") if word in event), ""):
        raise ValueError(f"it repeats by {word}, which cannot be taken exactly")
    if _text(event, "STATUS").upper() == "CANCELLED":
        raise ValueError("it is cancelled")
    begin, end = _written(event)
    spans: Iterable[tuple[date, date]] = [(begin, end)]
    rule = event.get("RRULE")
    if isinstance(rule, list):
        raise ValueError("it has RRULE more than once")
    if rule is not None:
        spans = occurrences(rule, begin, end, EVENTS_MAX)
    left_out = {_instant(one, place) for one in _left_out(event)}
    user = _user(event, users, names)
    instants = [(_instant(one, place), _instant(other, place)) for one, other in spans]
    if any(last <= first for first, last in instants):
        raise ValueError("it does not end after it starts")
    uid = _text(event, "UID") or f"{instants[0][0].isoformat()}/{instants[0][1].isoformat()}" if instants else ""
    return [
        Taken(uid if rule is None else f"{uid}/{first.isoformat()}", user, first, last)
        for first, last in instants
        if first not in left_out
    ]


def _left_out(event: Any) -> list[date]:
    """The begins that EXDATE takes away."""
    found = event.get("EXDATE") or []
    return [one.dt for part in (found if isinstance(found, list) else [found]) for one in part.dts]


def _written(event: Any) -> tuple[date, date]:
    """Begin and end as they stand there: days, or times with or without a zone."""
    begin = _value(event, "DTSTART")
    if not isinstance(begin, date):
        raise ValueError("it has no DTSTART")
    end = _value(event, "DTEND")
    duration = _value(event, "DURATION")
    if end is None and isinstance(duration, timedelta):
        end = begin + duration
    if end is None and not isinstance(begin, datetime):
        end = begin + timedelta(days=1)
    if not isinstance(end, date):
        raise ValueError("it has neither DTEND nor DURATION")
    return begin, end


def _instant(value: date, place: tzinfo) -> Instant:
    if not isinstance(value, datetime):
        return instant_of(datetime.combine(value, datetime.min.time()), place)
    return instant_of(value.replace(fold=0), place) if value.tzinfo is None else as_utc(value)


def _value(event: Any, word: str) -> Any:
    found = event.get(word)
    if isinstance(found, list):
        raise ValueError(f"it has {word} more than once")
    if found is None:
        return None
    value = getattr(found, "dt", None)
    if not isinstance(value, date | timedelta):
        raise ValueError(f"its {word} cannot be read")
    return value


def _text(event: Any, word: str) -> str:
    found = event.get(word)
    return "" if found is None or isinstance(found, list) else str(found).strip()


def _names(users: Mapping[str, User]) -> dict[str, str]:
    """What people may be called, in lower case, and the user it is: e-mail addresses, names, ids (which win)."""
    found: dict[str, str] = {}
    for user, about in users.items():
        words = [f"mailto:{address}" for address in about.contacts.get("email", ())]
        for word in (*words, about.name):
            found.setdefault(word.lower(), user)
    found.pop("", None)
    return found | {user.lower(): user for user in users}


def _user(event: Any, users: Mapping[str, User], names: Mapping[str, str]) -> str:
    own, summary = _text(event, OWN_USER), _text(event, "SUMMARY")
    if own and (own in users or not users):
        return own
    attendees = event.get("ATTENDEE") or []
    for one in attendees if isinstance(attendees, list) else [attendees]:
        if (known := names.get(str(one).strip().lower())) is not None:
            return known
    lowered = summary.lower()
    starts = [name for name in names if lowered == name or lowered.startswith((f"{name} ", f"{name}:", f"{name},"))]
    if starts:
        return names[max(starts, key=len)]
    asked = own or summary
    near = get_close_matches(asked.lower(), names, n=1, cutoff=0.6)
    hint = f", did you mean {names[near[0]]!r}?" if near else ""
    raise ValueError(f"it names no user: {asked[:80]!r}{hint}")
