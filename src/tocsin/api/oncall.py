"""Who is on call, over HTTP: now, over a stretch of time, as a calendar.

In: names of schedules and times; a time without an offset is by the wall clock of the schedule. Out: what
`domain.schedule` says under the rules in force. It changes nothing: `api.overrides` does.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from tocsin.api import ics
from tocsin.api.answer import Failure, Json, not_found
from tocsin.api.serving import Served, Serving
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import UNFINISHED
from tocsin.domain.rules import Schedule
from tocsin.domain.schedule import Shift, on_call_at, shifts
from tocsin.domain.schedule.report import Handover, load, next_handover, next_shifts
from tocsin.domain.schedule.shifts import whole_shifts
from tocsin.domain.wall import instant_of, reading_of, zone
from tocsin.settings.problem import suggestion
from tocsin.wire.events import rfc3339

RANGE_DEFAULT: Final = timedelta(days=14)
RANGE_MAX: Final = timedelta(days=400)
"""Of one answer: a year and a month; hourly turns are some 10,000 shifts then."""
FEED_BACK: Final = timedelta(days=30)
FEED_AHEAD: Final = timedelta(days=180)
"""What a calendar program is given: it keeps what it has seen, and people plan half a year."""
YEARS: Final = (1980, 2200)
"""Times beyond them are slips of the pen, and looking around them overflows."""
OPEN_SHOWN: Final = 100

Name = Annotated[str, Path(max_length=128, description="Schedule")]
Moment = Annotated[str, Query(max_length=40, description="ISO 8601; without an offset by the clock of the schedule")]
Begin = Annotated[Moment, Query(alias="from")]
End = Annotated[Moment, Query(alias="to")]

router = APIRouter(tags=["on call"])


@router.get("/api/v1/oncall", summary="Who is on call, in every schedule")
def everybody(serving: Served, at: Moment = "") -> Response:
    rules = serving.node.rules
    return Json({"items": [_now(serving, name, at) for name in sorted(rules.schedules)]})


@router.get("/api/v1/oncall/users/{user}.ics", summary="The shifts of one user as a calendar", response_class=Response)
def feed_of_user(serving: Served, user: Annotated[str, Path(max_length=128)]) -> Response:
    """For calendar programs: a month back and half a year ahead, all schedules."""
    now = serving.clock.now()
    found = [
        (name, one)
        for name in sorted(serving.node.rules.schedules)
        for one in whole_shifts(name, serving.node.rules, now - FEED_BACK, now + FEED_AHEAD)
        if one.user == user and one.by != "backup"
    ]
    if not found and user not in serving.node.rules.users:
        raise not_found("user", user, serving.node.rules.users)
    return _calendar(f"{user} on call", found, now)


@router.get("/api/v1/oncall/users/{user}/shifts", summary="The next shifts of one user, in all schedules")
def of_user(
    serving: Served,
    user: Annotated[str, Path(max_length=128)],
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Response:
    found = next_shifts(user, serving.node.rules, serving.clock.now(), limit)
    if not found and user not in serving.node.rules.users:
        raise not_found("user", user, serving.node.rules.users)
    return Json({"items": [{"schedule": name, **_plain(one)} for name, one in found]})


@router.get("/api/v1/oncall/{schedule}.ics", summary="A schedule as a calendar", response_class=Response)
def feed(serving: Served, schedule: Name) -> Response:
    """For calendar programs: a month back and half a year ahead. A shift keeps its UID."""
    schedule_of(serving, schedule)
    now = serving.clock.now()
    found = whole_shifts(schedule, serving.node.rules, now - FEED_BACK, now + FEED_AHEAD)
    return _calendar(f"{schedule} on call", [(schedule, one) for one in found], now)


@router.get("/api/v1/oncall/{schedule}", summary="Who is on call in one schedule, and who comes next")
def one(serving: Served, schedule: Name, at: Moment = "") -> Response:
    schedule_of(serving, schedule)
    return Json(_now(serving, schedule, at))


@router.get("/api/v1/oncall/{schedule}/shifts", summary="The final schedule over a stretch of time, without gaps")
def final(
    serving: Served,
    schedule: Name,
    begin: Begin = "",
    end: End = "",
) -> Response:
    """Default: from today's midnight for 14 days. A shift without a user is time in which nobody is on duty."""
    start, until = _range(serving, schedule, begin, end)
    found = [_plain(one) for one in shifts(schedule, serving.node.rules, start, until)]
    time_zone = serving.node.rules.schedules[schedule].time_zone
    return Json({"schedule": schedule, "time_zone": time_zone, "from": start, "to": until, "items": found})


@router.get("/api/v1/oncall/{schedule}/report", summary="Hours, nights and weekends of each user")
def report(
    serving: Served,
    schedule: Name,
    begin: Begin = "",
    end: End = "",
) -> Response:
    """Default: the 14 days from today's midnight. Nights (22 to 6) and weekends are those of each user's zone."""
    start, until = _range(serving, schedule, begin, end)
    found = [
        {
            "user": one.user,
            "hours": _hours(one.total),
            "night_hours": _hours(one.night),
            "weekend_hours": _hours(one.weekend),
            "taken_over_hours": _hours(one.taken_over),
            "shifts": one.shifts,
        }
        for one in load(schedule, serving.node.rules, start, until)
    ]
    return Json({"schedule": schedule, "from": start, "to": until, "items": found})


