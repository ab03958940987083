"""Overrides over HTTP: somebody takes a duty, two people swap, a calendar is taken over.

In: who, when, instead of whom. Out: settings documents (`override/<id>`), written in one change or not at all, with
who made them. They are read and deleted as every settings document is; `api.oncall` says what they make of a schedule.
"""

import asyncio
import hashlib
from datetime import timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from tocsin.api import ics
from tocsin.api.answer import Failure, Json
from tocsin.api.body import body_of
from tocsin.api.oncall import RANGE_MAX, Name, moment, schedule_of
from tocsin.api.serving import Served, Serving
from tocsin.api.settings import REASON_MAX, change
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Override, Rules
from tocsin.domain.schedule import Shift, shifts
from tocsin.domain.schedule.shifts import whole_shifts
from tocsin.domain.wall import zone
from tocsin.settings.problem import suggestion
from tocsin.wire.events import rfc3339

OVERRIDES_MAX: Final = ics.EVENTS_MAX
"""Of one request."""

router = APIRouter(tags=["on call"])


class OverrideBody(BaseModel):
    """Somebody takes the duty for a while."""

    model_config = ConfigDict(extra="forbid")
    user: str = Field(min_length=1, max_length=128)
    start: str = Field(alias="from", max_length=40)
    end: str = Field(alias="to", max_length=40)
    replaces: str = Field(default="", max_length=128, description="Only the duty of this user is taken.")
    id: str = Field(default="", max_length=128, description="Of the document; empty = made from schedule and begin.")
    reason: str = Field(default="", max_length=REASON_MAX)


class SwapBody(BaseModel):
    """Two users take one shift of each other: those that run at the times given, else their next ones."""

    model_config = ConfigDict(extra="forbid")
    users: Annotated[tuple[str, str], Field(description="The two.")]
    at: tuple[str, str] = Field(default=("", ""), description="A time within the shift of each; empty = the next one.")
    reason: str = Field(default="", max_length=REASON_MAX)


@router.post("/api/v1/oncall/{schedule}/overrides", summary="Let somebody take the duty for a while")
async def override(
    request: Request, serving: Served, schedule: Name, body: Annotated[OverrideBody, Body()]
) -> Response:
    schedule_of(serving, schedule)
    start, end = moment(serving, schedule, body.start), moment(serving, schedule, body.end)
    if start is None or end is None:
        raise Failure(422, "invalid", "from and to: both are needed")
    _user(serving.node.rules, body.user)
    made = _override(request, serving, schedule, body.user, (start, end), body.replaces, body.reason)
    key = body.id or _id(schedule, made)
    await _write(request, serving, {key: made}, body.reason)
    return Json({"id": key, **msgspec.to_builtins(made)}, 201)


@router.post("/api/v1/oncall/{schedule}/swap", summary="Let two users take one shift of each other")
async def swap(request: Request, serving: Served, schedule: Name, body: Annotated[SwapBody, Body()]) -> Response:
    """Both overrides are written or none."""
    schedule_of(serving, schedule)
    first, second = body.users
    if first == second:
        raise Failure(422, "invalid", f"users: {first} cannot swap with {second}")
    made: dict[str, Override] = {}
    for user, other, at in ((first, second, body.at[0]), (second, first, body.at[1])):
        _user(serving.node.rules, user)
        shift = _shift_of(serving, schedule, user, at)
        taken = _override(request, serving, schedule, other, (shift.start, shift.end), user, body.reason)
        made[_id(schedule, taken)] = taken
    await _write(request, serving, made, body.reason or f"{first} and {second} swap")
    return Json({"items": [{"id": key, **msgspec.to_builtins(one)} for key, one in made.items()]}, 201)


