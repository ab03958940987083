"""Alerts: those that the database has, with filters; and alerts sent by a client that wants to know what became of
them.

In: native alerts (or any format that is named). Out: records in `alerts.raw.v1`, as every alert, and per alert whether
an incident was created or updated, and why.
"""

import asyncio
import secrets
from typing import Annotated, Any, Final

import msgspec
import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from tocsin.api.answer import Failure, Json, not_found
from tocsin.api.arrival import CREATE, PENDING, Sent, sent_of, settled
from tocsin.api.body import body_of
from tocsin.api.choice import chosen
from tocsin.api.incidents import Limit, Text, Words
from tocsin.api.intake import store
from tocsin.api.serving import Served, Serving
from tocsin.api.settings import change
from tocsin.api.templates import all_templates
from tocsin.domain.errors import Reject
from tocsin.domain.rules import CorrelationRule
from tocsin.domain.severity import Severity
from tocsin.ingest.intake import Intake, take
from tocsin.topics import RAW

ONE_BYTES_MAX: Final = 256 * 1024
BULK_BYTES_MAX: Final = 8 * 1024 * 1024
"""Some ten thousand alerts: who sends more at once does not wait for each of them."""
WAIT_SECONDS: Final = 5.0
"""A repeat is counted within a second, everything else within a tenth of it."""
WAIT_SECONDS_MAX: Final = 30.0
RULES: Final = "correlate/rules"
TEST_LABEL: Final = "tocsin_test"
"""On everything that only tests tocsin; its value is `true`."""

Wait = Annotated[float, Query(ge=0, le=WAIT_SECONDS_MAX, description="Seconds to wait for what becomes of it")]
Format = Annotated[str, Query(max_length=40, description="Name of a format; default: tocsin's own")]

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


@router.post("/api/alerting/send", summary="Send one alert, and learn what became of it")
async def send(request: Request, serving: Served, wait: Wait = WAIT_SECONDS, format: Format = "native") -> Response:
    """200 with `action` (`create_new`, `update_existing`), `reason`, `existing_alert_id` and `correlation_id`; 202 when
    it is durable and its outcome is not known yet."""
    async with body_of(request, serving, ONE_BYTES_MAX) as body:
        answers = await sent(serving, bytes(body), wait, format=format)
    if len(answers) != 1:
        raise Failure(400, "bad_shape", "send takes one alert; /api/alerting/bulk takes several")
    if error := answers[0]["error"]:
        raise Failure(400, error["error"], error["message"])
    return Json(answers[0], 202 if answers[0]["action"] == PENDING else 200)


@router.post("/api/alerting/bulk", summary="Send many alerts, and learn what became of each")
async def bulk(request: Request, serving: Served, wait: Wait = WAIT_SECONDS, format: Format = "native") -> Response:
    """A list of alerts, or `{"alerts": [...]}`. 200 when all are accepted, 207 when some are, 400 when none is, 202
    while outcomes are pending."""
    async with body_of(request, serving, BULK_BYTES_MAX) as body:
        value = unwrapped(bytes(body)) if format == "native" else bytes(body)
        answers = await sent(serving, value, wait, format=format)
    accepted = [one for one in answers if not one["error"]]
    pending = any(one["action"] == PENDING for one in accepted)
    status = 400 if not accepted else 207 if len(accepted) < len(answers) else 202 if pending else 200
    return Json(
        {
            "accepted": len(accepted),
            "rejected": len(answers) - len(accepted),
            "created": sum(one["action"] == CREATE for one in accepted),
            "incidents": sorted({one["number"] for one in accepted if one["number"]}),
            "items": answers,
        },
        status,
    )


