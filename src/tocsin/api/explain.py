"""Explanations: where an alert would go, who is called when, why somebody was paged.

In: labels or an alert, or what is recorded of an incident. Out: what `tocsin.explain` makes of it under the rules in
force. Nothing is written, and nobody is told.
"""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from tocsin.api.answer import Failure, Json, not_found
from tocsin.api.body import body_of
from tocsin.api.serving import Served, Serving
from tocsin.domain import events as ev
from tocsin.domain.errors import Reject
from tocsin.domain.instant import Instant, as_utc
from tocsin.explain import escalation, route, why
from tocsin.explain.rehearsal import HORIZON, HORIZON_MAX
from tocsin.persist.recorded import Recorded, events_of, incident_with
from tocsin.wire.events import decode_value

ALERT_BYTES_MAX: Final = 256 * 1024
LABELS_LETTERS_MAX: Final = 8000

Labels = Annotated[
    list[str], Query(max_length=64, description="name=value, several with commas: severity=critical,service=shop")
]
At = Annotated[datetime | None, Query(description="The instant that counts as now; default: now")]
Hours = Annotated[
    float, Query(gt=0, le=HORIZON_MAX / timedelta(hours=1), description="How far to look ahead, in hours")
]
Reference = Annotated[str, Path(max_length=128, description="Id or number of an incident, or an alert or delivery id")]
HOURS: Final = HORIZON / timedelta(hours=1)

router = APIRouter(tags=["explain"])


@router.get("/api/v1/explain/route", summary="Where an alert with these labels would go, and who would be called when")
def route_of_labels(serving: Served, labels: Labels, at: At = None, hours: Hours = HOURS) -> Response:
    alert = route.alert_of(labels_in(labels))
    return Json(route.of_alert(alert, serving.node.rules, _at(serving, at), horizon=timedelta(hours=hours)))


@router.post("/api/v1/explain/route", summary="The same for an alert as its source sends it, in any supported format")
async def route_of_alert(
    request: Request,
    serving: Served,
    format: Annotated[str, Query(max_length=40)] = "",
    at: At = None,
    hours: Hours = HOURS,
) -> Response:
    """Of a body with several alerts, the first that opens an incident."""
    async with body_of(request, serving, ALERT_BYTES_MAX) as body:
        value = bytes(body)
    horizon = timedelta(hours=hours)
    # In a thread, as the others: two thousand events take some tenths of a second.
    answer = partial(route.of_alert, value, serving.node.rules, _at(serving, at), format=format, horizon=horizon)
    return Json(await asyncio.to_thread(answer))


@router.get("/api/v1/explain/escalation", summary="Who would be called when for an alert with these labels")
def escalation_of_labels(serving: Served, labels: Labels, at: At = None, hours: Hours = HOURS) -> Response:
    alert = route.alert_of(labels_in(labels))
    found = route.of_alert(alert, serving.node.rules, _at(serving, at), horizon=timedelta(hours=hours))
    return Json(route.calls_in(found))


@router.get("/api/v1/explain/escalation/{reference}", summary="Who was called for an incident, and who will be when")
def escalation_of_incident(serving: Served, reference: Reference, hours: Hours = HOURS) -> Response:
    """What is to come rests on the steps that were frozen when the incident opened, and on who is on call by the rules
    in force."""
    _, recorded, _ = _events(serving, reference)
    told = [(one.topic, one.event) for one in recorded]
    now = as_utc(serving.clock.now())
    return Json(escalation.of_incident(told, serving.node.rules, now, timedelta(hours=hours)))


@router.get(
    "/api/v1/explain/why/{reference}", summary="Why somebody was paged: the causes, from the raw alert to the page"
)
def why_paged(
    serving: Served,
    reference: Reference,
    everything: Annotated[bool, Query(alias="all", description="What led to no delivery as well")] = False,
) -> Response:
    """A delivery id gives the one chain to that delivery."""
    incident_id, recorded, cut = _events(serving, reference)
    roots = why.tree(recorded, pages_only=not everything)
    if reference.startswith("ntf_"):
        roots = why.chain(roots, reference)
    found = serving.queries.incident(incident_id) or {}
    shown = {name: found.get(name, "") for name in ("id", "number", "title", "severity", "status")}
    return Json({"incident": shown, "roots": roots, "cut": cut})


def labels_in(given: list[str]) -> dict[str, str]:
    """The labels in texts such as `severity=critical,service=shop`.

    Raises:
        Failure: 422, one is not name=value.
    """
    labels: dict[str, str] = {}
    if sum(map(len, given)) > LABELS_LETTERS_MAX:
        raise Failure(422, "invalid", f"labels: at most {LABELS_LETTERS_MAX} letters")
    for pair in (one.strip() for text in given for one in text.split(",")):
        name, equals, value = pair.partition("=")
        if pair and not (equals and name.strip()):
            raise Failure(422, "invalid", f"labels: {pair!r} is not name=value")
        if pair:
            labels[name.strip()] = value.strip()
    if not labels:
        raise Failure(422, "invalid", "labels: at least one is needed, such as severity=critical")
    return labels


def _at(serving: Serving, given: datetime | None) -> Instant:
    try:
        return as_utc(given or serving.clock.now())
    except OverflowError:
        raise Failure(422, "invalid", "at: out of range") from None


def _events(serving: Serving, reference: str) -> tuple[str, list[why.Placed], bool]:
    """Id, recorded events, and whether there are more than one answer holds.

    Raises:
        Failure: 404, there is nothing of that name.
    """
    incident_id = incident_with(serving.queries, reference)
    if not incident_id:
        raise not_found("incident, alert or delivery", reference)
    rows, cut = events_of(serving.queries, incident_id)
    return incident_id, [placed for row in rows if (placed := _placed(row))], cut


def decoded(serving: Serving, reference: str) -> list[why.Placed]:
    """The recorded events of the incident that `reference` names.

    Raises:
        Failure: 404, there is nothing of that name.
    """
    return _events(serving, reference)[1]


def _placed(row: Recorded) -> why.Placed | None:
    try:
        event: ev.Event = decode_value(row.type, row.value)
    except Reject:  # of a newer version
        return None
    return why.Placed(row.topic, row.partition, row.offset, event, row.text)
