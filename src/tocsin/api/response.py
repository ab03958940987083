"""Incidents as a resource: create, update, void, escalate; the rules and playbooks that go with them.

In: JSON objects with the fields of an incident. Out: commands in `incidents.commands.v1` (raw alerts for those made
from an alert), and the incident as it is afterwards. Each route waits a bounded time for what became of it and says
`pending` with 202 when it does not know yet.
"""

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from tocsin.api.alerting import ONE_BYTES_MAX, WAIT_SECONDS, Wait, sent
from tocsin.api.answer import Failure, Json, not_found
from tocsin.api.arrival import CREATE, UPDATE
from tocsin.api.body import body_of
from tocsin.api.choice import chosen
from tocsin.api.giving import PENDING, give, refuse
from tocsin.api.incidents import Reference, Text
from tocsin.api.readable import escalation_rules
from tocsin.api.runbooks import runbook_names
from tocsin.api.serving import Served, Serving
from tocsin.api.severity import labelled
from tocsin.domain.command import TABLE
from tocsin.domain.lifecycle import LEADS_TO, UNFINISHED, Status
from tocsin.domain.playbook import described, fitting
from tocsin.domain.severity import Severity
from tocsin.persist.recorded import alert_of, playbook_usage
from tocsin.settings.problem import suggestion

BODY_BYTES_MAX: Final = 64 * 1024
MEANT: Final = {"description": "summary"}
"""Names that clients use for fields of ours."""
OF_COMMAND: Final = frozenset({"reason", "command_id"})
VERB_TO: Final = {status: verb for verb, status in LEADS_TO.items()}
"""The verb that leads to a status."""

router = APIRouter(tags=["incidents"])


@router.get("/api/incident_response/escalation-rules", summary="Who is called when nobody answers")
def rules(serving: Served) -> Response:
    """`items`: the rows that count where no policy does; `policies`: the named ones with their levels."""
    return Json(escalation_rules(serving.node.rules))


@router.get("/api/incident_response/playbooks", summary="Steps to take, by category and severity")
def playbooks(serving: Served, category: Text = "", severity: Text = "") -> Response:
    """Those that fit `category` and `severity`, where they are given, with how often they were used; `runbooks`: names
    of documents to read."""
    wanted = next(iter(chosen("severity", [severity], Severity)), "")
    usage = playbook_usage(serving.queries)
    found = fitting(serving.node.rules, category, wanted)
    items = [{**described(name, one), "usage": usage.get(name, {})} for name, one in found.items()]
    return Json({"items": items, "runbooks": runbook_names()})


@router.post("/api/incident_response", summary="Create an incident")
async def create(request: Request, serving: Served, wait: Wait = WAIT_SECONDS) -> Response:
    """201 with the incident. Fields: those of the command `declare`; `description` is the summary. Send the same
    `command_id` again to learn what became of it: it creates one incident."""
    given = await _object(request, serving)
    arguments = {name: value for name, value in given.items() if name not in OF_COMMAND}
    outcome = await _given(serving, request, "declare", given, arguments, wait)
    return await _created(serving, outcome, "declared", str(given.get("correlation_id") or ""))


@router.post("/api/incident_response/from-alert", summary="Create an incident from an alert")
async def create_from_alert(request: Request, serving: Served, wait: Wait = WAIT_SECONDS) -> Response:
    """The body is an alert, in tocsin's own format, which is correlated as all alerts are; or `{"alert_id": …}` of one
    that is known: its incident, or a new one where that is over. 201 when an incident was created, 200 when the alert
    belongs to one that was there."""
    given = await _object(request, serving)
    if "alert_id" in given:
        return await _from_known(serving, request, given, wait)
    alert = given.get("alert", given)
    (answer,) = await sent(serving, orjson.dumps(alert), wait)
    if error := answer["error"]:
        raise Failure(400, error["error"], error["message"])
    incident = _shown(serving, answer["incident"])
    status = 202 if incident is None else 201 if answer["action"] == CREATE else 200
    return Json({**(incident or {}), **_told(answer)}, status)


@router.put("/api/incident_response/{reference}", summary="Change an incident")
async def update(request: Request, serving: Served, reference: Reference, wait: Wait = WAIT_SECONDS) -> Response:
    """Fields: those of the commands `change`, `assign` and `set_roles`, `note`, and `status`, which stands for the verb
    that leads there. They are carried out one after the other, the status last; the first that is refused ends it with
    409, and `problems` names what was done before."""
    given = await _object(request, serving)
    steps = _steps(given)
    if not steps:
        raise Failure(422, "invalid", "nothing to change; give fields such as severity, assignee or status")
    if _shown(serving, reference) is None:
        raise not_found("incident", reference)
    outcomes: list[dict[str, Any]] = []
    for number, (verb, arguments) in enumerate(steps):
        key = str(given.get("command_id") or "")
        outcome = await give(
            serving,
            request,
            verb,
            reference,
            reason=str(given.get("reason") or ""),
            arguments=arguments,
            command_id=f"{key}.{number}" if key else "",
            wait=wait,
        )
        done = [f"{one['verb']}: {one['outcome']}" for one in outcomes]
        refuse(outcome, problems=[*done, f"{verb}: {outcome['message']}"])
        outcomes.append(outcome)
    pending = any(one["outcome"] == PENDING for one in outcomes)
    return Json({**(_shown(serving, reference) or {}), "outcomes": outcomes}, 202 if pending else 200)


@router.delete("/api/incident_response/{reference}", summary="Void an incident: it was none; the log keeps it")
async def delete(
    request: Request,
    serving: Served,
    reference: Reference,
    wait: Wait = WAIT_SECONDS,
    reason: Annotated[str, Query(max_length=1000)] = "",
) -> Response:
    outcome = await give(serving, request, "void", reference, reason=reason, wait=wait)
    refuse(outcome)
    found = _shown(serving, reference) or {"id": outcome["incident"]}
    return Json({**found, "outcomes": [outcome]}, 202 if outcome["outcome"] == PENDING else 200)


