"""Incidents as the database has them: a list with filters, and everything about one."""

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from tocsin.api.answer import Failure, Json, not_found
from tocsin.api.choice import chosen
from tocsin.api.serving import Served
from tocsin.api.severity import labelled, shown_level
from tocsin.domain import events as ev
from tocsin.domain import grading
from tocsin.domain.errors import Reject
from tocsin.domain.instant import Instant, as_utc
from tocsin.domain.lifecycle import Status
from tocsin.domain.playbook import fitting, minutes_of
from tocsin.domain.rules import Rules
from tocsin.domain.severity import Severity
from tocsin.explain.escalation import DONE, rows_of
from tocsin.persist.deliveries import with_attempts
from tocsin.persist.queries import Queries
from tocsin.persist.recorded import events_of
from tocsin.wire.events import decode_value

PAGE_MAX: Final = 500
"""Items of one page; some 500 KB."""
ALERTS_SHOWN: Final = 100
TIMELINE_SHOWN: Final = 500
TEXT_MAX: Final = 256
"""Letters of a filter."""

CALLING: Final = tuple(
    kind
    for kind in ev.BY_TYPE
    if kind.startswith(("escalation.", "sla.")) or kind in ("delivery.planned", "delivery.suppressed")
) + tuple(
    f"incident.{word}"
    for word in ("opened", "reopened", "reannounced", "severity_raised", "resolved", "suppressed", "unsuppressed")
)
"""Events that call or tell somebody, or say why not; the first one tells when it began."""

Text = Annotated[str, Query(max_length=TEXT_MAX)]
Words = Annotated[list[str], Query()]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Reference = Annotated[str, Path(max_length=TEXT_MAX, description="Incident id or number")]

router = APIRouter(tags=["incidents"])


@router.get("/api/incident_response", summary="Incidents, newest first")
def incidents(
    serving: Served,
    status: Words = [],  # noqa: B006 - FastAPI copies it
    severity: Words = [],  # noqa: B006
    category: Words = [],  # noqa: B006
    service: Text = "",
    team: Text = "",
    q: Text = "",
    opened_after: datetime | None = None,
    opened_before: datetime | None = None,
    voided: bool = False,
    limit: Limit = 50,
    cursor: Text = "",
) -> Response:
    page = serving.queries.incidents(
        status=chosen("status", status, Status),
        severity=chosen("severity", severity, Severity),
        category=tuple(category),
        service=service,
        team=team,
        q=q,
        opened_after=_instant("opened_after", opened_after),
        opened_before=_instant("opened_before", opened_before),
        voided=voided,
        limit=limit,
        cursor=cursor,
    )
    rules = serving.node.rules
    return Json({"items": [labelled(one, rules) for one in page.items], "next": page.next, "total": page.total})


def _instant(name: str, given: datetime | None) -> Instant | None:
    try:
        return None if given is None else as_utc(given)
    except OverflowError:
        raise Failure(422, "invalid", f"{name}: out of range") from None


@router.get("/api/incident_response/{reference}", summary="One incident with alerts, timeline, deliveries")
def incident(serving: Served, reference: Reference) -> Response:
    """With `severity_level`: what the scheme promises for it; `escalation`: what escalates next, and when; `calls`: who
    was called or told and why, and why somebody was not; `deliveries`: over what, with each attempt and its answer,
    the last 200 of `deliveries_total`;
    `page_url`: its page for a browser, empty without `http.external_url`."""
    queries = serving.queries
    found: dict[str, Any] | None = queries.incident(reference)
    if found is None:
        raise not_found("incident", reference)
    key = found["id"]
    members = queries.alerts(incident=key, limit=ALERTS_SHOWN)
    deliveries, total = with_attempts(queries, key)
    return Json(
        {
            **labelled(found, serving.node.rules),
            "severity_level": _level(found["severity"], serving.node.rules),
            "page_url": serving.links.page(key),
            "alert_list": {"items": members.items, "next": members.next, "total": members.total},
            "timeline": queries.timeline(key, limit=TIMELINE_SHOWN).items,
            "calls": _calls(queries, key),
            "deliveries": deliveries,
            "deliveries_total": total,
            "escalation": queries.escalation(key),
            "suggested_playbooks": [
                {"name": name, "title": one.title, "estimated_duration_minutes": minutes_of(one)}
                for name, one in fitting(serving.node.rules, found["category"], found["severity"]).items()
            ],
        }
    )


def _calls(queries: Queries, incident_id: str) -> list[dict[str, Any]]:
    """What called somebody, told somebody, or kept from it."""
    rows, _ = events_of(queries, incident_id, types=CALLING)
    events: list[ev.Event] = []
    for row in rows:
        with suppress(Reject):  # of a newer version
            events.append(decode_value(row.type, row.value))
    return rows_of(events, events[0].recorded_at, DONE) if events else []


def _level(severity: str, rules: Rules) -> dict[str, Any] | None:
    known = severity in set(Severity)  # else of a newer version
    return shown_level(grading.level_of(Severity(severity), rules.severity)) if known else None


@router.get("/api/incident_response/{reference}/timeline", summary="The timeline of one incident, page by page")
def timeline(serving: Served, reference: Reference, limit: Limit = PAGE_MAX, cursor: Text = "") -> Response:
    found = serving.queries.incident(reference)
    if found is None:
        raise not_found("incident", reference)
    page = serving.queries.timeline(found["id"], limit=limit, cursor=cursor)
    return Json({"items": page.items, "next": page.next, "total": page.total})
