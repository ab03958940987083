"""People, teams and services as the rules in force have them, who is reached for a target, and a page to try the way.

In: the rules; a target; who is to be paged. Out: JSON. Nobody but the one who is named hears of a test page; it takes
the way of every page: command, incident, escalation, delivery, channel.
"""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from tocsin.api.answer import Failure, Json
from tocsin.api.serving import Served, Serving
from tocsin.api.trying import STATUS, WAIT_SECONDS, WAIT_SECONDS_MAX, tried
from tocsin.domain.directory import Reached, reach, target_of, unreachable
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import EPOCH, Instant, as_utc
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Rules
from tocsin.domain.schedule import on_call_at
from tocsin.domain.severity import Severity
from tocsin.settings.problem import suggestion

NAME_MAX: Final = 120

Text = Annotated[str, Query(max_length=NAME_MAX)]
At = Annotated[datetime | None, Query(description="The instant that counts as now; default: now")]

router = APIRouter(tags=["people"])


@router.get("/api/v1/people", summary="People and teams, who is on duty, and who cannot be called now")
def people(serving: Served, at: At = None) -> Response:
    rules, now = serving.node.rules, _at(serving, at)
    on_duty = {name: on_call_at(name, rules, now) for name in rules.schedules}
    duties = {name: [one for one, duty in on_duty.items() if name in duty.users] for name in rules.users}
    return Json(
        {
            "catch_all": rules.people.catch_all,
            "users": {
                name: {
                    **_plain(user),
                    "on_duty": duties[name],
                    "unreachable": unreachable(name, rules, now, on_duty=bool(duties[name])),
                }
                for name, user in rules.users.items()
            },
            "teams": {
                name: {
                    **_plain(team),
                    "on_duty": list(on_duty[team.schedule].users) if team.schedule in on_duty else [],
                }
                for name, team in rules.teams.items()
            },
        }
    )


@router.get("/api/v1/services", summary="Services, who owns them, and what they need")
def services(serving: Served) -> Response:
    found = serving.node.rules.services
    return Json(
        {name: {**_plain(service), "needed_by": needed_by(name, serving.node.rules)} for name, service in found.items()}
    )


@router.get("/api/v1/people/reached", summary="Who is reached for a target, who is passed over, and why")
def reached(
    serving: Served,
    target: Annotated[str, Query(max_length=NAME_MAX, description="dba, user:ana, schedule:dba, management, vendor")],
    team: Text = "",
    service: Text = "",
    fallback: Text = "",
    at: At = None,
) -> Response:
    """`team` and `service` of the incident matter for `management` and `vendor`."""
    found = reach(target, serving.node.rules, _nobody(team, service), _at(serving, at), fallback=fallback)
    return Json(shown(found))


@router.post("/api/v1/people/{target}/page", summary="Page one person or target now, to try the way")
async def page(
    request: Request,
    serving: Served,
    target: Annotated[str, Path(max_length=NAME_MAX, description="A user; or team:…, schedule:…")],
    wait: Annotated[float, Query(ge=0, le=WAIT_SECONDS_MAX)] = WAIT_SECONDS,
) -> Response:
    """200 delivered, 202 still on its way, 502 given up. Nobody else hears of it; its incident closes by itself."""
    word = _known(target, serving.node.rules)
    answer = await tried(serving, word, actor=request.state.actor, wait=wait)
    return Json(answer, STATUS[answer["outcome"]])


def _known(word: str, rules: Rules) -> str:
    """The target as `kind:name`.

    Raises:
        Failure: 404, nothing has that name.
    """
    kind, colon, name = word.partition(":")
    if not colon and word in rules.users:  # the path is that of people
        kind, name = "user", word
    elif not colon:
        found = target_of(word, rules)
        kind, name = found.kind, found.name
    tables: dict[str, dict[str, Any]] = {"user": rules.users, "team": rules.teams, "schedule": rules.schedules}
    if kind not in tables:
        raise Failure(422, "invalid", f"{word!r}: a test page goes to a user, a team or a schedule")
    if name not in tables[kind]:
        every = [*rules.users, *rules.teams, *rules.schedules]
        raise Failure(404, "not_found", f"no user, team or schedule {word!r}{suggestion(name, every)}")
    return f"{kind}:{name}"


def shown(found: Reached) -> dict[str, Any]:
    """Who is reached, every field there."""
    return {
        "target": found.target,
        "by": found.by,
        "recipients": [
            {name: getattr(one, name) for name in ("recipient", "contacts", "channels", "why")}
            for one in found.recipients
        ],
        "skipped": [{"recipient": one.recipient, "why": one.why} for one in found.skipped],
    }


def needed_by(name: str, rules: Rules) -> list[str]:
    """The services that need `name` directly."""
    return [one for one, service in rules.services.items() if name in service.depends_on]


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    """Every field, those with defaults as well."""
    return {name: msgspec.to_builtins(getattr(value, name)) for name in value.__struct_fields__}


def _nobody(team: str, service: str) -> IncidentHeader:
    """A header for a question about no incident."""
    return IncidentHeader(
        id="",
        number="",
        version=0,
        title="",
        severity=Severity.INFO,
        status=Status.OPEN,
        opened_at=EPOCH,
        team=team,
        service=service,
    )


def _at(serving: Serving, given: datetime | None) -> Instant:
    try:
        return as_utc(given or serving.clock.now())
    except OverflowError:
        raise Failure(422, "invalid", "at: out of range") from None