@router.post("/api/incident_response/escalate", summary="Call the next level, or a level or target, now")
async def escalate(request: Request, serving: Served, wait: Wait = WAIT_SECONDS) -> Response:
    """`incident` (id or number), and where it is not simply the next one: `level`, or `target` (`escalate_to`)."""
    given = await _object(request, serving)
    named = [given.pop(name) for name in ("incident", "incident_id", "id", "number") if name in given]
    if len(named) != 1 or not isinstance(named[0], str) or not named[0]:
        raise Failure(422, "invalid", 'name one incident by its id or number: {"incident": "INC-2026-11-21-007"}')
    renamed = {"escalate_to": "target", "escalation_level": "level"}
    arguments = {renamed.get(name, name): value for name, value in given.items() if name not in OF_COMMAND}
    outcome = await _given(serving, request, "escalate", given, arguments, wait, incident=named[0])
    refuse(outcome)
    found = _shown(serving, named[0])
    if found is None:
        return Json(outcome, 202)
    status = 202 if outcome["outcome"] == PENDING else 200
    return Json({**found, "escalation": serving.queries.escalation(found["id"]), "outcomes": [outcome]}, status)


async def _from_known(serving: Serving, request: Request, given: dict[str, Any], wait: float) -> Response:
    known = alert_of(serving.queries, str(given["alert_id"])[:128])
    if known is None:
        raise not_found("alert", str(given["alert_id"]))
    incident = _shown(serving, known["incident_id"])
    if incident is not None and incident["status"] in UNFINISHED:
        told = {"action": UPDATE, "reason": "alert_has_incident", "existing_alert_id": known["alert_id"]}
        return Json({**incident, **told, "correlation_id": known["correlation_id"], "outcomes": []})
    arguments = {
        "title": known["title"],
        "severity": known["severity"],
        "category": known["category"] or None,
        "service": known["service"] or None,
        "summary": known["annotations"].get("description") or known["annotations"].get("summary"),
        "labels": {name: value for name, value in list(known["labels"].items())[:16] if value},
        **{name: value for name, value in given.items() if name not in OF_COMMAND | {"alert_id"}},
    }
    outcome = await _given(serving, request, "declare", given, arguments, wait)
    return await _created(serving, outcome, "declared_from_alert", known["correlation_id"], known["alert_id"])


async def _given(
    serving: Serving,
    request: Request,
    verb: str,
    given: dict[str, Any],
    arguments: dict[str, Any],
    wait: float,
    *,
    incident: str = "",
) -> dict[str, Any]:
    return await give(
        serving,
        request,
        verb,
        incident,
        reason=str(given.get("reason") or ""),
        arguments={MEANT.get(name, name): value for name, value in arguments.items()},
        command_id=str(given.get("command_id") or ""),
        wait=wait,
    )


async def _created(
    serving: Serving, outcome: dict[str, Any], reason: str, correlation_id: str, existing: str | None = None
) -> Response:
    refuse(outcome)
    found = _shown(serving, outcome["incident"])
    told = {"action": CREATE, "reason": reason, "existing_alert_id": existing, "correlation_id": correlation_id}
    body = {**(found or {}), **told, "command_id": outcome["command_id"], "outcomes": [outcome]}
    return Json(body, 202 if found is None else 201)


def _shown(serving: Serving, reference: str | None) -> dict[str, Any] | None:
    """The incident as lists show it; None when there is none (yet)."""
    found = serving.queries.incident(reference) if reference else None
    return None if found is None else labelled(found, serving.node.rules)


def _told(answer: dict[str, Any]) -> dict[str, Any]:
    names = ("alert_id", "action", "reason", "existing_alert_id", "correlation_id")
    return {name: answer[name] for name in names}


def _steps(given: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The commands that the fields stand for: (verb, arguments), in the order in which they are carried out.

    Raises:
        Failure: 422, a field is unknown.
    """
    fields = {MEANT.get(name, name): value for name, value in given.items() if name not in OF_COMMAND}
    status, note = fields.pop("status", None), fields.pop("note", None)
    verbs = ("assign", "change", "set_roles")
    taken: dict[str, dict[str, Any]] = {}
    for name, value in fields.items():
        verb = next((one for one in verbs if name in TABLE[one].arguments), None)
        if verb is None:
            known = [*(field for one in verbs for field in TABLE[one].arguments), "status", "note", *OF_COMMAND]
            raise Failure(422, "invalid", f"unknown field {name!r}{suggestion(name, known)}")
        taken.setdefault(verb, {})[name] = value
    steps = [(verb, taken[verb]) for verb in verbs if verb in taken]
    steps += [("note", {"text": note})] if note is not None else []
    if status is not None:
        words = chosen("status", [str(status)], Status)
        if len(words) != 1:
            raise Failure(422, "invalid", f"status: one of {', '.join(Status)}")
        word = Status(words[0])
        moved: tuple[str, dict[str, Any]] = (VERB_TO[word], {})
        steps = [moved, *steps] if word is Status.OPEN else [*steps, moved]
    return steps


async def _object(request: Request, serving: Serving) -> dict[str, Any]:
    """The JSON object of the request.

    Raises:
        Failure: it is none, or too large.
    """
    async with body_of(request, serving, max(BODY_BYTES_MAX, ONE_BYTES_MAX)) as body:
        try:
            given = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Failure(400, "bad_json", f"the body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise Failure(422, "invalid", "the body is a JSON object")
    return given