@router.get("/api/v1/oncall/{schedule}/handover", summary="Who hands over to whom next, and what is open then")
def handover(serving: Served, schedule: Name, at: Moment = "") -> Response:
    """The open incidents are those of the teams whose schedule this is."""
    schedule_of(serving, schedule)
    rules = serving.node.rules
    following = next_handover(schedule, rules, moment(serving, schedule, at) or serving.clock.now())
    teams = sorted(name for name, team in rules.teams.items() if team.schedule == schedule)
    unfinished = tuple(status.value for status in UNFINISHED)
    found = [serving.queries.incidents(team=team, status=unfinished, limit=OPEN_SHOWN) for team in teams]
    items = [item for page in found for item in page.items][:OPEN_SHOWN]
    total = sum(page.total for page in found)
    shown = _handover(following) if following else None
    return Json({"schedule": schedule, "handover": shown, "teams": teams, "incidents": items, "total": total})


@router.get("/api/v1/oncall/{schedule}/overrides", summary="The overrides of a schedule that have not ended")
def overrides(serving: Served, schedule: Name, ended: bool = False) -> Response:
    """With `ended=true` those that have, too. DELETE /api/v1/settings/override/{id} takes one back."""
    schedule_of(serving, schedule)
    now = serving.clock.now()
    found = [
        {"id": key, **msgspec.to_builtins(one)}
        for key, one in serving.node.rules.overrides.items()
        if one.schedule == schedule and (ended or one.end > now)
    ]
    return Json({"items": sorted(found, key=lambda item: (item["start"], item["id"]))})


def _now(serving: Serving, name: str, at: str) -> dict[str, Any]:
    asked = moment(serving, name, at) or serving.clock.now()
    rules = serving.node.rules
    found = on_call_at(name, rules, asked)
    following = next_handover(name, rules, asked)
    return {
        "schedule": name,
        "at": asked,
        "users": found.users,
        "by": found.by,
        "source": found.source,
        "instead_of": found.instead_of,
        "skipped": [msgspec.structs.asdict(one) for one in found.skipped],
        "until": found.until,
        "next": _handover(following) if following else None,
    }


def _handover(one: Handover) -> dict[str, Any]:
    return {"at": one.at, "giving": one.giving, "taking": one.taking}


def _plain(one: Shift) -> dict[str, Any]:
    return msgspec.structs.asdict(one)


def _hours(span: timedelta) -> float:
    return round(span / timedelta(hours=1), 2)


def _calendar(title: str, found: list[tuple[str, Shift]], now: Instant) -> Response:
    return Response(ics.written(title, found, now), media_type=ics.MEDIA_TYPE)


def schedule_of(serving: Serving, name: str) -> Schedule:
    schedules = serving.node.rules.schedules
    if name not in schedules:
        raise Failure(404, "not_found", f"no schedule {name!r}{suggestion(name, schedules)}")
    return schedules[name]


def moment(serving: Serving, schedule: str, text: str) -> Instant | None:
    """The instant that `text` names, by the wall clock of the schedule where it names no offset; None for nothing.

    Raises:
        Failure: it names none, or one outside of `YEARS`.
    """
    if not text:
        return None
    day, _, rest = text.partition("T")
    place = zone(serving.node.rules.schedules[schedule].time_zone)
    try:
        # In an address a plus that is not escaped arrives as a space.
        found = datetime.fromisoformat(f"{day}T{rest.replace(' ', '+')}" if rest else text)
    except ValueError:
        words = "write 2026-03-01, 2026-03-01T09:00 (by the clock of the schedule) or 2026-03-01T09:00Z"
        raise Failure(422, "invalid", f"{text!r} is no time: {words}") from None
    if not YEARS[0] <= found.year <= YEARS[1]:
        raise Failure(422, "invalid", f"{text!r} is out of range: the years {YEARS[0]} to {YEARS[1]}")
    return instant_of(found, place) if found.tzinfo is None else found.astimezone(UTC)


def _range(serving: Serving, schedule: str, begin: str, end: str) -> tuple[Instant, Instant]:
    place = zone(schedule_of(serving, schedule).time_zone)
    today = datetime.combine(reading_of(serving.clock.now(), place).date(), datetime.min.time())
    start = moment(serving, schedule, begin) or instant_of(today, place)
    until = moment(serving, schedule, end) or start + RANGE_DEFAULT
    if until <= start:
        raise Failure(422, "invalid", f"to {rfc3339(until)} is not after from {rfc3339(start)}")
    if until - start > RANGE_MAX:
        raise Failure(422, "invalid", f"from {rfc3339(start)} to {rfc3339(until)} is longer than {RANGE_MAX.days} days")
    return start, until
