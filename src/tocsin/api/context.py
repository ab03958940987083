"""What is around an incident: the services it needs and that need it, with what is open and what was changed there.

In: an incident of the database, the services of the rules in force. Out: JSON. Nothing is decided by it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import Response

from tocsin.api.answer import Json, not_found
from tocsin.api.incidents import Reference
from tocsin.api.serving import Served
from tocsin.api.severity import labelled
from tocsin.domain.dependency import downstream, upstream
from tocsin.domain.lifecycle import UNFINISHED
from tocsin.domain.rules import Rules
from tocsin.persist.changes import changes
from tocsin.persist.queries import Queries

SERVICES_MAX: Final = 40
"""Services that are shown in each direction, the nearest; each costs a question to the database."""
OPEN_MAX: Final = 10
"""Open incidents of each."""
CHANGED_WITHIN: Final = timedelta(hours=24)
"""Before the opening: what broke later than that shows up in the list of changes."""
CHANGES_MAX: Final = 20
FIELDS: Final = ("number", "id", "title", "severity", "severity_label", "status", "opened_at", "team")

router = APIRouter(tags=["incidents"])


@router.get(
    "/api/v1/incidents/{reference}/context", summary="What is around an incident: services, and what is open there"
)
def context(serving: Served, reference: Reference) -> Response:
    """`upstream`: what its service needs, and may be the cause; `downstream`: what needs it, and may suffer;
    `changes`: what was changed in its service and upstream within a day before it opened, and since."""
    queries, rules = serving.queries, serving.node.rules
    found = queries.incident(reference)
    if found is None:
        raise not_found("incident", reference)
    service = found["service"]
    known = rules.services.get(service)
    needed = upstream(service, rules.services)
    return Json(
        {
            "incident": {name: found.get(name) for name in ("id", "number", "service")},
            "service": {
                "name": service,
                "known": known is not None,
                "team": known.team if known else "",
                "runbook": known.runbook if known else "",
                "links": known.links if known else {},
                "description": known.description if known else "",
                "open": [one for one in _open(queries, service, rules) if one["id"] != found["id"]] if service else [],
            },
            "changes": _changes(queries, found, needed),
            "upstream": _around(queries, needed, rules),
            "downstream": _around(queries, downstream(service, rules.services), rules),
        }
    )


def _around(queries: Queries, distances: Mapping[str, int], rules: Rules) -> list[dict[str, Any]]:
    nearest = list(distances.items())[:SERVICES_MAX]
    return [
        {
            "service": name,
            "distance": distance,
            "team": rules.services[name].team if name in rules.services else "",
            "open": _open(queries, name, rules),
        }
        for name, distance in nearest
    ]


def _changes(queries: Queries, incident: Mapping[str, Any], needed: Mapping[str, int]) -> list[dict[str, Any]]:
    service = incident["service"]
    if not service:
        return []
    since = datetime.fromisoformat(incident["opened_at"]) - CHANGED_WITHIN
    found = changes(queries, services=(service, *needed), after=since, limit=CHANGES_MAX)
    return [{**one, "distance": needed.get(one["service"], 0)} for one in found]


def _open(queries: Queries, service: str, rules: Rules) -> list[dict[str, Any]]:
    """What is open for a service, newest first."""
    page = queries.incidents(status=tuple(sorted(UNFINISHED)), service=service, limit=OPEN_MAX)
    return [{name: one.get(name) for name in FIELDS} for one in (labelled(item, rules) for item in page.items)]