@router.post("/api/alerting/test", summary="Send a test alert through the whole path, and take it back")
async def try_out(serving: Served, wait: Wait = WAIT_SECONDS) -> Response:
    """An alert of severity info with the label `tocsin_test`. `passed` when it became an incident within `wait`."""
    key = f"{TEST_LABEL}-{secrets.token_hex(8)}"
    alert = {
        "title": "Test of the alert path",
        "severity": "info",
        "key": key,
        "source": "tocsin",
        "labels": {TEST_LABEL: "true", "alertname": "TocsinTest", "test": key},
    }
    began = serving.clock.monotonic()
    (answer,) = await sent(serving, orjson.dumps(alert), wait)
    passed = answer["action"] == CREATE
    seconds = round(serving.clock.monotonic() - began, 3)
    await sent(serving, orjson.dumps({**alert, "status": "resolved"}), 0.0)
    return Json({"passed": passed, "seconds": seconds, **answer}, 200 if passed else 202)


@router.get("/api/alerting/rules", summary="The rules by which alerts are grouped")
def rules(serving: Served) -> Response:
    """In their order: the first that matches an alert counts. `managed_by_file`: only the settings file changes
    them."""
    return Json(_rules(serving))


@router.put("/api/alerting/rules", summary="Replace the rules by which alerts are grouped")
async def put_rules(request: Request, serving: Served) -> Response:
    """A list of rules, or `{"rules": [...]}`; durable and in force when it answers. 409 when they stand in a settings
    file."""
    async with body_of(request, serving, ONE_BYTES_MAX) as body:
        given = _json(bytes(body))
    document = given.get("rules") if isinstance(given, dict) else given
    if not isinstance(document, list):
        raise Failure(422, "invalid", 'the body is a list of rules, or {"rules": [...]}')
    await change(serving, {RULES: document}, actor=request.state.actor)
    return Json(_rules(serving))


@router.get("/api/alerting/templates", summary="What messages say")
def message_templates(serving: Served) -> Response:
    """`origin` is `settings` for templates of the installation, which change as `PUT /api/v1/settings/template/{name}`,
    and `built_in` for the texts of tocsin: their `name` is the type of the event that a message is about. Variables
    stand in braces."""
    return Json({"items": all_templates(serving.node.rules.templates)})


def _rules(serving: Serving) -> dict[str, Any]:
    feed = serving.node.feed
    return {
        "items": [_shown(rule) for rule in serving.node.rules.correlation],
        "version": feed.version(RULES),
        "managed_by_file": feed.is_managed_by_file(RULES),
    }


def _shown(rule: CorrelationRule) -> dict[str, Any]:
    """Every field, also those that have their default."""
    return {name: msgspec.to_builtins(getattr(rule, name), str_keys=True) for name in rule.__struct_fields__}


async def sent(serving: Serving, body: bytes, wait: float, *, format: str = "native") -> list[dict[str, Any]]:
    """Take the alerts in `body`, and wait for what becomes of them: an answer per alert, in their order.

    Raises:
        Failure: 400 or 413, the body is wrong as a whole; 503, the log cannot take it.
    """
    now = serving.clock.now()
    try:
        taken = take(
            body,
            format=format or None,
            received_at=now,
            seed=secrets.token_hex(16),
            partitions=serving.node.broker.partitions(RAW.name),
        )
    except Reject as error:
        raise Failure(413 if error.word == "too_large" else 400, error.word, str(error)) from error
    accepted = await store(serving, taken)
    waited: list[Sent] = await asyncio.to_thread(sent_of, serving, taken, accepted, now)
    await settled(serving, waited, wait)
    known = {one.index: one.answer for one in waited}
    return [known.get(index) or _refused(taken, index) for index in range(taken.count)]


def _refused(taken: Intake, index: int) -> dict[str, Any]:
    error = taken.errors[index]
    empty = dict.fromkeys(("alert_id", "action", "reason", "existing_alert_id", "incident", "number"))
    texts = dict.fromkeys(("correlation_id", "fingerprint"), "")
    return {"index": index, **empty, **texts, "error": {"error": error.word, "message": error.message}}


def unwrapped(body: bytes) -> bytes:
    """The list in `{"alerts": [...]}`; anything else as it is."""
    given = _json(body)
    if isinstance(given, dict) and set(given) == {"alerts"}:
        return orjson.dumps(given["alerts"])
    return body


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Failure(400, "bad_json", f"the body is not JSON: {error}") from None
