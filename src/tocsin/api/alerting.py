"""Alerts as the database has them: the members of incidents, with filters."""

from fastapi import APIRouter
from fastapi.responses import Response

from tocsin.api.answer import Json, not_found
from tocsin.api.choice import chosen
from tocsin.api.incidents import Limit, Text, Words
from tocsin.api.serving import Served
from tocsin.domain.severity import Severity

router = APIRouter(tags=["alerts"])


@router.get("/api/alerting", summary="Alerts, newest first")
def alerts(
    serving: Served,
    incident: Text = "",
    status: Text = "",
    severity: Words = [],  # noqa: B006 - FastAPI copies it
    service: Text = "",
    fingerprint: Text = "",
    q: Text = "",
    limit: Limit = 100,
    cursor: Text = "",
) -> Response:
    """`incident` takes an id or a number."""
    if incident:
        found = serving.queries.incident(incident)
        if found is None:
            raise not_found("incident", incident)
        incident = found["id"]
    page = serving.queries.alerts(
        incident=incident,
        status=next(iter(chosen("status", [status], ("firing", "resolved"))), ""),
        severity=next(iter(chosen("severity", severity[:1], Severity)), ""),
        service=service,
        fingerprint=fingerprint,
        q=q,
        limit=limit,
        cursor=cursor,
    )
    return Json({"items": page.items, "next": page.next, "total": page.total})
