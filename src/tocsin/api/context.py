"""What is around an incident: the services it needs and that need it, with what is open there.

In: an incident of the database, the services of the rules in force. Out: JSON. Nothing is decided by it.
"""

from collections.abc import Mapping
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
from tocsin.persist.queries import Queries

SERVICES_MAX: Final = 40
"""Services that are shown in each direction, the nearest; each costs a question to the database."""
OPEN_MAX: Final = 10
"""Open incidents of each."""
FIELDS: Final = ("number", "id", "title", "severity", "severity_label", "status", "opened_at", "team")

router = APIRouter(tags=["incidents"])


@router.get(
    "/api/v1/incidents/{reference}/context", summary="What is around an incident: services, and what is open there"
)
def context(serving: Served, reference: Reference) -> Response:
    """`upstream`: what its service needs, and may be the cause; `downstream`: what needs it, and may suffer."""
    queries, rules = serving.queries, serving.node.rules
    found = queries.incident(reference)
    if found is None:
        raise not_found("incident", reference)
    service = found["service"]
    known = rules.services.get(service)
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
            "upstream": _around(queries, upstream(service, rules.services), rules),
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


def _open(queries: Queries, service: str, rules: Rules) -> list[dict[str, Any]]:
    """What is open for a service, newest first."""
    page = queries.incidents(status=tuple(sorted(UNFINISHED)), service=service, limit=OPEN_MAX)
    return [{name: one.get(name) for name in FIELDS} for one in (labelled(item, rules) for item in page.items)]