@router.post("/api/v1/oncall/{schedule}/import", summary="Take the events of an iCalendar file as overrides")
async def take(
    request: Request,
    serving: Served,
    schedule: Name,
    dry_run: Annotated[bool, Query(description="Only say what would be done")] = False,
    reason: Annotated[str, Query(max_length=REASON_MAX)] = "",
) -> Response:
    """Events that say what holds anyway are left out; those that cannot be taken exactly are in `problems`. The same
    file again replaces what it brought before."""
    schedule_of(serving, schedule)
    rules = serving.node.rules
    async with body_of(request, serving, ics.BYTES_MAX) as body:
        try:
            # In a thread: the largest file takes a second.
            found, problems, left = await asyncio.to_thread(_read, bytes(body), rules, schedule)
        except ics.Unreadable as error:
            raise Failure(422, "bad_calendar", str(error)) from None
    made = {
        f"ics-{hashlib.sha256(f'{schedule}/{one.uid}'.encode()).hexdigest()[:24]}": _override(
            request, serving, schedule, one.user, (one.start, one.end), "", reason
        )
        for one in found
    }
    if made and not dry_run:
        await _write(request, serving, made, reason or "import of a calendar")
    items = [{"id": key, **msgspec.to_builtins(one)} for key, one in made.items()]
    return Json({"items": items, "unchanged": left, "problems": problems, "dry_run": dry_run})


def _user(rules: Rules, name: str) -> None:
    if name not in rules.users:
        raise Failure(422, "unknown_user", f"no user {name!r}{suggestion(name, rules.users)}")


def _override(
    request: Request,
    serving: Serving,
    schedule: str,
    user: str,
    span: tuple[Instant, Instant],
    replaces: str,
    reason: str,
) -> Override:
    try:
        return Override(
            schedule=schedule,
            user=user,
            start=span[0],
            end=span[1],
            made_at=serving.clock.now(),
            made_by=request.state.actor,
            reason=reason,
            replaces=replaces,
        )
    except ValueError as error:
        raise Failure(422, "invalid", str(error)) from None


def _id(schedule: str, made: Override) -> str:
    text = "/".join((schedule, made.user, made.replaces, rfc3339(made.start), rfc3339(made.end), rfc3339(made.made_at)))
    return f"{made.start:%Y%m%d}-{made.user[:40]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


async def _write(request: Request, serving: Serving, made: dict[str, Override], reason: str) -> None:
    if len(made) > OVERRIDES_MAX:
        raise Failure(422, "too_many", f"{len(made)} overrides are more than {OVERRIDES_MAX}")
    changes: dict[str, Any] = {f"override/{key}": msgspec.to_builtins(one) for key, one in made.items()}
    await change(serving, changes, actor=request.state.actor, reason=reason)


def _shift_of(serving: Serving, schedule: str, user: str, at: str) -> Shift:
    """The shift of `user` that runs at the time `at`, whole; else the next one that begins after now."""
    rules, now = serving.node.rules, serving.clock.now()
    asked = moment(serving, schedule, at)
    if asked is not None:
        [*found] = whole_shifts(schedule, rules, asked, asked + timedelta(seconds=1))
        mine = [one for one in found if one.user == user and one.start <= asked and one.by != "backup"]
        if not mine:
            there = found[0].user if found else "nobody"
            raise Failure(422, "not_on_call", f"{user} is not on call in {schedule} at {rfc3339(asked)}: {there} is")
        return mine[0]
    following = shifts(schedule, rules, now, now + RANGE_MAX)
    for one in following:
        if one.user == user and one.start > now and one.by != "backup":
            return one
    raise Failure(422, "not_on_call", f"{user} has no shift in {schedule} within {RANGE_MAX.days} days")


def _read(body: bytes, rules: Rules, schedule: str) -> tuple[list[ics.Taken], list[str], int]:
    """The events that would change who is on duty, what cannot be taken, and how many would change nothing."""
    found, problems = ics.read(body, zone(rules.schedules[schedule].time_zone), rules.users)
    needed = [
        one for one in found if any(shift.user != one.user for shift in shifts(schedule, rules, one.start, one.end))
    ]
    return needed, problems, len(found) - len(needed)
